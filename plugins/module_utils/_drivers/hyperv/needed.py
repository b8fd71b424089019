# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: facts about the files that plans need, read in one request for all VMs of a task."""

from __future__ import annotations

import ntpath
from contextlib import suppress

from ..._core.errors import PolyvirtError
from ..._core.model import ON, STOPPED
from ..._core.planner.contents import files_of_appliance
from ..._core.planner.planned_steps import planned
from ..._core.record.mark import making_of
from ..._core.results.plan_content import used_files
from ..._core.sharing.claims import NEW
from ..._core.sharing.needed_files import (
    COPIED,
    DISK,
    FILE,
    FOLDER,
    GROWN,
    IMAGE,
    FileFacts,
    Image,
    Needed,
    needed_files,
)
from ..._core.texts import removal
from ..._ports.windows_request import Chain, Joined, Ref, pick, properties
from ..._tools.hyperv import controllers_chain, disks_chain, hyperv, state_of, vhd_call
from ..._tools.windows_files import (
    READ_REMEDY,
    denied_in,
    file_command,
    free_bytes,
    key_of,
    opening_calls,
    remedy_if_missing,
    version_call,
    version_in,
    volume_call,
    windows_path,
)
from .create import source_files
from .hyperv_vm import is_checkpoint_file
from .mark import own_mark, temporary_name
from .settings.disks import OF_NEW_VM, bytes_of_new, drive_of, drive_slot, is_fixed, path_in
from .settings.slot_checks import controllers_of, is_new, needed_controllers

#: Verbs of steps that attach disks or an ISO image.
_ATTACHING_VERBS = ("create", "clone", "configure")
#: Represents the directory of new disks in a list of files.
_FOLDER = ""


class HostFiles:
    """The files and disks on the host that plans need, read before the first plan is carried out."""

    def __init__(self, driver):
        self.driver = driver
        #: All VMs with their disks, as Found; None until a plan needs to know who uses a file.
        self.users, self.why_unread = None, set()
        #: {VM id: numbers of its SCSI controllers}, if a plan needs one without drives.
        self.controllers = {}
        #: {fixed disk that grows, or directory: free bytes of its drive, or None if they are unknown}
        self.free_of = {}
        #: {file: whether it exists}, {key of a path: raw disk}, and the free bytes for new files (None: unknown).
        self.exists, self.disks, self.free = {}, {}, None
        #: {key of a path: version of the file}.
        self.versions = {}
        #: Keys of files that the user of the connection may not open.
        self.denied = set()
        #: _Reads, and the calls that read who uses which file.
        self._expected, self._expected_users = None, ()

    def expect(self, plans):
        """Prepare to read what these plans need together with the VMs; their VMs may not exist."""
        needed = self._needed_by(plans)
        self._expected = _Reads(self.driver, needed)
        self._expected_users = disks_chain().calls if any(one.needs_users for one in needed) else ()

    def expected_calls(self, targets):
        """Return calls to send after a list of all VMs.

        They read what the expected plans need, but only if one of ``targets`` does not exist.
        """
        names = [target.name for target in targets or () if target.name and not target.id]
        if not (names and self._expected and self._expected.calls):
            return ()
        only_if_new = pick("all", "existing", conditions={"Name": names}, fewer=len(names))
        return [only_if_new, *self._expected.calls, *self._expected_users]

    def take_expected(self, answers):
        """Store the answers to ``expected_calls``; earlier answers are dropped, because the VMs were read again.

        If a call has failed, nothing is stored, and ``complete`` reads everything.
        """
        expected, self._expected = self._expected, None
        self.exists, self.disks, self.free, self.users = {}, {}, None, None
        self.versions = {}
        self.controllers, self.free_of = {}, {}
        first = 1 + len(expected.calls) if expected else 0
        if expected and len(answers) == first + len(self._expected_users):
            self._store(expected, answers[1:first])
            if self._expected_users:
                with suppress(PolyvirtError):
                    self.users = self.driver.take_users(answers[first:])

    def read(self, plans):
        """Read what all plans need in one request. Errors are ignored: the check of the plan raises them again."""
        with suppress(PolyvirtError):
            self.complete(self._needed_by(plans))

    def _needed_by(self, plans):
        needed = []
        for plan in plans:
            with suppress(PolyvirtError):
                needed.append(HyperVFiles(self, plan))
        return needed

    def complete(self, needed):
        """Read what was not read yet, in one request."""
        reads = _Reads(self.driver, [one for one in needed if not set(one.files) <= set(self.exists)])
        chains = [Chain("files", tuple(reads.calls))] if reads.calls else []
        if self.users is None and any(one.needs_users for one in needed):
            chains.append(disks_chain())
        chains += [controllers_chain(vm_id) for one in needed for vm_id in one.unknown_controllers()]
        drives = {path for one in needed for path in one.on_other_drives if path not in self.free_of}
        chains += [Chain(path, (volume_call(path),)) for path in drives]
        for chain, result in zip(chains, self.driver.send(chains) if chains else ()):
            if chain.name == "disks":
                self.users = self.driver.take_users(result.answers)
            elif result.error:
                raise result.error
            elif chain.name == "files":
                self._store(reads, result.answers)
            elif chain.name in drives:
                self.free_of[chain.name] = free_bytes(result.answers[0])
            else:
                self.controllers[chain.name] = {found["ControllerNumber"] for found in result.answers[-1].objects}

    def controllers_of(self, raw):
        """Return the known SCSI controllers of a VM; ``raw`` is None for a VM that the task creates."""
        if raw is None:
            return OF_NEW_VM
        return controllers_of(raw) | self.controllers.get(raw["Id"], set())

    def is_attached(self, path):
        """Return whether a disk that was read is attached to a VM that is on; so may be a disk on top of it."""
        return bool(self.disks.get(key_of(path), {}).get("Attached"))

    def _store(self, reads, answers):
        exists, disks, free = reads.parse(answers)
        self.exists.update(exists)
        self.versions.update(reads.versions(answers))
        self.why_unread |= reads.why_unread(answers)
        self.denied |= reads.denied(answers)
        self.disks.update(disks)
        self.free = free if reads.has_new else self.free
        self.driver.found.disks = {**self.driver.found.disks, **disks}


