# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mutation fits the product as it is, and the recorded table has a row for each."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import PurePath

import jinja2
import pytest
import yaml

from collection_path import CHECKOUT
from gates.ids_of_tests import exists
from mutations import table
from mutations.list import MUTATIONS
from mutations.mutation import Mutation
from mutations.run import BELTS

READERS = {".py": ast.parse, ".yml": yaml.safe_load, ".j2": jinja2.Environment().parse}
LEAST = {
    "planner": 14, "acting": 12, "virsh": 6, "vbox": 6, "vagrant": 5, "proxmox": 6, "vmm": 6, "hyperv": 6, "tools": 8,
    "roles": 4,
}  # fmt: skip
#: Belts for which first tests may be named, though run.py cannot run all of them yet.
NAMED_BELTS = {*BELTS, "conformance", "roles"}
MANDATORY = {
    "confirm-forgets-restart", "copies-of-settings-are-left", "detached-overlay-is-no-user", "ssh-port-is-always-free",
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_mutation_fits_the_product(mutation):
    text = mutation.apply((CHECKOUT / mutation.file).read_text(encoding="utf-8"))
    assert mutation.old != mutation.new
    READERS[PurePath(mutation.file).suffix](text)


def test_ids_are_unique():
    assert [name for name, count in Counter(one.id for one in MUTATIONS).items() if count > 1] == []
    assert {one.id for one in MUTATIONS} >= MANDATORY


def test_every_area_has_enough_mutations():
    counts = Counter(one.area for one in MUTATIONS)
    assert {area for area, least in LEAST.items() if counts[area] < least} == set()


def test_first_tests_exist():
    paths = {path for one in MUTATIONS for first in one.first.values() for path in first}
    assert {path for path in paths if not exists(path)} == set()
    assert {belt for one in MUTATIONS for belt in one.first} <= NAMED_BELTS


def test_table_has_a_row_for_each_mutation():
    rows = table.read()
    assert list(rows) == [one.id for one in MUTATIONS]
    assert table.written(rows.values()) == table.RECORDED.read_text(encoding="utf-8")


def test_every_mutation_is_killed_by_a_test_that_exists():
    rows = table.read().values()
    assert [row.mutation for row in rows if not row.killed] == []
    assert [row.test for row in rows if not exists(row.test)] == []


def test_old_line_must_occur_once():
    mutation = Mutation("drop-check", "a.py", "check()", "pass")
    assert mutation.apply("if a:\n    check()\n") == "if a:\n    pass\n"
    for text in ("", "check()\n\n  check()"):
        with pytest.raises(ValueError, match=r"drop-check: the old line occurs \d times in a\.py"):
            mutation.apply(text)


@pytest.mark.parametrize(
    ("old", "test", "belt", "last"),
    [
        (None, "a::b[x|y]", "unit", "a::b[x|y]"),
        (None, None, "survived", "unit"),
        (("survived", "unit"), None, "survived", "unit"),
        (("survived", "conformance"), None, "survived", "conformance, unit"),
        (("conformance", "c::d"), None, "conformance", "c::d"),
        (("unit", "c::d"), None, "survived", "unit"),
    ],
)
def test_row_after_a_run_of_unit(tmp_path, old, test, belt, last):
    mutation = Mutation("id", "plugins/module_utils/_engine/progress/advance.py", "a", "b")
    row = table.merged(old and table.Row("id", "acting", *old), mutation, "unit", test)
    assert row == table.Row("id", "acting", belt, last)
    path = tmp_path / "table.md"
    path.write_text(table.written([row]), encoding="utf-8")
    assert table.read(path) == {"id": row}
