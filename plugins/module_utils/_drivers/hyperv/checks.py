# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether the host has what a plan needs: files, free space, CPUs."""

from __future__ import annotations

from contextlib import suppress

from ..._core.claims import FILE
from ..._core.errors import NotFound, PolyvirtError, Refused
from ..._core.model import STOPPED
from ..._core.planned import deleted_files, planned
from ..._core.units import human_size
from ..._ports.windows_request import Chain, Joined, Ref, call, pick, properties
from ..._tools.hyperv import VHD_IN_USE, controllers_chain, disks_chain, hyperv, vhd_call
from ..._tools.windows_files import file_command, key_of, windows_path
from .clone import source_files
from .mark import own_mark, temporary_name
from .observe import all_disks
from .power import check_shutdown
from .settings.disk_space import bytes_of_new, drive_of, growth, reserve_growth
from .settings.disks import file_name, folder_of, path_in, seed_name
from .settings.seed import check_seed
from .settings.slot_checks import OF_NEW_VM, check_slots, controllers_of, is_new, needed_controllers
from .snapshots import check_production

#: Verbs of steps that attach disks or an ISO image.
_ATTACHING_VERBS = ("create", "clone", "configure")
#: Represents the directory of new disks in a list of files.
_FOLDER = ""


def check_plan(driver, plan, host_files, released=frozenset()):
    """Raise if the plan would fail. ``host_files`` reads what it has not read already.

    ``released`` are the claims that earlier plans of the task let go of.
    """
    _check_cluster(driver, plan)
    check_shutdown(driver, plan)
    check_production(driver, plan)
    for one in planned(plan):
        _check_cpus(driver, one)
    needed = _NeededFiles(host_files, plan)
    host_files.complete([needed])
    needed.check({identity[1] for kind, identity in released if kind == FILE})
    for one, raw in needed.slots:
        check_slots(needed.name, one, raw, host_files.controllers_of(raw))


def _check_cluster(driver, plan):
    raw = driver.found.raw(plan.before.id)
    if raw and raw.get("IsClustered"):
        raise Refused(
            f"{plan.before.name}: the VM is managed by a failover cluster, which would undo the change.",
            "Use the tools of the cluster, or remove the VM from it first.",
        )


def _check_cpus(driver, one):
    host_cpus = driver.host.cpus
    for change in one.changes:
        if change.kind == "cpus" and host_cpus and change.new > host_cpus:
            raise Refused(f"{one.vm.name}: cpus: the host has only {host_cpus}.", f"Set at most {host_cpus}.")


class HostFiles:
    """The files and disks on the host that plans need, read before the first plan is carried out."""

    def __init__(self, driver):
        self.driver = driver
        #: All VMs with their disks, as Found; None until a plan needs to know who uses a file.
        self.users = None
        #: {VM id: numbers of its SCSI controllers}, if a plan needs one without drives.
        self.controllers = {}
        #: {file of a fixed disk that grows: free bytes of its drive, or None if they are unknown}
        self.free_of = {}
        #: {file: whether it exists}, {key of a path: raw disk}, and the free bytes for new files (None: unknown).
        self.exists, self.disks, self.free = {}, {}, None
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
        self.controllers, self.free_of = {}, {}
        first = 1 + len(expected.calls) if expected else 0
        if expected and len(answers) == first + len(self._expected_users):
            self._store(expected, answers[1:first])
            if self._expected_users:
                with suppress(PolyvirtError):
                    self.users = all_disks(answers[first:])

    def read(self, plans):
        """Read what all plans need in one request. Errors are ignored: the check of the plan raises them again."""
        with suppress(PolyvirtError):
            self.complete(self._needed_by(plans))

    def _needed_by(self, plans):
        needed = []
        for plan in plans:
            with suppress(PolyvirtError):
                needed.append(_NeededFiles(self, plan))
        return needed

    def complete(self, needed):
        """Read what was not read yet, in one request."""
        reads = _Reads(self.driver, [one for one in needed if not set(one.files) <= set(self.exists)])
        chains = [Chain("files", tuple(reads.calls))] if reads.calls else []
        if self.users is None and any(one.needs_users for one in needed):
            chains.append(disks_chain())
        chains += [controllers_chain(vm_id) for one in needed for vm_id in one.unknown_controllers()]
        grown = {path for one in needed for path in one.grown_files() if path not in self.free_of}
        chains += [Chain(path, (_volume_call(path),)) for path in grown]
        for chain, result in zip(chains, self.driver.send(chains) if chains else ()):
            if chain.name == "disks":
                self.users = all_disks(result.answers)
            elif result.error:
                raise result.error
            elif chain.name == "files":
                self._store(reads, result.answers)
            elif chain.name in grown:
                self.free_of[chain.name] = _free_bytes(result.answers[0])
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
        self.disks.update(disks)
        self.free = free if reads.has_new else self.free
        self.driver.found.disks = {**self.driver.found.disks, **disks}


