# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of the snapshot module: power and snapshots. ``driver.py`` adds what creates and changes VMs.

A step is a generator of calls (``in_rounds``), so that the calls of all VMs of a task go in one request.
"""

from __future__ import annotations

from functools import partial

from ..._lifecycle.errors import NotFound, PolyvirtError
from ..._lifecycle.in_rounds import in_rounds
from ..._lifecycle.model import POWER_VERBS, Target
from ..._ports.windows import side_by_side
from ..._tools.hyperv import read_vms, vms_chain
from .reader import HyperVReader, check_parts
from .settings.native import native_properties


def make_driver(params):
    """The driver for the parameters of ``hyperv_snapshot``."""
    return HyperVSnapshotDriver(params)


class HyperVSnapshotDriver(HyperVReader):
    """The Hyper-V of one host, for one task about power and snapshots."""

    def __init__(self, options, native_keys=()):
        super().__init__(options, native_keys)
        #: {name: id} of the VMs that this task has created: a step may be sent twice.
        self.created = {}
        #: Ids of VMs that were changed since they were observed.
        self._changed = set()
        #: What was read of VMs at the end of the last request that changed them.
        self._last = None
        self._targets = ()

    def lane(self, _vm):
        """One request has the calls of all VMs that are ready."""
        return "hyperv"

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .snapshot_checks import check_plan

        check_plan(self, plan)

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        if "config" in facets:
            self._changed.clear()
        return observation

    def read(self, targets=None):
        return (targets and self._read_last(targets)) or super().read(targets)

    def read_power(self, targets):
        found = self._read_last(targets)
        if found is None:
            return super().read_power(targets)
        ids = {target.id.lower() for target in targets}
        return [raw for vm_id, raw in found.vms.items() if vm_id in ids]

    def _read_last(self, targets):
        last = self._last  # Another thread may send the next request.
        try:
            return last and last.found_of(targets)
        except PolyvirtError:
            return None  # The observation reads again, and reports what fails then.

    def send(self, chains, about=False):
        self._last = None
        return super().send(chains, about)

    def apply(self, batch):
        self._targets = [Target(vm.name, vm.id) for vm, _steps in batch]
        return in_rounds(self._step, partial(side_by_side, self._send_and_read), batch)

    def _step(self, vm, step):
        return getattr(self.file_of(step.verb), step.verb)(self, vm, step)

    def file_of(self, verb):
        """The file with the function for a verb, which has the verb's name: imported when the first such step is sent.

        Imports stand here in full, because Ansible ships only the files that it finds imported.
        """
        if verb in POWER_VERBS:
            from . import power as file
        else:
            from . import snapshots as file
        return file

    def _send_and_read(self, chains):
        """Calls that change VMs are followed by those that read them, as the engine does next."""
        reading = [] if all(chain.reads_only for chain in chains) else self.chains_of(self._targets)
        results = self.send([*chains, *reading])
        if reading:
            self._last = LastRead(self._targets, results[len(chains) :], self)
        return results[: len(chains)]

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


class LastRead:
    """VMs as they were at the end of a request, for the observation that follows at once."""

    #: Seconds: what follows at once is no pause.
    _AT_ONCE = 1

    def __init__(self, targets, results, driver):
        self._names = {target.name.casefold() for target in targets if not target.id}
        self._ids = {target.id.lower() for target in targets if target.id}
        self._results, self._driver, self._clock = results, driver, driver.windows.clock
        self._end, self._found = self._clock.now() + self._AT_ONCE, None

    def found_of(self, targets):
        """What was read as Found, if it has all ``targets`` and is new; else None."""
        if self._clock.now() > self._end:
            return None
        self._found = self._found or self._driver.found_by(self._results)
        ids = self._ids | set(self._found.vms)
        is_known = all(
            target.id.lower() in ids if target.id else target.name.casefold() in self._names for target in targets
        )
        return self._found if is_known and self._found.is_complete() else None
