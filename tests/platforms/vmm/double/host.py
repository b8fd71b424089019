# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of the simulated host: the real one, or a folder in its place."""

from __future__ import annotations

import errno
import os

#: What is below these paths belongs to OpenBSD: never to the system on which the double runs.
_OF_THE_SYSTEM = ("/etc/", "/var/", "/dev/", "/bsd")
USERS = {"root": (0, 0), "_vmd": (107, 107), "alice": (1000, 1000), "bob": (1001, 1001), "www": (67, 67)}
GROUPS = {"wheel": 0, "operator": 5, "_vmd": 107, "alice": 1000, "bob": 1001, "vmusers": 2000, "www": 67}
#: Errors that OpenBSD words in its own way; VMD_* are vmd's own.
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
    """The text of an error number, by its name."""
    return _TEXTS.get(name) or os.strerror(getattr(errno, name))


class Host:
    """Files below ``root``; empty or ``/`` is the real file system. Paths are those of the simulated host.

    ``uid`` is the caller. Everything belongs to root: another user may only do what a file allows to others.
    """

    def __init__(self, root="", cwd="", uid=0, users=None, groups=None):
        self.root, self.cwd, self.uid = "" if root == "/" else root, cwd, uid
        self.users, self.groups = users or USERS, groups or GROUPS

    def place(self, path):
        """Where a file really is. A file that only exists outside of ``root`` is taken as it is."""
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
        """The text of a file, empty if there is none."""
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
        """A file as the caller opens it."""
        file = open(self.place(path), mode)  # noqa: SIM115 - the caller closes it
        try:
            self._check(path, "r")
        except OSError:
            file.close()
            raise
        return file

    def create(self, path):
        """A new file that only its owner may read; OSError if the caller may not create it, or it exists."""
        place = self.place(path)
        folder = os.path.dirname(place) or "."
        if os.path.isdir(folder):
            self._check(folder, "w")
        return os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def head(self, path, size=4):
        """The first bytes of a file, empty if it cannot be read."""
        try:
            with self.open(path) as file:
                return file.read(size)
        except OSError:
            return b""

    def resolve(self, path):
        """The path without links; OSError if there is no such file."""
        folder = os.path.dirname(self.place(path))
        if os.path.isdir(folder):
            self._check(folder, "x")
        # An empty path is not the current directory.
        os.lstat(self.place(path))
        found = os.path.realpath(self.place(path), strict=True)
        root = os.path.realpath(self.root) if self.root else ""
        return found[len(root) :] if root and found.startswith(f"{root}/") else found

    def _check(self, path, right):
        """OSError if a user other than root lacks a right that all others would need."""
        bit = {"r": 0o4, "w": 0o2, "x": 0o1}[right]
        if self.uid != 0 and not os.stat(self.place(path)).st_mode & bit:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
