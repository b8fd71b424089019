# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that share an action plugin (meta/runtime.yml) are still separate modules, with several versions of Ansible.

The tasks run ``vmm_marked_lines``, which works on any host, and has the action plugin of ``virsh_vm_info``.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible
from suite.event_lines import read_events

SHORT = "vmm_marked_lines"
FULL = f"polyvirt.core.{SHORT}"
#: Of the play. The defaults of the module with the action plugin are not those of others.
DEFAULTS = {"group/polyvirt.core.all": {"mode": "0640"}, "polyvirt.core.virsh_vm_info": {"no_such_option": True}}
GROUP = "group/polyvirt.core.vmd"
#: {what a task has: (its keywords, the mode of the file that it creates)}
TASKS = {
    "full name": ({FULL: {}}, "0640"),
    "short name": ({SHORT: {}}, "0640"),
    "own option": ({FULL: {"mode": "0600"}}, "0600"),
    "default of the module": ({FULL: {}, "module_defaults": {FULL: {"mode": "0604"}}}, "0604"),
    "default of the module by its short name": ({SHORT: {}, "module_defaults": {FULL: {"mode": "0604"}}}, "0604"),
    "default of the platform": ({FULL: {}, "module_defaults": {GROUP: {"mode": "0606"}}}, "0606"),
    "action": ({"action": {"module": FULL}}, "0640"),
    "action with a short name": ({"action": {"module": SHORT}}, "0640"),
    "action from a variable": ({"action": {"module": "{{ module }}"}}, "0640"),
    "local_action": ({"local_action": {"module": FULL}}, "0640"),
    "delegated": ({FULL: {}, "delegate_to": "other"}, "0640"),
    "asynchronous": ({FULL: {}, "async": 60, "poll": 1}, "0640"),
    "environment": ({FULL: {}, "environment": {"ANY": "thing"}}, "0640"),
}
#: Those whose module does not run in the process of Ansible.
SHIPPED = ("asynchronous", "environment")


def _task(name, keywords, path):
    """The task ``name``, with the path of its file."""
    given = {"path": str(path), "name": "host", "lines": ["line"]}
    asked = {
        key: {**value, **given} if key in (FULL, SHORT, "action", "local_action") else value
        for key, value in keywords.items()
    }
    if "local_action" in asked or "action" in asked:
        # The option ``name`` of the module is an argument here.
        key = next(key for key in ("local_action", "action") if key in asked)
        asked = {**asked, key: {"module": keywords[key]["module"]}, "args": given}
    return {**asked, "register": "found", "ignore_errors": True}


def _play(folder):
    tasks = []
    for number, (name, (keywords, _mode)) in enumerate(TASKS.items()):
        tasks += [_task(name, keywords, folder / f"{number}"), _kept(folder, number)]
    wrong = {FULL: {"path": "/x", "name": "host", "no_such_option": 1}, "register": "found", "ignore_errors": True}
    return {
        **{"hosts": "localhost", "gather_facts": False, "collections": ["polyvirt.core"], "vars": {"module": FULL}},
        **{"module_defaults": DEFAULTS, "tasks": [*tasks, wrong, _kept(folder, "wrong")]},
    }


def _kept(folder, name):
    content = "{{ found | to_json }}"
    return {"ansible.builtin.copy": {"dest": str(folder / f"{name}.json"), "content": content}}


@pytest.mark.parametrize("core", EACH_CORE, ids=lambda path: path.name)
def test_routed_module_is_a_module_of_its_own(core, tmp_path):
    (tmp_path / "playbook.json").write_text(json.dumps([_play(tmp_path)]), encoding="utf-8")
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": str(core / "bin/python"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
        "ANSIBLE_CALLBACKS_ENABLED": "polyvirt.core.events",
        "POLYVIRT_EVENTS_PATH": str(tmp_path / "events.jsonl"),
    }
    words = ["-vvv", "-c", "local", "-i", "localhost,other,", tmp_path / "playbook.json"]
    done = run_ansible(tmp_path, "ansible-playbook", words, environment, core / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    results = {name: _result(tmp_path, number) for number, name in enumerate(TASKS)}
    modes = {name: f"{Path(tmp_path / str(number)).stat().st_mode & 0o777:04o}" for number, name in enumerate(TASKS)}
    assert {name: one["changed"] for name, one in results.items()} == dict.fromkeys(TASKS, True)
    assert modes == {name: mode for name, (_keywords, mode) in TASKS.items()}
    assert done.stdout.count(f"Using module file {collections_path()}") == len(SHIPPED), done.stdout
    modules = [one["module"] for one in read_events(tmp_path / "events.jsonl")]
    assert modules == [SHORT] * (len(TASKS) + 1)
    wrong = _result(tmp_path, "wrong")["msg"]
    assert wrong.startswith(f"Unsupported parameters for ({FULL}) module: no_such_option. Supported parameters include")


def _result(folder, name):
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