#: The id of the error of Get-VHD about a disk that another program has opened.
_IN_USE = "ObjectInUse"
_CLOSE = "Close the program that uses it, such as a backup, or wait for the end of a merge"
#: {(some disk is in use, all that could not be read are): the Image}
_UNREAD = {
    (False, False): Image(fault="is not a virtual disk", remedy="Use a VHDX or VHD file."),
    (True, True): Image(fault="is in use", remedy=f"{_CLOSE}."),
    (True, False): Image(fault="is in use, or is not a virtual disk", remedy=f"{_CLOSE}, or use a VHDX or VHD file."),
}


class _Reads:
    """The calls that read the files in ``needed``, and the parser of their answers.

    A file name without a directory means a file in the directory of new disks.
    """

    def __init__(self, driver, needed):
        self._storage = driver.options.get("storage_path")
        self._files = list(dict.fromkeys(file for one in needed for file in one.files))
        self._disks = list(dict.fromkeys(file for one in needed for file in one.disks))
        self._used = list(dict.fromkeys(file for one in needed for file in _used_on_host(one.plan)))
        self._opened = list(dict.fromkeys(file for one in needed for file in one.opened))
        self.has_new = _FOLDER in self._files
        #: Calls that ask the host for the directory of new disks; none if the task sets storage_path.
        self._folder_calls = []
        if self.has_new and not self._storage:
            self._folder_calls = [
                hyperv("Get-VMHost", keep="host"),
                pick("host", "folder", path=["VirtualHardDiskPath"]),
            ]
        #: The number of answers before the one that says which files exist.
        self._first = len(self._used) + len(self._opened) + len(self._folder_calls)
        self.calls = self._calls() if self._files else []

    def _calls(self):
        calls = [
            *map(version_call, self._used),
            *opening_calls(self._opened),
            *self._folder_calls,
            file_command("Test-Path", map(self._path, self._files), show=properties("Length")),
        ]
        calls += [vhd_call(self._disks)] if self._disks else []
        if self.has_new:
            calls.append(volume_call(self._path(_FOLDER)))
        return calls

    def _path(self, file):
        if "\\" in file:
            return file
        if self._storage:
            return path_in(self._storage, file)
        return Joined((Ref("folder"), f"\\{file}")) if file else Ref("folder")

    def parse(self, answers):
        """Return ({file: whether it exists}, {key of a path: raw disk}, free bytes for new files or None)."""
        exists, *others = answers[self._first :]
        disks = {key_of(one["Path"]): one for one in (others[0].objects if self._disks else ())}
        return dict(zip(self._files, exists.objects)), disks, free_bytes(others[-1]) if self.has_new else None

    def why_unread(self, answers):
        """The ids of the errors about disks that could not be read. They do not name the disk."""
        return {one.id for one in answers[self._first + 1].errors} if self._disks else set()

    def denied(self, answers):
        """The keys of the files that the user of the connection may not open."""
        return denied_in(self._opened, answers[len(self._used) :])

    def versions(self, answers):
        """Return {key of a path: version} of the used files."""
        return {key_of(path): version_in(answer) for path, answer in zip(self._used, answers)}


