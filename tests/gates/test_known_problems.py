# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that show known problems exist. No timeout is too short on a busy host, in the product or the tests."""

from __future__ import annotations

import ast

import pytest

from platforms.proxmox import known_problems as proxmox
from suite.test_known_problems import SHOWN_BY

PROBLEMS = {**SHOWN_BY, **proxmox.SHOWN_BY}
#: The first call of a fresh daemon takes eight seconds on an idle host.
SHORTEST = 60


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problem_is_shown_by_a_test_that_exists(checkout, problem):
    path, colons, function = PROBLEMS[problem].partition("::")
    assert colons, f"{problem}: a whole file shows nothing; name the test as file::function"
    tree = ast.parse((checkout / path).read_text(encoding="utf-8"))
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert function.startswith("test_")
    assert function in names


def _limits(tree):
    """(line, seconds) of each timeout that is written as a number: as an argument, a default, or a constant."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "timeout":
            yield from _number(node.value)
        elif isinstance(node, ast.FunctionDef):
            named = zip(reversed(node.args.args), reversed(node.args.defaults))
            for argument, default in named:
                if argument.arg == "timeout":
                    yield from _number(default)
        elif isinstance(node, ast.Assign):
            names = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else node.targets
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            for name, value in zip(names, values):
                if getattr(name, "id", "").lstrip("_") in ("TIMEOUT", "SAVE_TIMEOUT", "READ", "CHANGE", "LOOK"):
                    yield from _number(value)


def _number(node):
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield node.lineno, node.value


def test_timeouts_are_long_enough_for_the_start_of_a_daemon(checkout):
    files = [*(checkout / "plugins/module_utils/_tools").glob("*.py"),
             *(checkout / "plugins/module_utils/_drivers").rglob("*.py"),
             checkout / "plugins/module_utils/_ports/command.py"]  # fmt: skip
    found = [(path.name, *limit) for path in files for limit in _limits(ast.parse(path.read_text(encoding="utf-8")))]
    assert {"virsh.py", "command.py"} <= {name for name, _line, _seconds in found}
    assert [limit for limit in found if limit[2] < SHORTEST] == []


def test_every_call_of_virsh_has_an_end(checkout):
    """``None`` would wait for ever; only the copying of images may."""
    for path in (checkout / "plugins/module_utils/_drivers").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "timeout":
                assert not (isinstance(node.value, ast.Constant) and node.value.value is None), path


def test_timeouts_of_the_suite_grow_with_the_load(checkout):
    """A busy host needs longer: ``scaled`` in tests/suite/limits.py."""
    files = [path for folder in ("suite", "platforms") for path in (checkout / "tests" / folder).rglob("*.py")]
    calls = [(path.name, call) for path in files for call in _calls(ast.parse(path.read_text(encoding="utf-8")))]
    timeouts = [(name, call.lineno, one.value) for name, call in calls for one in call.keywords if one.arg == "timeout"]
    assert len(timeouts) > 5
    assert [(name, line) for name, line, value in timeouts if isinstance(value, ast.Constant)] == []


def _calls(tree):
    """The calls of functions of subprocess and requests."""
    for node in ast.walk(tree):
        module = getattr(getattr(getattr(node, "func", None), "value", None), "id", None)
        if isinstance(node, ast.Call) and module in ("subprocess", "requests"):
            yield node
