# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system of the simulated host: the real one, or a folder in its place."""

from __future__ import annotations

import os

#: What is below these paths belongs to OpenBSD: never to the system on which the double runs.
_OF_THE_SYSTEM = ("/etc/", "/var/", "/dev/", "/bsd")
USERS = {"root": (0, 0), "_vmd": (107, 107), "alice": (1000, 1000), "bob": (1001, 1001), "www": (67, 67)}
GROUPS = {"wheel": 0, "operator": 5, "_vmd": 107, "alice": 1000, "bob": 1001, "vmusers": 2000, "www": 67}


class Host:
    """Files below ``root``; empty or ``/`` is the real file system. Paths are those of the simulated host."""

    def __init__(self, root="", users=None, groups=None):
        self.root = "" if root == "/" else root
        self.users, self.groups = users or USERS, groups or GROUPS

    def place(self, path):
        """Where a file really is. A file that only exists outside of ``root`` is taken as it is."""
        if not self.root or not path.startswith("/") or path.startswith(f"{self.root}/"):
            return path
        inside = self.root + path
        return inside if path.startswith(_OF_THE_SYSTEM) or os.path.lexists(inside) else path

    def exists(self, path):
        return os.path.exists(self.place(path))

    def read(self, path):
        with open(self.place(path), encoding="latin-1", newline="") as file:
            return file.read()

    def text(self, path):
        """The text of a file, empty if there is none."""
        return self.read(path) if self.exists(path) else ""

    def write(self, path, text):
        place = self.place(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w", encoding="latin-1", newline="") as file:
            file.write(text)

    def head(self, path, size=4):
        """The first bytes of a file, empty if it cannot be read."""
        try:
            with open(self.place(path), "rb") as file:
                return file.read(size)
        except OSError:
            return b""

    def resolve(self, path):
        """The path without links; OSError if there is no such file."""
        # An empty path is not the current directory.
        os.lstat(path and self.place(path))
        found = os.path.realpath(self.place(path), strict=True)
        root = os.path.realpath(self.root) if self.root else ""
        return found[len(root) :] if root and found.startswith(f"{root}/") else found
