# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: facts about the files and directories that a plan needs, read in one request."""

from __future__ import annotations

import ntpath
from typing import ClassVar

from ..._core.planner.planned_steps import planned
from ..._core.sharing.claims import NEW
from ..._core.sharing.needed_files import COPIED, FILE, FOLDER, IMAGE, FileFacts, Needed, needed_files
from ..._ports.windows_request import Chain, properties
from ..._tools.windows_files import (
    READ_REMEDY,
    check_no_file,
    denied_in,
    file_command,
    files_test,
    free_bytes,
    key_of,
    opening_calls,
    parents_of,
    remedy_if_missing,
    version_call,
    version_in,
    volume_call,
    windows_path,
)
from ..._tools.wsl import disk_of, is_path, is_vm
from .settings.storage import DISK, OTHER_NAME

_LOCATION, _EXPORT = "install_location", "export"
_SHOWN = properties("Length")
_LARGEST = 64 << 40
#: What WSL deletes with a distribution in its directory, besides the disk, whoever created it; it only logs what it
#: could not delete (microsoft/WSL, LxssUserSession.cpp, _DeleteDistributionLockHeld).
_TAKEN = ("rootfs", "temp", "shortcut.ico")


class WslFiles(FileFacts):
    """The files that one plan needs: its image, the virtual disk in a new directory, and the file of an export."""

    platform, first, read_remedy = "WSL", DISK, READ_REMEDY
    folder_option, own_folder = _LOCATION, (_EXPORT,)
    new_remedies: ClassVar = {_EXPORT: OTHER_NAME}
    space_remedy = "set install_location to a directory of another drive"

    def __init__(self, driver, plan):
        super().__init__(driver.claims, plan)
        self._driver, self._steps = driver, list(planned(plan))
        self._creates = any(one.step.verb in ("create", "clone") for one in self._steps)
        existing = driver.host.find(self.name)
        #: Whether an interrupted task has registered the distribution already; it is only completed.
        self.is_begun = self._creates and existing is not None and driver.is_unfinished(existing)
        self._exists, self._are_files, self._sizes, self._folders, self._free = {}, {}, {}, (), None
        self._directories, self._denied = set(), set()

    def read(self):
        items = [item for one in self._steps for item in needed_files(one, self)]
        disk = next((item.path for item in items if item.option == _LOCATION), None)
        parents = [ntpath.dirname(disk), *parents_of(ntpath.dirname(disk))] if disk else []
        sources = [item.path for item in items if item.purpose in (IMAGE, COPIED)]
        self._folders = folders = [self.folder(item) for item in items if item.purpose == NEW]
        paths = list(dict.fromkeys([*(item.path for item in items if item.path), *folders, *parents]))
        if not paths:
            return
        calls = [file_command("Test-Path", paths, show=_SHOWN)]
        calls += [*map(version_call, sources), *opening_calls(sources)]
        calls += [files_test(sources)] if sources else []
        calls += [files_test(parents)] if disk else []
        calls += [volume_call(disk[:3])] if disk else []
        (result,) = self._driver.send([Chain(self.name, tuple(calls))])
        if result.error is not None:
            raise result.error
        self._exists = dict(zip(paths, result.answers[0].objects))
        versions = {path: version_in(answer) for path, answer in zip(sources, result.answers[1:])}
        self._driver.versions.update({key_of(path): version for path, version in versions.items()})
        self._sizes = {path: version[0] for path, version in versions.items() if version}
        self._denied = denied_in(sources, result.answers[1 + len(sources) :])
        are_files = result.answers[1 + 2 * len(sources)].objects if sources else ()
        self._directories = {path for path, is_file in zip(sources, are_files) if not is_file}
        if disk:
            self._are_files = dict(zip(parents, result.answers[-2].objects))
            self._free = free_bytes(result.answers[-1])
            if self._creates:
                self._driver.folders[self.name.lower()] = [path for path in parents[1:] if not self._exists[path]]

    def check_parents(self):
        """Raise Refused if the directory of the distribution cannot be created."""
        for folder in [*self._are_files][:1]:
            check_no_file(f"{self.name}: {_LOCATION}", folder, self._are_files)

    # Facts ------------------------------------------------------------------------------------------------------------

    remedy_if_missing = staticmethod(remedy_if_missing)

    def normalized(self, option, path):
        is_needed = is_path(path) and not self.is_begun
        return windows_path(self.plan.after, option, path) if is_needed else ""

    def new_files(self, one):
        if self.is_begun and one.step.verb in ("create", "clone"):
            return
        for option, path in super().new_files(one):
            if option != _LOCATION:
                yield option, path
                continue
            disk = "ext4.vhdx" if self._creates else ntpath.basename(disk_of(self._driver.host.raw(one.vm.id)))
            yield from ((option, f"{path}\\{name}") for name in (disk, *_TAKEN))

    def copied(self, one):
        """The same task may create the source first. A source of version 1 has no virtual disk, but a directory."""
        source = self._driver.host.raw(one.step.arguments["source"].id) if one.step.arguments["source"].id else None
        if self.is_begun or source is None or not is_vm(source):
            return []
        return [Needed(COPIED, "clone.source", disk_of(source), DISK)]

    def identity(self, path):
        """The identity of a virtual disk, and of what WSL creates beside it, is that of its directory."""
        is_inside = path.lower().endswith(".vhdx") or ntpath.basename(path) in _TAKEN
        return key_of(ntpath.dirname(path) if is_inside else path)

    def kind(self, path):
        is_folder = path in self._folders or path in self._directories
        return (FOLDER if is_folder else FILE) if self._exists.get(path) else ""

    def may_read(self, path):
        return key_of(path) not in self._denied

    def folder(self, item):
        """The driver creates the directory of a distribution, with those above it, if the host has the drive."""
        if item.option == _EXPORT:
            return ntpath.dirname(item.path)
        return ntpath.splitdrive(self.plan.after.config.get(_LOCATION) or item.path)[0] + "\\"

    def is_leftover(self, item):
        """An existing file counts as the export of a distribution, unless that is deleted next."""
        return item.option == _EXPORT and self._driver.options.get("state") != "absent"

    def largest(self, slot, disk):
        return _LARGEST, "a VHDX cannot be larger"

    def bytes_of(self, item):
        """A clone needs a file for the export, and the disk."""
        return self._sizes.get(item.path, 0) * (2 if item.purpose == COPIED else 1)

    def place(self, folder):
        return ntpath.splitdrive(folder)[0].upper()

    def free(self, folder):
        return self._free
