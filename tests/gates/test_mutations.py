# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every mutation that is written down fits the product as it is; generated mutants are programs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from types import ModuleType

import jinja2
import pytest
import yaml

from collection_path import CHECKOUT
from gates.ids_of_tests import exists
from mutations import changed, operators
from mutations.mutation import BY_HAND, Mutation, by_hand
from mutations.reach import Reached, folder_of
from mutations.swap import live_functions, swap

MUTATIONS = by_hand()


def _read_shell(text):
    subprocess.run(["sh", "-n"], input=text, text=True, check=True)


READERS = {".py": ast.parse, ".yml": yaml.safe_load, ".j2": jinja2.Environment().parse, ".sh": _read_shell}
MOST = 350
#: Files of by_hand, each with mutations of one subject.
LEAST = 8
MANDATORY = {
    "confirm-forgets-restart", "copies-of-settings-are-left", "detached-overlay-is-no-user", "ssh-port-is-always-free",
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_mutation_fits_the_product(mutation):
    path, content = mutation.apply(CHECKOUT)
    assert content != path.read_bytes()
    READERS[path.suffix](content.decode())


def test_ids_are_unique():
    assert [name for name, count in Counter(one.id for one in MUTATIONS).items() if count > 1] == []
    assert {one.id for one in MUTATIONS} >= MANDATORY


def test_there_are_few_of_each_subject():
    assert len(MUTATIONS) <= MOST
    counts = {file.name: len(by_hand(file)) for file in BY_HAND.glob("*.yml")}
    assert {name for name, count in counts.items() if count < LEAST} == set()


def test_tests_exist():
    assert {test for one in MUTATIONS for test in one.tests if not exists(test)} == set()


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
    ("old", "new", "before", "after"),
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
def test_pattern_fits_any_layout_and_other_names_of_variables(tmp_path, old, new, before, after):
    (tmp_path / "a.py").write_text(CODE)
    path, content = Mutation("id", ".", old, new).apply(tmp_path)
    assert ast.dump(ast.parse(content)) == ast.dump(ast.parse(CODE.replace(before, after)))
    assert path == tmp_path / "a.py" and b"    # A comment.\n" in content


@pytest.mark.parametrize(
    ("room", "old", "times"), [(".", "other(_)", 0), (".", "_(vm)", 2), (".::check", "vm", 5), (".::other", "vm.on", 0)]
)
def test_old_code_must_occur_once(tmp_path, room, old, times):
    (tmp_path / "a.py").write_text(CODE)
    with pytest.raises(ValueError, match=f"^drop-check: the old code occurs {times} times in {room}: "):
        Mutation("drop-check", room, old, "None").apply(tmp_path)


def test_old_line_of_another_file_must_occur_once(tmp_path):
    (tmp_path / "a.yml").write_text("- a: 1\n- b: 2\n- c: 3\n- c: 3\n")
    assert Mutation("id", "a.yml", "- b: 2", "- b: 4").apply(tmp_path)[1] == b"- a: 1\n- b: 4\n- c: 3\n- c: 3\n"
    with pytest.raises(ValueError, match=r"occurs 2 times in a\.yml"):
        Mutation("id", "a.yml", "- c: 3", "").apply(tmp_path)


GENERATED = {
    "x = a < b": {"(a <= b)"},
    "if a:\n    b = 1": {"(True)", "(False)", "(2)"},
    "x = a and b": {"(a)", "(b)"},
    "x = {'k v': a, **b}": {"({**b})", "({'k v': a})"},
    "f(a, b=c)": {"pass", "(f(a))"},
    "raise A('what is wrong')": {"pass"},
    "for a in b:\n    continue": {"(())", "break"},
    "def f():\n    return a": {"(None)"},
    "try:\n    pass\nexcept A:\n    pass": {"(())"},
    "x = any(a for a in b if c)": {"(all)", "(True)", "(())"},
    "a.b = c": {"pass"},
    "a: 'int' = x": set(),
}


@pytest.mark.parametrize("code", GENERATED)
def test_generated_mutants(code):
    found = operators.mutants(code.encode())
    assert {mutant.new for mutant in found} == GENERATED[code]
    assert all(ast.parse(mutant.source(code.encode())) for mutant in found)


def test_generated_mutant_of_several_lines_moves_no_other_line():
    source = b"def f(a):\n    g(\n        a,\n    )\n    return (\n        a\n        and f\n    )\n\n\ndef g(): pass\n"
    for mutant in operators.mutants(source):
        assert ast.parse(mutant.source(source)).body[-1].lineno == 11


SOURCE = b"ONE = 1\nBY = 2 * ONE\n\n\ndef times(a, c=1):\n    return [BY * one * c for one in a]\n"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"* c", b"+ c", [3, 5]),
        (b"BY = 2", b"BY = 3", [3, 6]),
        (b"ONE = 1", b"ONE = 2", None),
        (b"return", b"yield", None),
        (b"c=1", b"c=2", None),
    ],
)
def test_imported_module_gets_the_code_of_a_mutant(tmp_path, old, new, found):
    module = ModuleType("a")
    module.__file__ = str(tmp_path / "a.py")
    exec(compile(SOURCE, module.__file__, "exec"), vars(module))
    times = module.times
    assert swap(live_functions({module.__file__}), module, SOURCE, SOURCE.replace(old, new)) is (found is not None)
    assert times([1, 2]) == (found or [2, 4])


def test_lines_of_the_working_tree_that_have_changed_are_found(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], cwd=tmp_path, check=True)

    monkeypatch.setattr(changed, "CHECKOUT", tmp_path)
    git("init", "-qb", "main")
    assert changed.default_commit() is None
    (tmp_path / "a.py").write_text("1\n2\n3\n")
    git("add", "a.py")
    git("commit", "-qm", "one")
    (tmp_path / "a.py").write_text("1\n22\n3\n4\n5\n")
    assert changed.lines_since("HEAD", "*.py") == {"a.py": {2, 4, 5}}
    git("commit", "-qam", "two")
    assert changed.lines_since(changed.default_commit()) == {"a.py": {2, 4, 5}}
    with pytest.raises(ValueError, match="git knows no commit unknown"):
        changed.lines_since("unknown")


def test_each_file_with_code_has_a_folder_of_tests():
    files = [path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "plugins").rglob("*.py")]
    assert {
        file for file in files if not (CHECKOUT / folder_of(file)).is_dir() and "doc_fragments" not in file
    } == set()


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="Python 3.12 and later record lines")
def test_tests_that_run_a_line_begin_with_those_of_its_file():
    folder, path = "tests/unit/module_utils/_ports", "plugins/module_utils/_ports/command.py"
    names = {name: f"{folder}/{name}" for name in ("test_files.py::a", "test_command.py::b", "test_locks.py::c")}
    first, second, other = names["test_command.py::b"], names["test_files.py::a"], names["test_locks.py::c"]
    reached = Reached(
        lines={first: {path: {1, 2}}, second: {path: {2}}, other: {}}, seconds={first: 9, second: 1, other: 1}
    )
    assert reached.tests_of(path, range(2, 4)) == [first, second]
    assert reached.tests_of(path, range(1, 2)) == [first]
    assert reached.tests_of(path) == [first, second]
