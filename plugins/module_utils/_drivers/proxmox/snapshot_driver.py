# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds creating, changing and deleting VMs."""

from __future__ import annotations

from functools import cached_property

from ..._core.errors import ApiError
from ..._core.model import POWER_VERBS
from ..._kit.one_by_one import one_by_one
from ..._ports import writes
from ..._tools.proxmox import Busy
from .cluster import is_gone
from .reader import ProxmoxReader, connected
from .traits import proxmox_traits


def make_driver(params):
    """The driver for the parameters of ``proxmox_snapshot``."""
    return connected(ProxmoxSnapshotDriver, params)


class ProxmoxSnapshotDriver(ProxmoxReader):
    """One cluster, for one task about power and snapshots."""

    def __init__(self, tool, observer, stop_timeout=None):
        super().__init__(tool, observer)
        #: Seconds for a guest to shut down, as set by the task; None if not set.
        self.stop_timeout = stop_timeout
        #: {id: when the first shutdown of a VM since its start was requested}, in seconds of the tool's clock.
        self.stopping_since = {}
        #: Ids of VMs for which a stop was requested from high availability.
        self.requested_stops = set()

    @cached_property
    def resources(self):
        """The nodes and storages of the cluster."""
        from .resources import Resources

        return Resources(self.tool, self.observer.resources)

    @property
    def space(self):
        """What this task has assigned to nodes and storages; drivers of one cluster share it."""
        return self.resources.assigned

    @space.setter
    def space(self, assigned):
        self.resources.assigned = assigned

    @cached_property
    def claims(self):
        from .claims import ProxmoxClaims

        return ProxmoxClaims(self)

    def traits(self):
        return proxmox_traits(self._version or "")

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        """Raise errors that would make the plan fail half-way. Changes nothing."""
        from .snapshot_checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        self.observer.is_acting = True
        return one_by_one(self.carry_out, batch, writes.count)

    def carry_out(self, vm, step):
        """Carry out a step on an existing VM."""
        node = self.observer.node_of(vm.id)
        try:
            getattr(self.file_of(step.verb), step.verb)(self, vm, step)
        except ApiError as error:
            if not is_gone(error):
                raise
            # The next observation finds its current node.
            self.observer.set_node(vm.id, None)
            raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", error.status) from error

    def file_of(self, verb):
        """Return the Python module with the function for a verb; the function has the name of the verb.

        It is imported when it is first needed. Each import is written out, because Ansible ships only files that it
        finds in import statements.
        """
        if verb in POWER_VERBS:
            from . import power as file
        else:
            from . import snapshots as file
        return file
