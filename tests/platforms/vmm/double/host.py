# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of the simulated host: the real one, or a root directory."""

from __future__ import annotations

import errno
import os

#: Files below these paths are always those of the simulated host, never those of the system that runs the double.
_OF_THE_SYSTEM = ("/etc/", "/var/", "/dev/", "/bsd")
USERS = {"root": (0, 0), "_vmd": (107, 107), "alice": (1000, 1000), "bob": (1001, 1001), "www": (67, 67)}
GROUPS = {"wheel": 0, "operator": 5, "_vmd": 107, "alice": 1000, "bob": 1001, "vmusers": 2000, "www": 67}
#: Error texts of OpenBSD that differ from those of Linux; VMD_* are errors of vmd.
_TEXTS = {
    "EBUSY": "Device busy",
    "ECANCELED": "Operation canceled",
    "EDQUOT": "Disc quota exceeded",
    "ENODEV": "Operation not supported by device",
    "ENOTSUP": "Not supported",
    "ENXIO": "Device not configured",
    "EOPNOTSUPP": "Operation not supported",
    "EPROCLIM": "Too many processes",
    "ERANGE": "Result too large",
    "ETIMEDOUT": "Operation timed out",
    "EXDEV": "Cross-device link",
    "VMD_DISK_MISSING": "Unknown error: 1002",
    "VMD_VM_STOP_INVALID": "Unknown error: 1004",
    "VMD_PARENT_INVALID": "Unknown error: 1007",
}


def text_of(name):
    """The text of an error, by the name of its number (ENOENT)."""
    return _TEXTS.get(name) or os.strerror(getattr(errno, name))


def path_in(text):
    """The path that a text of a configuration file names. Files are read as Latin-1; the path is in the same bytes."""
    return os.fsdecode(text.encode("latin-1"))


class Host:
    """Files below the directory ``root`` (empty or ``/``: the real file system). Paths are those of the simulated host.

    ``uid`` is the caller. All files belong to root, so another user has only the permissions for others.
    """

    def __init__(self, root="", cwd="", uid=0, users=None, groups=None):
        self.root, self.cwd, self.uid = "" if root == "/" else root, cwd, uid
        self.users, self.groups = users or USERS, groups or GROUPS

    def place(self, path):
        """The real path of a file. A file that exists only outside of ``root`` keeps its path."""
        if path and not path.startswith("/"):
            return os.path.join(self.cwd, path)
        if not self.root or path.startswith(f"{self.root}/") or not path:
            return path
        inside = self.root + path
        return inside if path.startswith(_OF_THE_SYSTEM) or os.path.lexists(inside) else path

    def exists(self, path):
        return os.path.exists(self.place(path))

    def read(self, path):
        with open(self.place(path), encoding="latin-1", newline="") as file:
            self._check(path, "r")
            return file.read()

    def text(self, path):
        """The text of a file, or an empty text if it does not exist."""
        return self.read(path) if self.exists(path) else ""

    def write(self, path, text):
        place = self.place(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="latin-1", newline="") as file:
            file.write(text)

    def remove(self, path):
        if self.exists(path):
            os.unlink(self.place(path))

    def open(self, path, mode="rb"):
        """Open a file; fails if the caller lacks the permission."""
        file = open(self.place(path), mode)  # noqa: SIM115 - the caller closes it
        try:
            self._check(path, "r")
        except OSError:
            file.close()
            raise
        return file

    def create(self, path):
        """Create a file with mode 0600 and open it; OSError if it exists, or the caller lacks the permission."""
        place = self.place(path)
        folder = os.path.dirname(place) or "."
        if os.path.isdir(folder):
            self._check(folder, "w")
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def head(self, path, size=4):
        """The first ``size`` bytes of a file; no bytes if it cannot be read."""
        try:
            with self.open(path) as file:
                return file.read(size)
        except OSError:
            return b""

    def resolve(self, path):
        """The path without symbolic links; OSError if the file does not exist."""
        folder = os.path.dirname(self.place(path))
        if os.path.isdir(folder):
            self._check(folder, "x")
        # Fails for an empty path, which realpath would take for the current directory.
        os.lstat(self.place(path))
        found = os.path.realpath(self.place(path), strict=True)
        root = os.path.realpath(self.root) if self.root else ""
        return found[len(root) :] if root and found.startswith(f"{root}/") else found

    def _check(self, path, right):
        """Raise OSError if the caller is not root and others lack the permission ``right`` (r, w or x)."""
        bit = {"r": 0o4, "w": 0o2, "x": 0o1}[right]
        if self.uid != 0 and not os.stat(self.place(path)).st_mode & bit:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
