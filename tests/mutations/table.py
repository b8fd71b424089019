# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recorded table: which belt and which test kill each mutation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RECORDED = Path(__file__).with_name("table.md")
SURVIVED = "survived"
_HEAD = """\
<!--
Copyright (c) 2026, polyvirt contributors
GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

# Mutations and the tests that kill them

Written by `tests/mutations/run.py --output`. In a row with `survived`, the last column names the belts that were tried.

| mutation | area | belt that kills it | test |
|---|---|---|---|
"""


@dataclass(frozen=True)
class Row:
    """``belt`` is SURVIVED where no belt kills the mutation; then ``test`` names the belts that were tried."""

    mutation: str
    area: str
    belt: str
    test: str

    @property
    def killed(self):
        return self.belt != SURVIVED


def read(path=RECORDED):
    """{mutation: Row}; empty where nothing was recorded yet."""
    if not path.exists():
        return {}
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    rows = (Row(*(cell.strip().strip("`") for cell in _cells(line))) for line in lines[2:])
    return {row.mutation: row for row in rows}


def written(rows):
    """The table as text, in the order of ``rows``."""
    return _HEAD + "".join(f"| `{row.mutation}` | {row.area} | {row.belt} | {_test(row)} |\n" for row in rows)


def _cells(line):
    return line.replace(r"\|", "\0").strip("|").replace("\0", "|").split(" | ")


def _test(row):
    text = row.test.replace("|", r"\|")
    return f"`{text}`" if row.killed else text


def merged(old, mutation, belt, test):
    """The row after a run of one belt; ``old`` may be None, ``test`` is None where the mutation survived.

    The belt that was recorded first stays: belts are run from the quickest to the slowest.
    """
    if old is not None and old.killed and old.belt != belt:
        return old
    if test is not None:
        return Row(mutation.id, mutation.area, belt, test)
    tried = [] if old is None or old.killed else old.test.split(", ")
    return Row(mutation.id, mutation.area, SURVIVED, ", ".join(dict.fromkeys([*tried, belt])))
