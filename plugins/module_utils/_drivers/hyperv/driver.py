# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V's driver: what the core requests, as calls for the host. It neither waits nor decides.

A step is a generator of calls (``in_rounds``), so that the calls of all VMs of a task go in one request.
"""

from __future__ import annotations

from functools import partial

from ..._lifecycle.errors import NotFound
from ..._lifecycle.in_rounds import apply_in_rounds
from ..._lifecycle.model import POWER_VERBS, SNAPSHOT_VERBS
from ..._ports import writes
from ..._ports.ceiling import call_timeout
from ..._ports.windows import side_by_side
from ..._tools.hyperv import read_vms, vms_chain
from .reader import HyperVReader, check_parts
from .settings.native import native_properties


def make_driver(params):
    """The driver for the parameters of ``hyperv_vm`` or ``hyperv_snapshot``."""
    return HyperVDriver(params, native_keys=params.get("native") or ())


class HyperVDriver(HyperVReader):
    """The Hyper-V of one host, for one task."""

    def __init__(self, options, native_keys=()):
        super().__init__(options, native_keys)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        #: {name: id} of the VMs that this task has created: a step may be sent twice.
        self.created = {}
        #: Ids of VMs that were changed since they were observed.
        self._changed = set()
        #: All VMs as they were before the first step, if a plan needs them.
        self._all = None

    def lane(self, _vm):
        """One request has the calls of all VMs that are ready."""
        return "hyperv"

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        check_plan(self, plan)

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        if "config" in facets:
            self._changed.clear()
        return observation

    def all_vms(self):
        """All VMs of the host, read once for a task."""
        self._all = self._all or self.read()
        return self._all

    def apply(self, batch):
        return apply_in_rounds(self._step, partial(side_by_side, self.send), batch, writes.count)

    def _step(self, vm, step):
        return getattr(_file_of(step.verb), step.verb)(self, vm, step)

    def current(self, vm):
        """The raw VM as it is now: as observed, or read again if this task has changed it since."""
        raw = self.found.raw(vm.id)
        if raw is None or vm.id.lower() in self._changed:
            result = yield list(vms_chain("", {"Id": [vm.id]}, native_properties(self._native_keys)).calls)
            check_parts(result.answers)
            _known, vms, snapshots, disks = read_vms(result.answers)
            if not vms:
                raise NotFound(f"{vm.name}: the VM no longer exists: it was deleted in the meantime.", "Run it again.")
            self.found.add((), vms, snapshots, disks)
            raw = vms[0]
        self._changed.add(vm.id.lower())
        return raw


def _file_of(verb):
    """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

    Imports stand here in full, because Ansible ships only the files that it finds imported.
    """
    if verb in POWER_VERBS:
        from . import power as file
    elif verb in SNAPSHOT_VERBS:
        from . import snapshots as file
    elif verb == "create":
        from . import create as file
    elif verb == "clone":
        from . import clone as file
    elif verb == "configure":
        from . import configure as file
    else:
        from . import delete as file
    return file
