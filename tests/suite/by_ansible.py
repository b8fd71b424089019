# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks by ``ansible-playbook``: many in one process, which takes longer to start than a task."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from collection_path import collections_path
from suite import warm_ansible
from suite.answer import Answer
from suite.event_lines import read_events
from suite.limits import scaled
from suite.shim import as_calls

_HERE = Path(__file__).resolve().parent
#: Environments with other versions of ansible-core (scripts/lib/environments.sh), and the one of the tests.
CORES = [Path(path) for path in os.environ.get("POLYVIRT_TEST_CORES", "").split(os.pathsep) if path]
CORES.append(Path(sys.executable).parent.parent)
_BELTS = (pytest.mark.full, pytest.mark.deep)
#: The same as parameters of tests: a quick run has the newest one, a full run the oldest one, too.
EACH_CORE = [*(pytest.param(path, marks=belt) for path, belt in zip(CORES[:-1], _BELTS)), CORES[-1]]
#: Modules that serve several platforms: their option ``platform`` is that of a task.
_OF_SEVERAL_PLATFORMS = ("image", "image_info")


def newest_core(shown_by):
    """Parameters: the newest ansible-core, in a deep run the others, too; ``shown_by`` is a test with each of them."""
    return [*(pytest.param(path, marks=pytest.mark.deep(shown_by)) for path in CORES[:-1]), CORES[-1]]


def has_changed(output):
    """Whether the recap of a play counts a change."""
    return bool(re.search(r"changed=[1-9]", output))


def run_for(platform, shim, folder, words):
    """Run ansible-playbook with the programs of a platform: (exit code, whether anything was changed, output)."""
    around = shim.environment(programs=platform.programs)
    done = run_ansible(folder, "ansible-playbook", words, around, cwd=folder)
    output = done.stdout + done.stderr
    return done.returncode, has_changed(output), output


def play(platform, shim, folder, tasks, machines=(), secrets=(), shipped=True, reach=()):
    """Run ``tasks`` in one play and return {label: Answer}; every task runs, even after one that failed.

    Each VM that a task has changed or failed for must be one event of the callback plugin. If ``secrets`` are given,
    Ansible runs with -vvv, and none of them may be in its output, or in an event. ``shipped``: each task has
    its own environment, so Ansible transfers its module; else all modules run in Ansible's process, with the play's
    environment. ``reach``: the connection keywords of the play, if it is not local.
    """
    listed = [_as_task(platform, shim, task, shipped) for task in tasks]
    shim.forget()
    around = {} if shipped else shim.environment(programs=platform.programs)
    words = ["-vvv"] if secrets else []
    with platform.hurried():
        output = run_playbook(platform, folder, listed, machines=machines, words=words, around=around, reach=reach)
    answers = _answers(Path(folder) / "results.jsonl", shim, tasks, output)
    output += _events_of(Path(folder) / "events.jsonl", answers)
    for secret in secrets:
        assert secret not in output, f"a secret is shown: {output[max(0, output.index(secret) - 500) :][:600]}"
    if secrets:
        _assert_shipped(output, len(tasks) if shipped else 0, sum(answer.failed for answer in answers.values()))
    return answers


def _events_of(path, answers):
    """Return the events as a text; they are those of ``answers``: one for each VM that was changed or failed."""
    events = read_events(path)
    found = Counter((one["task"], one["vm"]["name"], one["changed"]) for one in events if one["vm"])
    expected = Counter(
        (label, vm["name"], bool(vm["changed"]))
        for label, answer in answers.items()
        for vm in answer.result.get("vms") or ()
        if vm.get("changed") or vm.get("failed")
    )
    assert found == expected
    return json.dumps(events)


def _assert_shipped(output, least, rejected):
    """With -vvv, Ansible reports each transferred module. Of tasks with wrong parameters, none is transferred."""
    count = output.count("Using module file")
    assert least - rejected <= count <= least, output


