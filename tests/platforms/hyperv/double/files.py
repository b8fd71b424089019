# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a Windows host, with virtual disks, locks and free space."""

from __future__ import annotations

import re
import subprocess
import tempfile
from datetime import datetime, timedelta, timezone
from functools import cache

from platforms.hyperv.double.records import Vhd
from platforms.images import chain_info
from platforms.windows.failures import exception
from platforms.windows.programs import Files

_VHDX = b"vhdxfile"
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
GIB = 1 << 30
_ENVIRONMENT = {
    "SystemRoot": "C:\\Windows",
    "TEMP": "C:\\Temp",
    "ProgramData": "C:\\ProgramData",
    "PROCESSOR_ARCHITECTURE": "AMD64",
}


def parent(path):
    return path.rpartition("\\")[0]


def base(path):
    return path.rpartition("\\")[2]


def stem(path):
    return base(path).rpartition(".")[0]


def extension(path):
    return "." + base(path).rpartition(".")[2].lower() if "." in base(path) else ""


@cache
def _disk_in(content):
    """The virtual disk in a VHDX file: its size, and its first byte unless that is zero."""
    with tempfile.NamedTemporaryFile(suffix=".vhdx") as file, tempfile.NamedTemporaryFile() as raw:
        file.write(content)
        file.flush()
        (about,) = chain_info(file.name)
        words = ["-f", "vhdx", "-O", "raw", "bs=512", "count=1", f"if={file.name}", f"of={raw.name}"]
        subprocess.run(["qemu-img", "dd", *words], check=True)
        first = raw.read(1)[0]
    return {"size": about["virtual-size"], **({"written": first} if first else {})}


