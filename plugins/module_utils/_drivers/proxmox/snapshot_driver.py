# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds what creates and changes VMs."""

from __future__ import annotations

from functools import cached_property

from ..._lifecycle.errors import ApiError
from ..._lifecycle.model import POWER_VERBS
from ..._lifecycle.one_by_one import one_by_one
from ..._ports import writes
from ..._tools.proxmox import Busy
from .cluster import is_gone
from .reader import ProxmoxReader, connected
from .traits import proxmox_traits


def make_driver(params):
    """The driver for the parameters of ``proxmox_snapshot``."""
    return connected(ProxmoxSnapshotDriver, params)


class ProxmoxSnapshotDriver(ProxmoxReader):
    """One cluster, for one task about power and snapshots; ``places`` are its nodes and storages."""

    def __init__(self, tool, observer, stop_timeout=None):
        super().__init__(tool, observer)
        #: Seconds that the task gives a guest to shut down; None: the task does not say.
        self.stop_timeout = stop_timeout
        #: Ids of VMs that high availability is to stop.
        self.stops_requested = set()

    @cached_property
    def places(self):
        from .places import Places

        return Places(self.tool)

    def traits(self):
        return proxmox_traits(self._version or "")

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise errors that would make the plan fail half-way; this only reads."""
        from .snapshot_checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self.observer.is_acting = True
        return one_by_one(self.carry_out, batch, writes.count)

    def carry_out(self, vm, step):
        """One step on a VM that exists."""
        node = self.observer.node_of(vm.id)
        try:
            getattr(self.file_of(step.verb), step.verb)(self, vm, step)
        except ApiError as error:
            if not is_gone(error):
                raise
            # The next observation finds it where it is.
            self.observer.moved(vm.id, None)
            raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", error.status) from error

    def file_of(self, verb):
        """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

        Imports stand here in full, because Ansible ships only the files that it finds imported.
        """
        if verb in POWER_VERBS:
            from . import power as file
        else:
            from . import snapshots as file
        return file