class _Reads:
    """The calls that read the files in ``needed``, and the parser of their answers.

    A file name without a directory means a file in the directory of new disks.
    """

    def __init__(self, driver, needed):
        self._storage = driver.options.get("storage_path")
        self._files = list(dict.fromkeys(file for one in needed for file in one.files))
        self._disks = list(dict.fromkeys(file for one in needed for file in one.disks))
        self.has_new = _FOLDER in self._files
        #: Calls that ask the host for the directory of new disks; none if the task sets storage_path.
        self._folder_calls = []
        if self.has_new and not self._storage:
            self._folder_calls = [
                hyperv("Get-VMHost", keep="host"),
                pick("host", "folder", path=["VirtualHardDiskPath"]),
            ]
        self.calls = self._calls() if self._files else []

    def _calls(self):
        calls = [
            *self._folder_calls,
            file_command("Test-Path", map(self._path, self._files), show=properties("Length")),
        ]
        calls += [vhd_call(self._disks, VHD_IN_USE)] if self._disks else []
        if self.has_new:
            calls.append(_volume_call(self._path(_FOLDER)))
        return calls

    def _path(self, file):
        if "\\" in file:
            return file
        if self._storage:
            return path_in(self._storage, file)
        return Joined((Ref("folder"), f"\\{file}")) if file else Ref("folder")

    def parse(self, answers):
        """Return ({file: whether it exists}, {key of a path: raw disk}, free bytes for new files or None)."""
        exists, *others = answers[len(self._folder_calls) :]
        disks = {key_of(one["Path"]): one for one in (others[0].objects if self._disks else ())}
        return dict(zip(self._files, exists.objects)), disks, _free_bytes(others[-1]) if self.has_new else None


def _volume_call(path):
    return call("Storage\\Get-Volume", {"FilePath": path}, show=properties("SizeRemaining"), go_on=True)


def _free_bytes(answer):
    """Return None if the directory is not on a volume of this host, such as on a file server."""
    return answer.objects[0].get("SizeRemaining") if answer.error is None and answer.objects else None


