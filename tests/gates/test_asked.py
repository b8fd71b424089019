# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that users asked for is done or decided, and leads to code and tests that exist."""

from __future__ import annotations

import pytest
import yaml

from collection_path import CHECKOUT
from gates.asked import ids, listed, problems, problems_of_checklist

FOLDER = CHECKOUT / "tests/asked"
OWN = "tests/gates/test_asked.py::test_problems"
NONE = "tests/gates/test_asked.py::test_no"
GOOD = {"asked": "A VM.", "done": True, "where": ["README.md"], "test": [OWN]}
RULING = {**GOOD, "done": "ruling", "reason": "Not here."}


def test_everything_is_done_or_decided(record_property):
    entries = listed(FOLDER)
    assert problems(CHECKOUT, entries) == []
    rulings = sum(entry["done"] == "ruling" for _name, entry in entries)
    record_property("summary", f"asked for: {len(entries)}, done {len(entries) - rulings}, decided {rulings}")


def test_each_line_of_the_checklist_of_vmd_has_a_test():
    phases = yaml.safe_load((FOLDER / "vmd_phases.yml").read_text(encoding="utf-8"))
    assert len(phases) == 7
    assert problems_of_checklist(phases) == []


def test_number_of_ids():
    assert len(ids()) == len({*ids()}) == 354


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (GOOD, []),
        (RULING, []),
        ({**GOOD, "done": "ruling"}, ["keys must be asked, done, reason, test, where"]),
        ({**RULING, "reason": ""}, ["reason is empty"]),
        ({**GOOD, "asked": ""}, ["asked is empty"]),
        ({**GOOD, "done": False}, ["done must be true or ruling", "done is empty"]),
        ({**GOOD, "where": ["docs/nothing.md"]}, ["docs/nothing.md does not exist"]),
        ({**GOOD, "test": [NONE]}, [f"{NONE} does not exist"]),
    ],
)  # fmt: skip
def test_problems(entry, found):
    others = [(name, GOOD) for name in ids()[1:]]
    assert problems(CHECKOUT, [("A01", entry), *others]) == [f"A01: {one}" for one in found]


def test_ids_are_complete_and_listed_once(tmp_path):
    file = tmp_path / "a.yml"
    file.write_text("A01: {done: true}\nA01: {done: true}\nZ99: {done: true}\n", encoding="utf-8")
    found = problems(CHECKOUT, listed(tmp_path))
    assert {"A02: no entry", "Z99: unknown", "A01: listed 2 times"} <= {*found}
    assert "A01: no entry" not in found
