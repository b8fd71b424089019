# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from the host, checked before the first step: files, space, CPUs, bases of other disks."""

from __future__ import annotations

import ntpath
from contextlib import suppress

from ..._lifecycle.errors import NotFound, PolyvirtError, Refused
from ..._lifecycle.planned import deleted_files, planned
from ..._lifecycle.units import human_size
from ..._ports.windows_request import Chain, Joined, Ref, call, pick, properties
from ..._tools.hyperv import disks_chain, hyperv, vhd_call
from ..._tools.windows_files import file_command, key_of, windows_path
from .clone import source_files
from .mark import own_mark, temporary_name
from .settings.disks import file_name, folder_of, path_in, seed_name
from .settings.seed import check_seed
from .snapshot_checks import all_disks, check_bases, check_cluster, starts, users_of

_READS_FIRST = ("create", "clone", "configure")
#: The directory of new disks, among the files in it.
_FOLDER = ""


def check_plan(driver, plan, ahead):
    """``ahead`` has what was read for plans, or reads what is missing."""
    check_cluster(driver, plan)
    for one in planned(plan):
        _check_cpus(driver, one)
    needed = _Needed(ahead, plan)
    ahead.complete([needed])
    needed.check()
    check_bases(plan, needed.written, needed.users_of)


def _check_cpus(driver, one):
    most = driver.host.cpus
    for change in one.changes:
        if change.kind == "cpus" and most and change.new > most:
            raise Refused(f"{one.vm.name}: cpus: the host has only {most}.", f"Set at most {most}.")


class Ahead:
    """What was read of the host for plans, before the first of them is carried out."""

    def __init__(self, driver):
        self.driver, self.users = driver, None
        #: {file: whether it exists}, {key of a path: raw disk}, and the free bytes for new files (None: not known).
        self.exists, self.disks, self.free = {}, {}, None
        self._expected = None

    def expect(self, plans):
        """Plans of VMs that may not exist."""
        self._expected = _Reading(self.driver, self._needed(plans))

    def expected_calls(self, targets):
        """Calls that follow a list of all VMs: they read what the plans need if one of ``targets`` does not exist."""
        names = [target.name for target in targets or () if target.name and not target.id]
        if not (names and self._expected and self._expected.calls):
            return ()
        return [pick("all", "existing", conditions={"Name": names}, fewer=len(names)), *self._expected.calls]

    def take_expected(self, answers):
        """What was read is only valid until the VMs are read again. If a call failed, ``complete`` repeats all."""
        expected, self._expected = self._expected, None
        self.exists, self.disks, self.free = {}, {}, None
        if expected and len(answers) == 1 + len(expected.calls):
            self._take(expected, answers[1:])

    def read(self, plans):
        """For all plans in one request. An error is left to the check of the plan that it belongs to."""
        with suppress(PolyvirtError):
            self.complete(self._needed(plans))

    def _needed(self, plans):
        found = []
        for plan in plans:
            with suppress(PolyvirtError):
                found.append(_Needed(self, plan))
        return found

    def complete(self, needed):
        """Read what is not known yet, in one request."""
        reading = _Reading(self.driver, [one for one in needed if not set(one.files) <= set(self.exists)])
        chains = [Chain("files", tuple(reading.calls))] if reading.calls else []
        if self.users is None and any(one.needs_users for one in needed):
            chains.append(disks_chain())
        for one, result in zip(chains, self.driver.send(chains) if chains else ()):
            if one.name != "files":
                self.users = all_disks(result)
            elif result.error:
                raise result.error
            else:
                self._take(reading, result.answers)

    def _take(self, reading, answers):
        exists, disks, free = reading.read(answers)
        self.exists.update(exists)
        self.disks.update(disks)
        self.free = free if reading.has_new else self.free
        self.driver.found.disks = {**self.driver.found.disks, **disks}


class _Reading:
    """Calls that read the files of ``needed``. A file without a directory is one in the directory of new disks."""

    def __init__(self, driver, needed):
        self._storage = driver.options.get("storage_path")
        self._files = list(dict.fromkeys(file for one in needed for file in one.files))
        self._disks = list(dict.fromkeys(file for one in needed for file in one.disks))
        self.has_new = _FOLDER in self._files
        #: Only the host knows the directory where the task names none.
        self._folder = []
        if self.has_new and not self._storage:
            self._folder = [hyperv("Get-VMHost", keep="host"), pick("host", "folder", path=["VirtualHardDiskPath"])]
        self.calls = self._calls() if self._files else []

    def _calls(self):
        calls = [*self._folder, file_command("Test-Path", map(self._path, self._files), show=properties("Length"))]
        calls += [vhd_call(self._disks)] if self._disks else []
        if self.has_new:
            size = properties("SizeRemaining")
            calls.append(call("Storage\\Get-Volume", {"FilePath": self._path(_FOLDER)}, show=size, go_on=True))
        return calls

    def _path(self, file):
        if "\\" in file:
            return file
        if self._storage:
            return path_in(self._storage, file)
        return Joined((Ref("folder"), f"\\{file}")) if file else Ref("folder")

    def read(self, answers):
        """({file: whether it exists}, {key of a path: raw disk}, free bytes for new files or None)."""
        exists, *others = answers[len(self._folder) :]
        disks = {key_of(one["Path"]): one for one in (others[0].objects if self._disks else ())}
        return dict(zip(self._files, exists.objects)), disks, _free(others[-1]) if self.has_new else None