class _NeededFiles:
    """The files that the steps of a plan read and create."""

    def __init__(self, host_files, plan):
        self._host_files, self._driver = host_files, host_files.driver
        self.plan, self.name = plan, plan.after.name
        #: {path: option} of virtual disks and of other files that must exist, and {name: option} of new files.
        self.disks, self._others, self._new = {}, {}, {}
        #: {path of an image: (slot of the new disk, its size or None, whether it is linked)}
        self._image_disks = {}
        #: {slot: new disk}, and {slot: (file with its content, whether it is linked)}.
        self._new_disks, self._content = {}, {}
        steps = list(planned(plan))
        observed, created = self._driver.found.raw(plan.before.id), [is_new(one) for one in steps]
        #: [(step that attaches disks, raw VM that it changes, or None if the task creates the VM)]
        self.slots = [
            (one, None if any(created[: number + 1]) else observed)
            for number, one in enumerate(steps)
            if one.step.verb in _ATTACHING_VERBS
        ]
        for one in steps:
            if one.step.verb in _ATTACHING_VERBS:
                self._add_changes(one)
            if one.step.verb in ("create", "clone"):
                self._add_content(one.step)
                self._add_seed(one.step)
        linked = [slot for slot, (_path, is_linked) in self._content.items() if is_linked]
        self._grown = [grown for one in steps for grown in growth(one, linked)]
        self._deletes = any(one.step.verb == "delete" for one in steps)
        slots = {change.key for one in steps for change in one.changes if change.kind == "disks.size"}
        present = plan.before.config.get("disks") or {}
        #: Slots of present disks that will be written to.
        starts = plan.before.power == STOPPED and any(one.step.verb == "start" for one in steps)
        self.written = [slot for slot in present if starts or slot in slots]
        self._attached = [path for path, option in self.disks.items() if option.startswith("disks.")]
        self._parents = [path for path, (_slot, _size, is_linked) in self._image_disks.items() if is_linked]
        self.needs_users = bool(self.written or self._attached or self._parents)
        self.files = [*self.disks, *self._others, *self._new, *([_FOLDER] if self._new else ())]

    def grown_files(self):
        """Return the files of fixed disks that exist and grow."""
        return [path for _slot, path, _more in self._grown if path]

    def unknown_controllers(self):
        """Return the ids of VMs with SCSI controllers that are needed and may exist, but have no drives."""
        known = self._host_files.controllers
        return {
            raw["Id"]
            for one, raw in self.slots
            if raw and raw["Id"] not in known and set(needed_controllers(one).values()) - controllers_of(raw)
        }

    def _add_changes(self, one):
        for change in one.changes:
            if change.kind == "disks.add":
                self._add_disk(change.key, change.new)
            elif change.kind == "iso" and change.new:
                self._others[change.new] = "iso"
        if one.step.verb == "clone":
            for slot, disk in (one.step.arguments["config"].get("disks") or {}).items():
                self._add_disk(slot, disk)
            if one.step.arguments["config"].get("iso"):
                self._others[one.step.arguments["config"]["iso"]] = "iso"

    def _add_disk(self, slot, disk):
        if disk.get("source"):
            self.disks[disk["source"]] = f"disks.{slot}.source"
            return
        kind = disk.get("format") or "vhdx"
        self._new[file_name(self.name, slot, kind)] = f"disks.{slot}"
        self._new_disks[slot] = disk

    def _add_content(self, step):
        image, config = step.arguments["creation"].get("image"), step.arguments["config"]
        if image:
            path = windows_path(self.plan.after, "image.source", image["source"])
            self.disks[path] = "image.source"
            first = min(config.get("disks") or {}, default=None)
            self._image_disks[path] = (first, (config["disks"][first] or {}).get("size"), image["linked"])
            self._content[first] = (path, image["linked"])
        elif step.verb == "clone" and step.arguments["source"].id is not None:
            # Otherwise the same task creates the source first.
            source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
            for slot, path in source_files(self._driver, source, requested.get("snapshot")).items():
                self.disks[path] = "clone.source"
                self._content[slot] = (path, requested["linked"])

    def _add_seed(self, step):
        if step.arguments["creation"].get("cloud_init") is not None:
            check_seed(self._driver, self.name, step.arguments)
            self._new[seed_name(self.name)] = "cloud_init"

    def check(self, released):
        """Raise for the first file that prevents the plan. ``released``: keys of files that are deleted before."""
        if self.files:
            self._check_exists(self._host_files.exists, folder_of(self._driver), released)
            self._check_content(self._host_files.disks)
        if self._new:
            self._check_space(self._host_files.free, self._host_files.disks)
        reserve_growth(self._driver.space, self.name, [one for one in self._grown if one[1]], self._host_files.free_of)

    def _check_exists(self, exists, folder, released):
        for path, option in {**self.disks, **self._others}.items():
            if not exists[path]:
                raise NotFound(f"{self.name}: {option}: {path} does not exist on the host.", "Correct the path.")
        if self._new and not exists[_FOLDER]:
            raise NotFound(
                f"{self.name}: storage_path: the directory {folder} does not exist on the host.", "Create it."
            )
        deleted = released | {key_of(path) for path in deleted_files(self.plan)}
        for name, option in self._new.items():
            path = path_in(folder, name)
            if exists[name] and key_of(path) not in deleted and not self._is_leftover(path):
                raise Refused(
                    f"{self.name}: {option}: the file {path} exists, and existing files are never overwritten.",
                    "Attach it with disks[].source, or delete it.",
                )

    def _is_leftover(self, path):
        """Return whether a task that was interrupted has created the file for this VM."""
        unfinished = [raw for raw in self._driver.found.vms.values() if raw["Name"] == temporary_name(self.name)]
        existing = self._driver.found.raw(self.plan.before.id)
        marks = [own_mark(raw) for raw in (*unfinished, *([existing] if existing else ()))]
        return any(key_of(path) in map(key_of, mark.get("making", ())) for mark in marks)

    def _check_content(self, raw_disks):
        """Virtual disks that Get-VHD did not return cannot be used."""
        for path, option in self.disks.items():
            if key_of(path) not in raw_disks:
                raise Refused(
                    f"{self.name}: {option}: {path} is in use, or is not a virtual disk.", "Use a VHDX or VHD file."
                )
        self._check_checkpoints()
        for path, (slot, size, _linked) in self._image_disks.items():
            image_size = raw_disks[key_of(path)]["Size"]
            if size and size < image_size:
                raise Refused(
                    f"{self.name}: disks.{slot}.size: {human_size(size)} is smaller than the image"
                    f" ({human_size(image_size)}); disks are never shrunk.",
                    f"Set a size of at least {human_size(image_size)}, or remove the option.",
                )

    def _check_checkpoints(self):
        """Reject a disk that a checkpoint of the VM has."""
        for path in self._attached:
            if not self._deletes and self._host_files.users.has_checkpoint_with(self.plan.before, path):
                raise Refused(
                    f"{self.name}: {self.disks[path]}: {path} belongs to a checkpoint of the VM.",
                    "The VM would change it: delete or restore the checkpoint first, or copy the file.",
                )

    def _check_space(self, free, raw_disks):
        needed = sum(more for _slot, path, more in self._grown if not path)
        for slot, disk in self._new_disks.items():
            source, is_linked = self._content.get(slot, (None, False))
            chain = [raw_disks.get(key_of(path)) or {} for path in self._driver.found.chain(source)]
            needed += bytes_of_new(disk, None if is_linked else chain)
        alternative = "set storage_path to a directory of another drive"
        self._driver.space.reserve(
            self.name, "storage_path", drive_of(folder_of(self._driver)), needed, free, alternative
        )
