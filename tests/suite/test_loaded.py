# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task without changes loads while it runs: imports in functions, which no list of imports shows."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from collection_path import collections_path
from suite.answer import Task
from suite.by_ansible import module_of

#: Runs a module as its action plugin does, and prints its result, and what was loaded since the module was imported.
_RUN = """\
import importlib, json, sys
from types import SimpleNamespace
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
module, given = json.load(sys.stdin)
MODULE = importlib.import_module(f"ansible_collections.polyvirt.core.plugins.modules.{module}").MODULE
params = ArgumentSpecValidator(MODULE.argument_spec).validate(given)
before = set(sys.modules)
result = MODULE.result(params.validated_parameters, SimpleNamespace(check_mode=False))
own = sorted(name.partition(".plugins.")[2] for name in sys.modules.keys() - before if ".polyvirt." in name)
print(json.dumps([params.error_messages, result, own]))
"""


@pytest.mark.core
def test_task_without_changes_loads_nothing_more(platform, carry, shim):
    if platform.family.rpartition(".")[2] in ("hyperv", "wsl"):
        pytest.skip("the action plugins of Windows hosts run the module once for each of their calls")
    names = [f"pvc-loaded-{number}" for number in range(2)]
    platform.clean()
    made = carry(platform, [Task("make", {**platform.creation, "name": names})])["make"]
    assert not made.failed, made.msg
    given = {**platform.options("vm"), "name": names, "state": "present"}
    environment = {**os.environ, **shim.environment(programs=platform.programs), "PYTHONPATH": str(collections_path())}
    task = json.dumps([module_of(platform, "vm").rpartition(".")[2], given])
    done = subprocess.run(
        [sys.executable, "-c", _RUN], input=task, capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    errors, result, loaded = json.loads(done.stdout.splitlines()[-1])
    assert (errors, result.get("failed"), result["changed"]) == ([], None, False), result
    assert loaded == []