def _free(answer):
    """A directory on a file server has no volume of this host."""
    return answer.objects[0].get("SizeRemaining") if answer.error is None and answer.objects else None


class _Needed:
    """The files that the steps of a plan read and create."""

    def __init__(self, ahead, plan):
        self._ahead, self._driver, self.plan, self.name = ahead, ahead.driver, plan, plan.after.name
        #: {file: option} that must exist: virtual disks, and others; and {name: option} of new files.
        self.disks, self._others, self._new = {}, {}, {}
        self._sizes, self._bytes = {}, 0
        steps = list(planned(plan))
        for one in steps:
            if one.step.verb in _READS_FIRST:
                self._add_changes(one)
            if one.step.verb in ("create", "clone"):
                self._add_content(one.step)
                self._add_seed(one.step)
        slots = {change.key for one in steps for change in one.changes if change.kind == "disks.size"}
        present = plan.before.config.get("disks") or {}
        #: Slots of present disks that will change.
        self.written = [slot for slot in present if starts(plan) or slot in slots]
        self._attached = [path for path, option in self.disks.items() if option.startswith("disks.")]
        self.needs_users = bool(self.written or self._attached)
        self.files = [*self.disks, *self._others, *self._new, *([_FOLDER] if self._new else ())]

    def users_of(self, path):
        """Names of the other VMs that need a file."""
        return users_of(self._ahead.users, self.plan.before, path)

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
        self._bytes += disk.get("size") or 0 if kind.endswith("-fixed") else 0

    def _add_content(self, step):
        image, config = step.arguments["creation"].get("image"), step.arguments["config"]
        if image:
            path = windows_path(self.plan.after, "image.source", image["source"])
            self.disks[path] = "image.source"
            first = min(config.get("disks") or {}, default=None)
            self._sizes[path] = (first, (config["disks"][first] or {}).get("size"), image["linked"])
        elif step.verb == "clone":
            source, requested = step.arguments["source"], step.arguments["creation"]["clone"]
            for path in source_files(self._driver, source, requested.get("snapshot")).values():
                self.disks[path] = "clone.source"

    def _add_seed(self, step):
        if step.arguments["creation"].get("cloud_init") is not None:
            check_seed(self._driver, self.name, step.arguments)
            self._new[seed_name(self.name)] = "cloud_init"

    def check(self):
        if self.files:
            self._check_exists(self._ahead.exists, folder_of(self._driver))
            self._check_content(self._ahead.disks)
        if self._new:
            self._check_space(self._ahead.free, self._ahead.disks)

    def _check_exists(self, exists, folder):
        for path, option in {**self.disks, **self._others}.items():
            if not exists[path]:
                raise NotFound(f"{self.name}: {option}: {path} does not exist on the host.", "Correct the path.")
        if self._new and not exists[_FOLDER]:
            raise NotFound(
                f"{self.name}: storage_path: the directory {folder} does not exist on the host.", "Create it."
            )
        deleted = {key_of(path) for path in deleted_files(self.plan)}
        for name, option in self._new.items():
            path = path_in(folder, name)
            if exists[name] and key_of(path) not in deleted and not self._is_begun(path):
                raise Refused(
                    f"{self.name}: {option}: the file {path} exists, and existing files are never overwritten.",
                    "Attach it with disks[].source, or delete it.",
                )

    def _is_begun(self, path):
        """Whether a task that was killed has created the file for this VM."""
        begun = [raw for raw in self._driver.found.vms.values() if raw["Name"] == temporary_name(self.name)]
        mine = self._driver.found.raw(self.plan.before.id)
        marks = [own_mark(raw) for raw in (*begun, *([mine] if mine else ()))]
        return any(key_of(path) in map(key_of, mark.get("making", ())) for mark in marks)

    def _check_content(self, known):
        for path, option in self.disks.items():
            if key_of(path) not in known:
                raise Refused(
                    f"{self.name}: {option}: {path} is in use, or is not a virtual disk.", "Use a VHDX or VHD file."
                )
        self._check_users()
        for path, (slot, size, _linked) in self._sizes.items():
            found = known[key_of(path)]["Size"]
            if size and size < found:
                raise Refused(
                    f"{self.name}: disks.{slot}.size: {human_size(size)} is smaller than the image"
                    f" ({human_size(found)}); disks are never shrunk.",
                    f"Set a size of at least {human_size(found)}, or remove the option.",
                )

    def _check_users(self):
        """Two VMs cannot use one disk."""
        for path in self._attached:
            if self.users_of(path):
                others = ", ".join(sorted(self.users_of(path)))
                raise Refused(
                    f"{self.name}: {self.disks[path]}: {path} is used by {others}.",
                    f"Detach it from {others} first, or copy the file.",
                )

    def _check_space(self, free, known):
        copied = [path for path, option in self.disks.items() if not option.startswith("disks.")]
        linked = any(is_linked for _slot, _size, is_linked in self._sizes.values())
        needed = self._bytes + (0 if linked else sum(known[key_of(path)].get("FileSize") or 0 for path in copied))
        if free is not None and needed > free:
            drive = ntpath.splitdrive(folder_of(self._driver))[0]
            raise Refused(
                f"{self.name}: {drive} has {free >> 20}M of free space, and the new disks need {needed >> 20}M.",
                "Set storage_path to a directory of another drive.",
            )
