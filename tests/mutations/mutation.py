# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mutation: code of the product and the faulty code that replaces it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mutations import pattern

#: Area by the first directory of the room; a driver has an area of its own, and all others carry plans out.
_AREAS = {"_core": "planner", "_tools": "tools", "_ports": "tools", "roles": "roles", "playbooks": "roles"}
_DRIVERS = ("virsh", "vbox", "vagrant", "proxmox", "vmm", "wsl", "hyperv")
AREAS = ("planner", *_DRIVERS, "tools", "acting", "roles")


@dataclass(frozen=True)
class Mutation:
    """``old`` and ``new`` are patterns (README.md), or whole lines of a file that is not Python.

    ``room`` is a directory or a file of module_utils or of the checkout; ``room::name`` is a function or a class in it.
    ``first`` are pytest paths.
    """

    id: str
    room: str
    old: str
    new: str
    first: Sequence = ()

    @property
    def area(self):
        first, *rest = self.room.partition("::")[0].split("/")
        return rest[0] if first == "_drivers" else _AREAS.get(first, "acting")

    def apply(self, checkout):
        """(path, its content) with the mutation. Raises ValueError unless the old code occurs exactly once."""
        found = self._found(checkout)
        if len(found) != 1:
            names = ", ".join(sorted({path.relative_to(checkout).as_posix() for path, _place in found}))
            raise ValueError(f"{self.id}: the old code occurs {len(found)} times in {self.room}: {names or 'nowhere'}")
        ((path, (start, end, code)),) = found
        content = path.read_bytes()
        return path, (content[:start] + code.encode() + content[end:]).decode()

    def _found(self, checkout):
        """The places in the room; if the code has moved to another one, those in the whole product."""
        name, _colons, function = self.room.partition("::")
        rooms = (checkout / "plugins/module_utils" / name, checkout / name)
        room = next((path for path in rooms if path.exists()), rooms[0])
        if room.is_file() and room.suffix != ".py":
            lines = re.finditer(rb"^[ \t]*(%s)[ \t]*$" % re.escape(self.old.encode()), room.read_bytes(), re.MULTILINE)
            return [(room, (*line.span(1), self.new)) for line in lines]
        files = [room] if room.is_file() else sorted(room.rglob("*.py"))
        return (
            self._places(files, function)
            or self._places(files, function, renamed=True)
            or self._places(sorted((checkout / "plugins").rglob("*.py")), function)
        )

    def _places(self, files, function, renamed=False):
        """[(path, (start, end, code))]"""
        return [
            (path, place)
            for path in files
            for place in pattern.places(path.read_bytes(), self.old, self.new, function, renamed)
        ]
