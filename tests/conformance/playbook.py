# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks through real ``ansible-playbook``: many in one process, for a process costs more than a task."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from collection_path import collections_path
from conformance.shim import as_calls

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Task:
    """One task of the platform's module ``about`` something; ``label`` is its name in the results."""

    label: str
    options: dict
    check: bool = False
    about: str = "vm"


@dataclass(frozen=True)
class Answer:
    """What came of a task: the module's word, the backend calls it made, and how the machines stand after it."""

    changed: bool
    failed: bool
    msg: str
    vms: list
    diff: list
    truth: dict
    calls: list = field(default_factory=list)
    result: dict = field(default_factory=dict)

    def vm(self, name):
        return next(vm for vm in self.vms if vm["name"] == name)

    def diff_of(self, name):
        return next((one for one in self.diff if one["before_header"] == name), None)


def play(platform, shim, folder, tasks, machines=()):
    """Run ``tasks`` in one play and return {label: Answer}; every task runs, whatever became of those before it."""
    listed = [_as_task(platform, shim, task) for task in tasks]
    shim.forget()
    output = run_playbook(platform, folder, listed, machines=machines)
    return _answers(Path(folder) / "results.jsonl", shim, tasks, output)


def module_of(platform, about):
    """The name of its module ``about`` something: platforms have words of their own for a machine."""
    return f"{platform.family}_{about.replace('vm', platform.word)}"


def run_playbook(platform, folder, tasks, hosts=("localhost",), machines=()):
    """What ansible-playbook says to a play of these tasks, on all hosts at once."""
    folder = Path(folder)
    playbook, results = folder / "playbook.json", folder / "results.jsonl"
    results.unlink(missing_ok=True)
    document = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    playbook.write_text(json.dumps(document, indent=1), encoding="utf-8")
    program = Path(sys.executable).with_name("ansible-playbook")
    completed = subprocess.run(
        [program, "-i", f"{','.join(hosts)},", "-c", "local", "-f", str(len(hosts)), playbook],
        env=_environment(platform, folder, results, machines),
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    output = completed.stdout + completed.stderr
    assert completed.returncode == 0, output
    assert "Traceback" not in output, output
    return output


def _as_task(platform, shim, task):
    return {
        "name": task.label,
        module_of(platform, task.about): {**platform.options(task.about), **task.options},
        "check_mode": task.check,
        "diff": True,
        "ignore_errors": True,
        "environment": shim.environment(task.label, platform.programs),
    }


def _environment(platform, folder, results, machines):
    return {
        **os.environ,
        "ANSIBLE_CONFIG": str(_empty_file(folder / "ansible.cfg")),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
        "ANSIBLE_CALLBACK_PLUGINS": str(_HERE / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "conformance_results",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(_HERE.parent),
        "POLYVIRT_RESULTS": str(results),
        "POLYVIRT_PLATFORM": platform.name,
        "POLYVIRT_PREFIX": platform.prefix,
        "POLYVIRT_MACHINES": json.dumps(list(machines)),
    }


def _empty_file(path):
    # Newer ansible-core takes nothing but a .cfg for its configuration, so /dev/null will not do.
    path.touch()
    return path


def _answers(results, shim, tasks, output):
    calls = shim.calls()
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    answers = {}
    for line in map(json.loads, lines):
        label, result = line["task"], line["result"]
        answers[label] = Answer(
            changed=result.get("changed", False),
            failed=line["failed"],
            msg=str(result.get("msg", "")),
            vms=result.get("vms", []),
            diff=result.get("diff") or [],
            truth=line["truth"],
            calls=[*(call for call in calls if call.label == label), *as_calls(label, line["noted"])],
            result=result,
        )
    assert set(answers) == {task.label for task in tasks}, output
    return answers