def _used_on_host(plan):
    on_controller = files_of_appliance(plan)
    return [path for path in used_files(plan) if path not in on_controller]


def _name_of_new(item):
    return item.path if item.disk.get("directory") else ntpath.basename(item.path)


class HyperVFiles(FileFacts):
    """The files that one plan needs; ``host_files`` has the facts."""

    platform, folder_option = "Hyper-V", "storage_path"
    iso_of_clone = removes_leftovers = True
    read_remedy = READ_REMEDY
    space_remedy = "set storage_path to a directory of another drive"
    in_use_remedy = "Close that program, or dismount the disk (Dismount-VHD)"

    def __init__(self, host_files, plan):
        super().__init__(host_files.driver.claims, plan)
        self._facts, self._driver = host_files, host_files.driver
        steps, self._folder = list(planned(plan)), self.claims.folder
        self._raw = observed = self._driver.found.raw(plan.before.id)
        created = [is_new(one) for one in steps]
        #: [(step that attaches disks, raw VM that it changes, or None if the task creates the VM)]
        self.slots = [
            (one, None if any(created[: number + 1]) else observed)
            for number, one in enumerate(steps)
            if one.step.verb in _ATTACHING_VERBS
        ]
        items = [item for one in steps for item in needed_files(one, self)]
        new = [item for item in items if item.purpose == NEW]
        self._directories = [item.disk["directory"] for item in new if item.disk.get("directory")]
        #: {path of a new file: its name}, because the directory may be known only after it was read.
        self._names = {item.path: _name_of_new(item) for item in new}
        self._linked = {item.slot for item in items if item.linked}
        self._deletes = any(one.step.verb == "delete" for one in steps)
        grown = [item for item in items if item.purpose == GROWN]
        #: Files of fixed disks that exist and grow, and directories of single disks: their drives need space, too.
        self.on_other_drives = [item.path for item in grown if item.path and self.bytes_of(item)] + self._directories
        #: Slots of present disks that will be written to.
        starts = plan.before.power == STOPPED and any(one.step.verb == "start" for one in steps)
        present = plan.before.config.get("disks") or {}
        self.written = [slot for slot in present if starts or slot in {item.slot for item in grown}]
        is_shared = any(item.purpose == DISK or (item.purpose == IMAGE and item.linked) for item in items)
        self.needs_users = bool(self.written) or is_shared
        #: Paths of virtual disks; paths of all files, with the names of new ones.
        self.disks = [item.path for item in items if item.purpose in (IMAGE, COPIED, DISK) and not item.fetched]
        existing = [item.path for item in items if item.purpose not in (GROWN, NEW)]
        self.opened = [item.path for item in items if item.purpose not in (GROWN, NEW) and not item.fetched]
        names = self._names.values()
        self.files = [
            *existing,
            *self._directories,
            *names,
            *([_FOLDER] if any("\\" not in one for one in names) else ()),
        ]

    def unknown_controllers(self):
        """Return the ids of VMs with SCSI controllers that are needed and may exist, but have no drives."""
        known = self._facts.controllers
        return {
            raw["Id"]
            for one, raw in self.slots
            if raw and raw["Id"] not in known and set(needed_controllers(one).values()) - controllers_of(raw)
        }

    # Facts ------------------------------------------------------------------------------------------------------------

    remedy_if_missing = staticmethod(remedy_if_missing)

    def normalized(self, option, path):
        return windows_path(self.plan.after, option, path)

    def copied(self, one):
        source, requested = one.step.arguments["source"], one.step.arguments["creation"]["clone"]
        found = source_files(self._driver, source, requested.get("snapshot")) if source.id is not None else {}
        return [Needed(COPIED, "clone.source", path, slot, linked=requested["linked"]) for slot, path in found.items()]

    def kind(self, path):
        if key_of(path) in self._driver.found.lost:
            return ""
        if path in self._directories or path == self._folder:
            return FOLDER if self._facts.exists[path if path in self._directories else _FOLDER] else ""
        return FILE if self._facts.exists[self._names.get(path, path)] else ""

    def may_read(self, path):
        return key_of(path) not in self._facts.denied

    def folder(self, item):
        return item.disk.get("directory") or (item.path if item.purpose == GROWN else "") or self._folder

    def is_leftover(self, item):
        """Return whether a task that was interrupted has created the file for this VM."""
        unfinished = [raw for raw in self._driver.found.vms.values() if raw["Name"] == temporary_name(self.name)]
        existing = self._driver.found.raw(self.plan.before.id)
        marks = [own_mark(raw) for raw in (*unfinished, *([existing] if existing else ()))]
        return any(key_of(item.path) in map(key_of, making_of(mark)) for mark in marks)

    def in_use(self, path):
        """Return whether a disk is mounted on the host. A VM that is on has it in use itself, or shares it."""
        is_own = self.plan.before.power in ON or self._driver.is_shared(path, "SCSI")
        return not is_own and bool((self._driver.found.disks.get(key_of(path)) or {}).get("Attached"))

    def image(self, item):
        """Virtual disks that Get-VHD did not return cannot be used, nor those of the VM's own checkpoints."""
        raw = self._facts.disks.get(key_of(item.path))
        if item.purpose in (IMAGE, COPIED) and not item.linked and self._is_mounted(item.path):
            return Image(fault="is mounted on the host", remedy="Dismount the disk (Dismount-VHD).")
        if raw is None:
            return _UNREAD[_IN_USE in self._facts.why_unread, self._facts.why_unread == {_IN_USE}]
        is_attached = item.purpose == DISK and not self._deletes
        if is_attached and self._facts.users.has_checkpoint_with(self.plan.before, item.path):
            return Image(
                fault="belongs to a checkpoint of the VM",
                remedy="The VM would change it: delete or restore the checkpoint first, or copy the file.",
            )
        return Image(item.disk.get("format") or raw.get("VhdFormat") or "VHDX", raw["Size"])

    def _is_mounted(self, path):
        """Return whether another program has attached a disk; the disks of VMs that are on can be on top of it."""
        if not self._facts.is_attached(path):
            return False
        users = self._driver.users_now()
        on = [raw for raw in users.vms.values() if state_of(raw["State"], raw.get("OperationalStatus")).power in ON]
        drives = [drive for raw in on for drive in raw.get("HardDrives") or ()]
        return not any(key_of(path) in map(key_of, users.chain(drive.get("Path"))) for drive in drives)

    def attached(self):
        """Return the files of the VM's disks that are known not to exist; a restore or a new VM does not need them."""
        is_other = any(step.verb in ("restore", "delete") for step in self.plan.steps)
        missing = {} if is_other or self._raw is None else self._driver.found.missing(self._raw)
        disks = self.plan.after.config.get("disks") or {}
        detach = ", or detach the disk: {}"
        return [
            (f"disks.{slot}", path, detach.format(removal("disks", slot)))
            for slot, path in missing.items()
            if slot in disks
        ]

    def no_growth(self, item):
        drives = (self._raw or {}).get("HardDrives") or () if item.purpose == GROWN else ()
        if not any(drive_slot(drive) == item.slot and is_checkpoint_file(drive["Path"] or "") for drive in drives):
            return ()
        if self._driver.found.has_unmerged_files(self._raw):
            return "the files of deleted checkpoints are not merged", "Check whether a backup holds them."
        return "a checkpoint of a backup or a replica is on top of it", "Wait for its end, or remove that checkpoint."

    def bytes_of(self, item):
        if item.purpose == GROWN:
            return item.more if is_fixed(item.disk) and item.slot not in self._linked else 0
        if item.purpose != NEW or not item.option.startswith("disks."):
            return 0
        if item.content and item.content.linked:
            return 0
        chain = self._driver.found.chain(item.content.path if item.content else None)
        return bytes_of_new(item.disk, [self._facts.disks.get(key_of(path)) or {} for path in chain])

    place = staticmethod(drive_of)

    def free(self, folder):
        return self._facts.free if folder == self._folder else self._facts.free_of.get(folder)
