# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mutation fits the product as it is, and the recorded table has a row for each."""

from __future__ import annotations

import ast
import subprocess
from collections import Counter

import jinja2
import pytest
import yaml

from collection_path import CHECKOUT
from gates.ids_of_tests import exists
from mutations import table
from mutations.list import MUTATIONS
from mutations.mutation import Mutation


def _read_shell(text):
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


READERS = {".py": ast.parse, ".yml": yaml.safe_load, ".j2": jinja2.Environment().parse, ".sh": _read_shell}
LEAST = {
    "planner": 14, "acting": 12, "virsh": 6, "vbox": 6, "vagrant": 5, "proxmox": 6, "vmm": 6, "hyperv": 6, "tools": 8,
    "roles": 4,
}  # fmt: skip
MANDATORY = {
    "confirm-forgets-restart", "copies-of-settings-are-left", "detached-overlay-is-no-user", "ssh-port-is-always-free",
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_mutation_fits_the_product(mutation):
    path, content = mutation.apply(CHECKOUT)
    assert content != path.read_text(encoding="utf-8")
    READERS[path.suffix](content)


def test_ids_are_unique():
    assert [name for name, count in Counter(one.id for one in MUTATIONS).items() if count > 1] == []
    assert {one.id for one in MUTATIONS} >= MANDATORY


def test_every_area_has_enough_mutations():
    counts = Counter(one.area for one in MUTATIONS)
    assert {area for area, least in LEAST.items() if counts[area] < least} == set()


def test_first_tests_exist():
    assert {path for one in MUTATIONS for path in one.first if not exists(path)} == set()


def test_table_has_a_row_for_each_mutation():
    rows = table.read()
    assert list(rows) == [one.id for one in MUTATIONS]
    assert table.written(rows.values()) == table.RECORDED.read_text(encoding="utf-8")


def test_every_mutation_is_killed_by_a_test_that_exists():
    rows = table.read().values()
    assert [row.mutation for row in rows if not row.killed] == []
    assert [row.test for row in rows if not exists(row.test)] == []


def test_only_mutations_of_roles_survive_the_quick_tests():
    """Plays of whole roles are in a full run only (tests/suite/belts.py)."""
    assert {row.area for row in table.read().values() if row.belt != "quick"} <= {"roles"}


CODE = """\
def check(vm, size):
    # A comment.
    if (vm.size
            < size):  # Another.
        shrink(vm)
    elif vm.on:
        stop(vm, "now", wait=True)
    return {"a": one(vm), "b": two}
"""


@pytest.mark.parametrize(
    ("old", "new", "changed", "to"),
    [
        ("vm.size < size", "vm.size <= size", "(vm.size\n            < size)", "((vm.size <= size))"),
        ("one_vm.size < _", "True", "(vm.size\n            < size)", "((True))"),
        ("_1 < size", "size < _1", "(vm.size\n            < size)", "((size < vm.size))"),
        ("shrink(_)", "pass", "shrink(vm)", "pass"),
        ("if vm.on:\n    ...", "if not vm.on:\n    ...", "vm.on", "not vm.on"),
        ("stop(*_, wait=True)", "stop(*_)", '(vm, "now", wait=True)', "(vm, 'now')"),
        ('{"b": two, **_}', "{**_}", '{"a": one(vm), "b": two}', "{'a': one(vm)}"),
    ],
)
def test_pattern_fits_any_layout_and_other_names_of_variables(tmp_path, old, new, changed, to):
    (tmp_path / "a.py").write_text(CODE)
    path, content = Mutation("id", ".", old, new).apply(tmp_path)
    assert ast.dump(ast.parse(content)) == ast.dump(ast.parse(CODE.replace(changed, to)))
    assert path == tmp_path / "a.py" and "    # A comment.\n" in content


@pytest.mark.parametrize(
    ("room", "old", "times"), [(".", "other(_)", 0), (".", "_(vm)", 2), (".::check", "vm", 5), (".::other", "vm.on", 0)]
)
def test_old_code_must_occur_once(tmp_path, room, old, times):
    (tmp_path / "a.py").write_text(CODE)
    with pytest.raises(ValueError, match=f"^drop-check: the old code occurs {times} times in {room}: "):
        Mutation("drop-check", room, old, "None").apply(tmp_path)


def test_old_line_of_another_file_must_occur_once(tmp_path):
    (tmp_path / "a.yml").write_text("- a: 1\n- b: 2\n- c: 3\n- c: 3\n")
    assert Mutation("id", "a.yml", "- b: 2", "- b: 4").apply(tmp_path)[1] == "- a: 1\n- b: 4\n- c: 3\n- c: 3\n"
    with pytest.raises(ValueError, match=r"occurs 2 times in a\.yml"):
        Mutation("id", "a.yml", "- c: 3", "").apply(tmp_path)


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
    mutation = Mutation("id", "_engine", "a", "b")
    row = table.merged(old and table.Row("id", "acting", *old), mutation, "unit", test)
    assert row == table.Row("id", "acting", belt, last)
    path = tmp_path / "table.md"
    path.write_text(table.written([row]), encoding="utf-8")
    assert table.read(path) == {"id": row}
