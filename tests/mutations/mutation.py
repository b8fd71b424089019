# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One mutation: code of the product and the faulty code that replaces it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from mutations import pattern
from mutations.trials import Trial

#: Written instead of a test for all tests of a file.
ALL = "all"
BY_HAND = Path(__file__).with_name("by_hand")


@dataclass(frozen=True)
class Mutation:
    """``old`` and ``new`` are patterns (README.md), or whole lines of a file that is not Python.

    ``room`` is a directory or a file of module_utils or of the checkout; ``room::name`` is a function or a class in it.
    ``tests`` are pytest paths.
    """

    id: str
    room: str
    old: str
    new: str
    tests: tuple = ()
    #: The file in which it is written down.
    source: str = ""

    def apply(self, checkout):
        """(path, its content) with the mutation. Raises ValueError unless the old code occurs exactly once."""
        found = self._found(checkout)
        if len(found) != 1:
            names = ", ".join(sorted({path.relative_to(checkout).as_posix() for path, _place in found}))
            raise ValueError(f"{self.id}: the old code occurs {len(found)} times in {self.room}: {names or 'nowhere'}")
        ((path, (start, end, code)),) = found
        content = path.read_bytes()
        return path, content[:start] + code.encode() + content[end:]

    def trial(self, checkout):
        path, content = self.apply(checkout)
        return Trial(self.id, path.relative_to(checkout).as_posix(), path.read_bytes(), content, self.tests)

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


def by_hand(*files):
    """The mutations that are written down, in the order of their files."""
    return tuple(one for file in files or sorted(BY_HAND.glob("*.yml")) for one in _of_file(file))


def _of_file(file):
    for path, rows_of in yaml.safe_load(file.read_text(encoding="utf-8")).items():
        for test, rows in rows_of.items():
            for row in rows:
                old, new = row.pop("old"), row.pop("new")
                ((name, room),) = row.items()
                tests = (path if test == ALL else f"{path}::{test}",)
                yield Mutation(name, room, old, new, tests, f"tests/mutations/by_hand/{file.name}")
