# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task passes no more files and functions than the budget, and the program that counts them finds each of them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from collection_path import CHECKOUT
from gates.budgets import WALK, WALK_SLACK

TASK = {"uri": "test:///default", "name": "test", "allow_restart": True, "_ansible_check_mode": True}
TASKS = {"changed CPU count": {**TASK, "cpus": 3}, "no change": TASK}


def walked(arguments, *options):
    command = [sys.executable, CHECKOUT / "tests/gates/walk.py", *options, json.dumps(arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.parametrize("name", WALK)
def test_task_passes_no_more_than_its_budget(name):
    found = walked(TASKS[name])
    assert (found["changed"], found["failed"]) == (name == "changed CPU count", False)
    for what, most in zip(("files", "functions"), WALK[name], strict=True):
        assert found[what] <= most * WALK_SLACK, f"{what}: see tests/gates/walk.py --list"
        # A budget far above what is passed holds nothing.
        assert found[what] * WALK_SLACK >= most, f"{what}: lower the budget"


def test_functions_are_listed_by_file():
    found = walked({**TASK, "cpus": "many"}, "--list")
    passed = found["passed"]
    assert (found["failed"], found["files"]) == (True, len(passed))
    assert found["calls"] >= found["functions"] == sum(map(len, passed.values())) > 0
    assert {"run_module", "Declaration.argument_spec"} <= set(passed["_front/declaration.py"])
    assert not [name for names in passed.values() for name in names if "<module>" in name or "<lambda>" in name]
