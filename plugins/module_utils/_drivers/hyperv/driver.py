# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V's driver: what the core requests, as calls for the host. It neither waits nor decides.

A step is a generator of calls (``in_rounds``), so that the calls of all VMs of a task go in one request.
"""

from __future__ import annotations

from functools import partial

from ..._lifecycle.errors import NotFound, PolyvirtError
from ..._lifecycle.in_rounds import apply_in_rounds
from ..._lifecycle.model import POWER_VERBS, SNAPSHOT_VERBS, Target
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
        #: What was read of the host for the plans, and of VMs at the end of the last request that changed them.
        self._ahead, self._last = None, None
        self._targets = ()

    def lane(self, _vm):
        """One request has the calls of all VMs that are ready."""
        return "hyperv"

    def preflight(self, plan):
        """Raise what would make the plan fail half-way; reads only."""
        from .checks import check_plan

        if self._ahead is None:
            self.read_ahead([plan])
        check_plan(self, plan, self._ahead)

    def read_ahead(self, plans):
        """Read what all plans need from the host in one request."""
        from .checks import Ahead

        self._ahead = Ahead(self)
        self._ahead.read(plans)

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
        return apply_in_rounds(self._step, partial(side_by_side, self._send_and_read), batch, writes.count)

    def _step(self, vm, step):
        return getattr(_file_of(step.verb), step.verb)(self, vm, step)

    def _send_and_read(self, chains):
        """Calls that change VMs are followed by those that read them, as the engine does next."""
        reading = [] if all(chain.reads_only for chain in chains) else self.chains_of(self._targets)
        results = self.send([*chains, *reading])
        if reading:
            self._last = LastRead(self._targets, results[len(chains) :], self)
        return results[: len(chains)]

    def has_changed(self, vm):
        """Whether this task has changed a VM since it was observed."""
        return vm.id.lower() in self._changed

    def current(self, vm):
        """The raw VM as it is now: as observed, or read again if this task has changed it since."""
        raw = self.found.raw(vm.id)
        if raw is None or self.has_changed(vm):
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