class FileSystem(Files):
    """Directories and files keep the case in which their names were written. ``capacity`` is {drive: bytes}.

    ``links`` are further names, {path or its beginning: what it leads to}: junctions and symbolic links (READ
    learn.microsoft.com/windows/win32/fileio/hard-links-and-junctions), 8.3 names (READ
    learn.microsoft.com/windows-server/administration/windows-commands/fsutil-8dot3name), volumes (READ
    learn.microsoft.com/windows/win32/fileio/naming-a-volume) and shares of the host itself. Who opens a path gets the
    file at their end; who only compares paths sees different ones.
    """

    def __init__(self):
        self.links = {}
        super().__init__(environment=_ENVIRONMENT)
        self.capacity = {"C": 500 * GIB, "D": 500 * GIB}
        self.written = {}
        #: {key: how often a file was written}, which is the time of its last change.
        self.revisions = {}
        #: {key: (content, Vhd)} of files that were copied to the host and contain a virtual disk.
        self._copied = {}
        #: Files and directories (with what is below) to which the user of the connection has no rights but to see
        #: that they exist; and {path: reason} of the paths that something has open.
        self.denied, self.open = set(), {}
        for folder in ("C:\\Windows", "C:\\Temp", "C:\\Users", "C:\\ProgramData", "D:\\"):
            self.make(folder)

    def _key(self, path):
        """Without the prefix of Win32's namespaces (READ learn.microsoft.com/windows/win32/fileio/naming-a-file)."""
        plain = re.sub(
            r"^\\\\[?.]\\(UNC\\|(?=[a-z]:))", lambda found: "\\\\" * bool(found[1]), path.replace("/", "\\"), flags=re.I
        )
        key = Files._key(plain)
        for name, target in getattr(self, "links", {}).items():
            start = Files._key(name)
            if key == start or key.startswith(f"{start}\\"):
                return self._key(target) + key[len(start) :]
        return key

    def key(self, path):
        """The form of a path that is used for comparisons."""
        return self._key(path)

    def name(self, path):
        """A path in the case in which it was written, or by its other name (ASSUMED for Get-VHD)."""
        is_other = Files._key(path) != self._key(path)
        return path if is_other else self.written.get(self._key(path), path)

    def file_id(self, path):
        """The id of the file on its volume, as fsutil shows it; None if there is no file."""
        keys = list(self.written)
        return f"0x{keys.index(self._key(path)) + 1:032x}" if self._key(path) in self.contents else None

    def make(self, folder):
        """Create a directory and its parents."""
        folder = folder.replace("/", "\\").rstrip("\\")
        while folder and self._key(folder) not in self.folders:
            self.folders.add(self._key(folder))
            self.written[self._key(folder)] = folder
            folder = parent(folder)

    def is_denied(self, path):
        """Whether the user may neither read, change nor delete a file or directory."""
        key, denied = self._key(path), set(map(self._key, self.denied))
        return any(key == one or key.startswith(f"{one}\\") for one in denied)

    def need_right(self, path):
        """Fail as .NET does if the user has no rights to a file, or to the directory of a new one."""
        if self.is_denied(path):
            message = f"Access to the path '{path}' is denied."
            raise exception("System.UnauthorizedAccessException", message, 0x80070005)

    def read(self, path, limit):
        self.need_right(path)
        return super().read(path, limit)

    def read_part(self, path, at, size):
        self.need_right(path)
        return super().read_part(path, at, size)

    def is_folder(self, path):
        return self._key(path) in self.folders

    def file(self, path):
        """The content of a file, or None."""
        return self.contents.get(self._key(path))

    def vhd(self, path):
        """The virtual disk with this path, or None."""
        found = self.file(path)
        if found is not None and found.startswith(_VHDX):
            if self._copied.get(self._key(path), (None,))[0] is not found:
                self._copied[self._key(path)] = found, Vhd(type="Dynamic", **_disk_in(found))
            return self._copied[self._key(path)][1]
        return found if isinstance(found, Vhd) else None

    def put(self, path, content):
        """Write a file, and create the directories above it."""
        path = path.replace("/", "\\")
        self.make(parent(path))
        self.contents[self._key(path)] = content
        self.written[self._key(path)] = path
        self._count(path)

    def _count(self, path):
        self.revisions[self._key(path)] = self.revision(path) + 1

    def keep_time(self, path, target):
        """A file that gets another name on its drive has the time of its last change as before."""
        self.revisions[self._key(target)] = self.revision(path)

    def revision(self, path):
        return self.revisions.get(self._key(path), 0)

    def changed_at(self, path):
        return _START + timedelta(seconds=self.revision(path))

    def write(self, path, content, grant=None, is_new=False):
        self.need_right(path)
        if not self.has_room(path, len(content or "") * 3 // 4):
            raise exception("System.IO.IOException", "There is not enough space on the disk.", 0x80070070)
        answer = super().write(path, content, grant, is_new)
        self._count(path)
        self.written[self._key(path)] = path.replace("/", "\\")
        return answer

    def append(self, path, piece, call):
        self._check_write(path, call)
        return super().append(path, piece, call)

    def copy_part(self, path, source, call):
        self.need_right(source)
        self._check_write(path, call)
        return super().copy_part(path, source, call)

    def edit(self, path, call):
        self._check_write(path, {})
        return super().edit(path, call)

    def _check_write(self, path, call):
        self.need_right(path)
        if self._key(path) in map(self._key, self.open):
            raise exception("System.IO.IOException", f"'{path}' is in use.", 0x80070020)
        if not self.has_room(path, call.get("size") or 0):
            raise exception("System.IO.IOException", "There is not enough space on the disk.", 0x80070070)

    def delete(self, path):
        self.contents.pop(self._key(path), None)
        self.rights.pop(self._key(path), None)
        self.folders.discard(self._key(path))

    def below(self, folder):
        """The keys of all files and directories below a directory."""
        start = self._key(folder) + "\\"
        return sorted(one for one in (*self.contents, *self.folders) if one.startswith(start))

    @staticmethod
    def length(content):
        return content.length if isinstance(content, Vhd) else len(content)

    def used(self, drive):
        start = f"{drive.lower()}:\\"
        return sum(self.length(content) for path, content in self.contents.items() if path.startswith(start))

    def free(self, drive):
        return self.capacity.get(drive.upper(), 0) - self.used(drive)

    def has_room(self, path, size):
        """Whether the drive has ``size`` bytes free; shares always have."""
        return path.startswith("\\\\") or size <= self.free(path[:1])

    def chain(self, path):
        """The paths of a disk and its parents, as far as they exist, the disk first."""
        found = []
        while path and self.vhd(path) is not None and self._key(path) not in map(self._key, found):
            found.append(self.name(path))
            path = self.vhd(path).parent
        return found

    def change(self, path):
        """Mark the disks on top of this disk as broken, because its content changes."""
        for child in self.children(path):
            self.vhd(child).broken = True

    def children(self, path):
        """The disks that have this disk as their parent."""
        key = self._key(path)
        return [
            self.name(one)
            for one, content in self.contents.items()
            if isinstance(content, Vhd) and content.parent and self._key(content.parent) == key
        ]