def module_of(platform, about):
    """The name of the platform's module ``about`` something; some platforms have another word for a VM."""
    if about in _OF_SEVERAL_PLATFORMS:
        return f"polyvirt.core.{about}"
    return f"{platform.family}_{about.replace('vm', platform.word)}"


def run_playbook(platform, folder, tasks, hosts=("localhost",), machines=(), words=(), around=(), reach=()):
    """The output of ansible-playbook for one play of these tasks, on all hosts at once."""
    results = Path(folder) / "results.jsonl"
    events = Path(folder) / "events.jsonl"
    for written in (results, events):
        written.unlink(missing_ok=True)
    play = {"hosts": "all", "gather_facts": False, "tasks": tasks, **dict(reach)}
    environment = {
        "ANSIBLE_CALLBACK_PLUGINS": str(_HERE / "callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "conformance_results,polyvirt.core.events",
        "POLYVIRT_EVENTS_PATH": str(events),
        **warm_ansible.environment(_HERE.parent),
        "POLYVIRT_RESULTS": str(results),
        "POLYVIRT_TEST_PLATFORM": platform.name,
        "POLYVIRT_PREFIX": platform.prefix,
        "POLYVIRT_MACHINES": json.dumps(list(machines)),
        **dict(around),
    }
    words = ["-i", f"{','.join(hosts)},", "-f", str(len(hosts)), *words]
    output = ansible_playbook(folder, play, words, environment)
    assert "Traceback" not in output, output
    return output


def ansible_playbook(folder, play, words=("-i", "localhost,"), environment=(), programs=None):
    """The output of ansible-playbook for one play, with this checkout as the collection and nothing of the user's."""
    playbook = Path(folder) / "playbook.json"
    playbook.write_text(json.dumps([{"connection": "local", **play}], indent=1), encoding="utf-8")
    completed = run_ansible(folder, "ansible-playbook", [*words, playbook], environment, programs)
    output = completed.stdout + completed.stderr
    assert completed.returncode == 0, output
    return output


def run_ansible(folder, program, words, environment=(), programs=None, cwd=None):
    """Run one of Ansible's programs; ``programs`` is the bin directory of another Python environment."""
    invoked, around = _invocation(folder, program, words, environment, programs)
    if invoked[0].parent == Path(sys.executable).parent:
        invoked = warm_ansible.program(program, *words, environment=around)
    return subprocess.run(
        invoked, cwd=cwd, env=around, capture_output=True, text=True, timeout=scaled(600), check=False
    )


def start_ansible(folder, program, words, environment=(), cwd=None):
    """Start one of Ansible's programs in a process group of its own, and return the process."""
    invoked, around = _invocation(folder, program, words, environment)
    output = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(invoked, cwd=cwd, env=around, start_new_session=True, text=True, **output)


def _invocation(folder, program, words, environment, programs=None):
    """(arguments, environment) of a program."""
    around = {**os.environ, **configured(folder), **dict(environment)}
    return [Path(programs or Path(sys.executable).parent) / program, *words], around


def configured(folder):
    """The environment of Ansible with this checkout as the collection and nothing of the user's."""
    own, shared = Path(folder) / "ansible.cfg", warm_ansible.folder()
    return {
        **warm_ansible.environment(),
        "ANSIBLE_CONFIG": str(own if own.exists() else shared / "empty.cfg"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_HOME": str(shared),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }


def _as_task(platform, shim, task, shipped):
    return {
        "name": task.label,
        module_of(platform, task.about): {**platform.options(task.about), **task.options},
        "check_mode": task.check,
        "diff": True,
        "ignore_errors": True,
        **({"environment": shim.environment(task.label, platform.programs)} if shipped else {}),
    }


def _answers(results, shim, tasks, output):
    calls = shim.calls()
    lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    answers = {}
    for line in map(json.loads, lines):
        label, result = line["task"], line["result"]
        own = [*(call for call in calls if call.label == label), *as_calls(label, line["calls"])]
        answers[label] = Answer(result, int(line["failed"]), line["truth"], own)
    assert set(answers) == {task.label for task in tasks}, output
    return answers


def write(path, text):
    """Write a file of a collection or project, with the directories above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
