# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users asked for, and where it is: tests/asked/README.md has the format."""

from __future__ import annotations

import yaml

from gates.ids_of_tests import exists

#: Number of entries by the letter of their ids, which are A01, A02 ...
NUMBERS = {
    "A": 48, "B": 35, "C": 20, "D": 21, "E": 11, "F": 11, "G": 50, "H": 14, "I": 16, "J": 26, "K": 24, "L": 13,
    "M": 9, "N": 16, "O": 13, "P": 8, "Q": 5, "U": 6, "W": 8,
}  # fmt: skip
KEYS = {"asked", "done", "where", "test"}


def ids():
    """All ids that have an entry."""
    return [f"{letter}{number:02}" for letter, count in NUMBERS.items() for number in range(1, count + 1)]


def listed(folder):
    """[(id, entry)] of all files; an id that is listed twice is there twice."""
    found = []
    for file in sorted(folder.glob("?.yml")):
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        # A mapping would keep the last of two entries with one id.
        pairs = loader.get_single_node().value
        found += [(key.value, loader.construct_object(value, deep=True)) for key, value in pairs]
    return found


def problems(checkout, entries):
    """One sentence for each id that is missing, unknown or listed twice, and for each error in an entry."""
    names = [name for name, _entry in entries]
    return [
        *(f"{name}: no entry" for name in ids() if name not in names),
        *(f"{name}: unknown" for name in names if name not in ids()),
        *(f"{name}: listed {names.count(name)} times" for name in sorted({*names}) if names.count(name) > 1),
        *(f"{name}: {problem}" for name, entry in entries for problem in _of_entry(checkout, entry)),
    ]


def _of_entry(checkout, entry):
    is_ruling = entry.get("done") == "ruling"
    expected = {*KEYS, "reason"} if is_ruling else KEYS
    if set(entry) != expected:
        yield f"keys must be {', '.join(sorted(expected))}"
    if not is_ruling and entry.get("done") is not True:
        yield "done must be true or ruling"
    yield from (f"{key} is empty" for key in sorted(expected & {*entry}) if not entry[key])
    yield from (f"{path} does not exist" for path in entry.get("where") or () if not (checkout / path).exists())
    yield from (f"{test} does not exist" for test in entry.get("test") or () if not exists(test))


def problems_of_checklist(phases):
    """One sentence for each line of a checklist, ``{phase: {line: [tests]}}``, without a test that exists."""
    lines = [(f"{phase}: {line}", tests) for phase, found in phases.items() for line, tests in found.items()]
    return [
        *(f"{line}: no test" for line, tests in lines if not tests),
        *(f"{line}: {test} does not exist" for line, tests in lines for test in tests or () if not exists(test)),
    ]
