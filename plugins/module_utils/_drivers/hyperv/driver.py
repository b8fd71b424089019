# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the driver, which translates the steps of the core into calls for the host.

A step is a generator that yields lists of calls (see ``in_rounds``), so that one request can contain the calls of all
VMs of a task.
"""

from __future__ import annotations

from functools import cached_property, partial

from ..._core.errors import NotFound, PolyvirtError
from ..._core.model import STOPPED, Target
from ..._core.planner.contents import files_of_appliance
from ..._kit.driver import ForChanges, carry_out, functions_of
from ..._kit.in_rounds import in_rounds
from ..._media.on_host import PreparesMedia
from ..._ports import files, permits
from ..._ports.clock import call_timeout
from ..._ports.windows import side_by_side
from ..._ports.windows_request import Chain, properties
from ..._tools.hyperv import add_remedies, disks_chain, key_calls, read_vms, vms_chain
from ..._tools.windows_files import file_command, file_id, file_id_call, is_on_share, key_of
from .observe import HyperVObserver, all_disks, check_parts
from .settings.native import native_properties


def make_driver(params):
    """Return the driver for the parameters of a module."""
    return HyperVDriver(params, native_keys=params.get("native") or ())


class HyperVDriver(PreparesMedia, ForChanges, HyperVObserver):
    """Hyper-V on one host, for one task."""

    def __init__(self, options, native_keys=()):
        super().__init__(options, native_keys)
        self.call_timeout = call_timeout(options.get("call_timeout"))
        #: Ids of VMs that were changed since they were observed.
        self._changed = set()
        #: The VMs as read at the end of the last request that changed them.
        self._last_read = None
        self._targets, self._host_files = (), None
        #: (time until which they count as read just now, all VMs with their disks as Found).
        self._users = None
        #: Keys of the files that VMs have as shared disks.
        self._shared = frozenset()
        #: Ids of VMs that were off when this task was planned, and that it starts.
        self.started = set()
        #: {id of a VM that is deleted: ids of the checkpoints that it had when it was planned first}.
        self.checkpoints = {}

    @cached_property
    def claims(self):
        from .claims import HyperVClaims

        return HyperVClaims(self)

    @cached_property
    def commands(self):
        """Commands of the controller, which makes seeds and converts disks."""
        from ..._ports.command import Commands

        return Commands(self.call_timeout)

    @cached_property
    def images(self):
        """The HostImages."""
        from .images import HostImages

        return HostImages(self)

    def resolve_image(self, request):
        """Return the request with the file on the host as its image, or with what its appliance has."""
        if "appliance" in request.creation:
            # Few tasks create a VM from one.
            from .appliances import resolved

            return resolved(self, request)
        return self.images.resolved(request)

    @property
    def host_files(self):
        """The files and disks that plans need, created on first use."""
        from .needed import HostFiles

        self._host_files = self._host_files or HostFiles(self)
        return self._host_files

    def expect(self, plans):
        """Have the next observation also read what these plans need."""
        self.host_files.expect(plans)

    def read_ahead(self, plans):
        """Read what all plans need from the host in one request."""
        self.host_files.read(plans)

    def expected_calls(self, targets):
        return self._host_files.expected_calls(targets) if self._host_files else ()

    def take_expected(self, answers):
        if self._host_files:
            self._host_files.take_expected(answers)

    def all_disks(self):
        """Return all VMs with their disks as Found, for the comparison of plans."""
        known = self.host_files
        known.users = known.users or (self.found if self.has_all else None)
        known.users = self._with_lost(known.users) if known.users else self.users_now()
        return known.users

    def users_now(self, again=False, with_macs=False):
        """Return all VMs with their disks as Found, read since the last change, and just now; or read ``again``."""
        users = self._users  # A local variable, because another thread may send the next request.
        is_new = users is not None and not again and self.windows.clock.now() <= users[0]
        return self._with_lost(users[1] if is_new else self.take_users(self.send([disks_chain(with_macs)])[0].answers))

    def users_and(self, chains):
        """Return (``users_now``, the Results of ``chains``), from one request."""
        asked, *others = self.send([disks_chain(), *chains])
        return self._with_lost(self.take_users(asked.answers)), others

    def other_names(self, disks, keys):
        """Return {key of a path: paths of the same file} for those of ``keys`` that have further names.

        Copies have one DiskIdentifier, too. They are the same file until Windows says that they are not.
        """
        groups = {}
        for raw in disks.values():
            groups.setdefault(raw.get("DiskIdentifier") or key_of(raw["Path"]), []).append(raw["Path"])
        groups = [one for one in groups.values() if len(one) > 1 and not keys.isdisjoint(map(key_of, one))]
        asked = [path for group in groups for path in group]
        answers = self.send([Chain("ids", tuple(map(file_id_call, asked)))])[0].answers if asked else ()
        ids = dict(zip(asked, map(file_id, answers)))

        def same(path, other):
            return path != other and (None in (ids[path], ids[other]) or ids[path] == ids[other])

        return {key_of(path): [one for one in group if same(path, one)] for group in groups for path in group}

    def take_users(self, answers):
        """Return all VMs with their disks as Found, from answers to ``disks_chain`` that were read just now."""
        found = all_disks(answers)
        self._shared = found.shared_files()
        self._users = self.windows.clock.now() + MAX_AGE_SECONDS, found
        return found

    def is_shared(self, path, slot):
        """Return whether a file is attached as a shared disk, as it is to other VMs; Hyper-V shares disks on SCSI."""
        return bool(path) and "SCSI" in slot and key_of(path) in self._shared

    def _with_lost(self, found):
        """Return the VMs as read after the question which of the files that could not be read exist.

        A file that a merge has removed is in no drive by then; one that is still in a drive is lost.
        """
        unread = [path for path in found.unread_of_all() if not is_on_share(path)]
        if not unread or found.is_checked:
            return found
        exist = file_command("Test-Path", unread, show=properties("Length"))
        asked, disks = self.send([Chain("lost", (exist,)), disks_chain()])
        found, answers = self.take_users(disks.answers), asked.answers[0].objects
        found.lost = frozenset(key_of(path) for path, exists in zip(unread, answers) if not exists)
        found.is_checked = True
        return found

    def file_version(self, path, plan):
        if path in files_of_appliance(plan):
            return files.version(path)
        return self.host_files.versions.get(key_of(path))

    def preflight(self, plan, released=frozenset()):
        """Raise if the plan would fail half-way, or return warnings; only reads."""
        from ..._kit.guards import check_all
        from .guards import GUARDS

        warnings = check_all(GUARDS, self, plan, released)
        if plan.before.id and plan.before.power == STOPPED and any(step.verb == "start" for step in plan.steps):
            self.started.add(plan.before.id)
        if plan.before.id and any(step.verb == "delete" for step in plan.steps):
            vm_id = plan.before.id.lower()
            self.checkpoints.setdefault(vm_id, [one["Id"] for one in self.found.snapshots.get(vm_id, ())])
        return warnings

    def observe(self, targets, facets):
        observation = super().observe(targets, facets)
        if "config" in facets:
            self._changed.clear()
        return observation

    def read(self, targets=None):
        return (targets and self._found_after_change(targets)) or super().read(targets)

    def read_power(self, targets):
        found = self._found_after_change(targets)
        if found is None:
            return super().read_power(targets)
        ids = {target.id.lower() for target in targets}
        return [raw for vm_id, raw in found.vms.items() if vm_id in ids]

    def _found_after_change(self, targets):
        """Return the Found of the last change if it is new and has all ``targets``, else None."""
        last_read = self._last_read  # A local variable, because another thread may send the next request.
        try:
            return last_read and last_read.found_of(targets)
        except PolyvirtError:
            return None  # The observation reads the VMs again, and reports the error if it persists.

    # Acting -----------------------------------------------------------------------------------------------------------

    def send(self, chains, about=False):
        self._last_read = None
        self._users = self._users if all(chain.reads_only for chain in chains) else None
        return super().send(chains, about)

    def apply(self, batch):
        self._host_files = None  # The steps make it out of date.
        self._targets = [Target(vm.name, vm.id) for vm, *_others in batch]
        send = partial(side_by_side, self._send_and_read)
        return in_rounds(partial(carry_out, self), send, batch, permits.granted)

    @cached_property
    def verbs(self):
        """The functions for the steps of plans."""
        from ..._media.windows import copy
        from . import configure, create, delete, power, snapshots

        return functions_of(power, snapshots, create, configure, delete, copy)

    def press_key(self, vm):
        (result,) = self.send([Chain(vm.name, tuple(key_calls(vm.id)))])
        if result.error is not None:
            raise result.error
        code = next((answer.get("ReturnValue") for answer in result.answers[-1].objects), "without a number")
        if code != 0:
            raise PolyvirtError(
                f"{vm.name}: Hyper-V did not press a key (error {code}).",
                "Press a key in VMConnect, and omit boot_key_seconds.",
            )

    def _send_and_read(self, chains):
        """Send chains. If they change VMs, read the VMs in the same request, because the engine observes them next."""
        read_chains = [] if all(chain.reads_only for chain in chains) else self.chains_of(self._targets)
        results = add_remedies(self.send([*chains, *read_chains]))
        if read_chains:
            self._last_read = LastRead(self._targets, results[len(chains) :], self)
        return results[: len(chains)]

    def current(self, vm):
        """Return the raw VM as it is now: as observed, or read again if this task has changed it since.

        Yields calls like a step, which is about to change the VM.
        """
        raw = self.found.raw(vm.id)
        if raw is None or vm.id.lower() in self._changed:
            result = yield list(vms_chain("", {"Id": [vm.id]}, native_properties(self._native_keys)).calls)
            check_parts(result.answers)
            _known, vms, snapshots, disks = read_vms(result.answers)
            if not vms:
                raise NotFound(f"{vm.name}: the VM no longer exists: it was deleted in the meantime.", "Run it again.")
            self.found.add((), vms, snapshots, disks)
            raw = self.found.raw(vms[0]["Id"])
        self._changed.add(vm.id.lower())
        return raw


#: Seconds for which what a request has read counts as read just now.
MAX_AGE_SECONDS = 1


class LastRead:
    """The VMs as read at the end of a request, for an observation that follows immediately."""

    def __init__(self, targets, results, driver):
        self._names = {target.name.casefold() for target in targets if not target.id}
        self._ids = {target.id.lower() for target in targets if target.id}
        self._results, self._driver, self._clock = results, driver, driver.windows.clock
        self._end, self._found = self._clock.now() + MAX_AGE_SECONDS, None

    def found_of(self, targets):
        """Return the VMs as Found if they include all ``targets`` and were read just now, else None."""
        if self._clock.now() > self._end:
            return None
        self._found = self._found or self._driver.found_by(self._results)
        ids = self._ids | set(self._found.vms)
        is_known = all(
            target.id.lower() in ids if target.id else target.name.casefold() in self._names for target in targets
        )
        return self._found if is_known and self._found.is_complete() else None
