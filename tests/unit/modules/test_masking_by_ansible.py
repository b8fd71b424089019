# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ansible-playbook`` shows, registers, logs and writes as events of tasks with secrets, with several versions of
ansible-core.

The tasks run in the process of Ansible and as shipped modules. Module ``echo`` of a collection for this test has the
options of the collection's modules, and returns all their values in each part of a result.
"""

from __future__ import annotations

import json
import os
import re
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.callback.events import DOCUMENTATION
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import MASK

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible, write
from suite.event_lines import read_events

#: {secret: option that contains it}. Shown are neither they nor their lines.
SECRETS = [
    "hush-scalar", "hush-nested", "hush-entry", "hush-document", "hush-line 1", "hush-line 2", "hush-chpasswd",
    "98765432", "hush-text", "hush-url", "hush-environment", 'hush-"quoted" \\ one', "hush-misspelt",
]  # fmt: skip
#: Words beside them, which every output shows.
WORDS = ["web1", "db1", "2G", "512M", "777", "admin", "/srv/images", "3128", "proxy1", "plain-value"]
CLOUD_INIT = {
    "user": "admin",
    "password": "hush-nested",
    "user_data": {
        "token": "hush-document",
        "pin": 777,
        "passphrase": 98765432,
        "short_token": "xy1",
        "ssh_keys": {"rsa_private": "hush-line 1\nhush-line 2\n"},
        "chpasswd": {"expire": False, "list": "root:hush-chpasswd\nadmin:R\n"},
        "users": [{"name": "admin", "passwd": 'hush-"quoted" \\ one', "lock_passwd": False}],
        "swap": {"size": "2G"},
    },
}
ARGUMENTS = {
    "name": "web1",
    "memory": "2G",
    "description": "of admin, /srv/images, port 3128, proxy1, 512M",
    "api_password": "hush-scalar",
    "cloud_init": CLOUD_INIT,
    "environment": {"TOKEN": "hush-environment", "PROXY": "http://me:hush-url@proxy1:3128", "PLAIN": "plain-value"},
    "machines": [
        {
            "name": "db1",
            "memory": "512M",
            "api_password": "hush-entry",
            "cloud_init": {"user_data": "password: hush-text"},
        }
    ],
}
#: How tasks end, and which options lead to that: with a result, an error, and a bug.
ENDS = {"done": {}, "failed": {"state": "absent"}, "crashed": {"state": "stopped"}}
#: Options that are not valid. For the same message everywhere, the module is always shipped.
NOT_VALID = {
    "choice": {"state": "hush-scalar"},
    "unknown": {"api_pasword": "hush-misspelt"},
    "conversion": {"cpus": "hush-nested"},
}
WAYS = {"in_process": ENDS, "shipped": {**ENDS, **NOT_VALID}}

MODULE = """
DOCUMENTATION = '''
module: echo
short_description: Returns its options
author: polyvirt contributors
description: Returns its options.
options: {}
'''
from ansible_collections.polyvirt.core.plugins.module_utils._front.declaration import Declaration, run_module
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM, Option


def words(value):
    if isinstance(value, dict):
        return [word for part in value.values() for word in words(part)]
    if isinstance(value, (list, tuple)):
        return [word for part in value for word in words(part)]
    return [value]


def answer(params, check):
    given = {name: params[name] for name in GIVEN}
    said = " ".join(map(str, words(given)))
    if params["state"] == "absent":
        raise Refused("refused: " + said, repr(given))
    if params["state"] == "stopped":
        raise ValueError(said)
    return {
        "changed": True,
        "msg": said,
        "warnings": ["warned: " + said],
        "diff": [{"before_header": "web1", "before": {"one": words(given)}, "after": {"other": said}}],
        "vms": [{**VM_ENTRY, "memory": "2G", "words": words(given), "said": repr(given), "msg": said}],
    }


VM_ENTRY = {"name": "web1", "state": "running", "changed": True}
GIVEN = ("name", "memory", "description", "api_password", "cloud_init", "environment", "machines")
OWN = {"api_password": Option(secret=True), "environment": Option("dict", secret=True)}
MODULE = Declaration({**VM, **OWN}, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
"""
ACTION = """
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.in_process import InProcess
from ansible_collections.test.masking.plugins.modules.echo import MODULE


class ActionModule(InProcess):
    module = MODULE
"""
#: The callback plugin as it is, but for the modules of the test.
EVENTS = """
DOCUMENTATION = {documentation!r}
from ansible_collections.polyvirt.core.plugins.callback.events import CallbackModule as Events


class CallbackModule(Events):
    MODULES = "test.masking."
"""
#: The log of the system, as a file. Python imports this file when it starts.
SYSTEM_LOG = """
import os
import syslog


def write(*words):
    with open(os.environ["POLYVIRT_TEST_LOG"], "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


syslog.syslog = write
"""


@pytest.fixture(scope="module", params=EACH_CORE, ids=lambda path: path.name)
def run(request, tmp_path_factory):
    """One run of all tasks: its ``output``, what it ``registered`` ({name: result}), and the ``log`` of the system."""
    folder = tmp_path_factory.mktemp("masking")
    write(folder / "ansible_collections/test/masking/plugins/modules/echo.py", MODULE)
    write(folder / "ansible_collections/test/masking/plugins/action/echo.py", ACTION)
    plugins = folder / "ansible_collections/test/masking/plugins"
    write(plugins / "callback/events.py", EVENTS.format(documentation=DOCUMENTATION))
    write(folder / "site/sitecustomize.py", SYSTEM_LOG)
    write(folder / "playbook.json", json.dumps([_play(folder)]))
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": str(request.param / "bin/python"),
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}{os.pathsep}{collections_path()}",
        "ANSIBLE_LOG_PATH": str(folder / "ansible.log"),
        "ANSIBLE_INJECT_INVOCATION": "true",
        "ANSIBLE_CALLBACKS_ENABLED": "test.masking.events",
        "POLYVIRT_EVENTS_PATH": str(folder / "events.jsonl"),
    }
    words = ["-i", "localhost,", "-vvv", folder / "playbook.json"]
    done = run_ansible(folder, "ansible-playbook", words, environment, request.param / "bin")
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    registered = json.loads((folder / "registered.json").read_text(encoding="utf-8"))
    return SimpleNamespace(
        output=output,
        registered=registered,
        ansible=(folder / "ansible.log").read_text(encoding="utf-8"),
        system=(folder / "system.log").read_text(encoding="utf-8"),
        events=read_events(folder / "events.jsonl"),
    )


def _play(folder):
    environment = {"PYTHONPATH": f"{folder}/site", "POLYVIRT_TEST_LOG": f"{folder}/system.log"}
    tasks = []
    for way, ends in WAYS.items():
        for end, different in ends.items():
            task = {"test.masking.echo": {**ARGUMENTS, **different}, "name": f"{way} {end}", "register": f"{way}_{end}"}
            keywords = {"environment": environment} if way == "shipped" else {}
            tasks.append({**task, **keywords, "diff": True, "ignore_errors": True})
    # A role checks its variables by an argument spec, as a module does.
    role = {"name": "polyvirt.core.vm", "tasks_from": "describe"}
    options = {"api_password": "hush-scalar"}
    variables = {"vm_name": "web1", "vm_user_data": CLOUD_INIT["user_data"], "vm_module_options": options}
    described = {"name": "a role", "ansible.builtin.include_role": role, "vars": variables}
    names = [task["register"] for task in tasks]
    registered = "{{ {" + ", ".join(f"'{name}': {name}" for name in names) + "} | to_json }}"
    tasks += [
        described,
        {"name": "a later task", "ansible.builtin.debug": {"msg": f"later: {' '.join(WORDS)}"}},
        # The only task with no_log: its content is what was registered, as it is.
        {"ansible.builtin.copy": {"content": registered, "dest": f"{folder}/registered.json"}, "no_log": True},
    ]
    return {"hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks}


@pytest.mark.parametrize("where", ["output", "registered", "ansible", "system", "events"])
def test_no_secret_is_shown_registered_or_logged(run, where):
    text = str(getattr(run, where))
    # As it is, and as it would be in JSON and in Python, also twice.
    forms = {form for one in SECRETS for form in (one, json.dumps(one)[1:-1], repr(one)[1:-1])}
    forms |= {repr(form)[1:-1] for form in forms}
    assert [form for form in sorted(forms) if form in text] == []


def test_each_task_of_a_module_is_an_event(run):
    expected = [(f"{way} {end}", "vm.changed" if end == "done" else "failed") for way in WAYS for end in WAYS[way]]
    assert [(one["task"], one["event"]) for one in run.events] == expected
    (done,) = [one for one in run.events if one["task"] == "shipped done"]
    assert done["vm"]["name"] == "web1"
    assert all(word in json.dumps([done["diff"], done["message"]]) for word in WORDS)


def test_nothing_else_is_masked_in_this_or_a_later_task(run):
    assert f"later: {' '.join(WORDS)}" in run.output
    assert "web1" in run.system
    for way in WAYS:
        for end in ENDS:
            text = json.dumps(run.registered[f"{way}_{end}"])
            assert [word for word in WORDS if word not in text] == [], (way, end)
        (vm,) = run.registered[f"{way}_done"]["vms"]
        assert (vm["name"], vm["memory"]) == ("web1", "2G")
        # Short secrets are masked where they are whole values, and not within words.
        assert "xy1" not in vm["words"]
        assert "proxy1" in vm["said"]


def test_invocation_shows_all_options_that_are_no_secrets(run):
    shown = [text[: text.index('"prune"')] for text in run.output.split('"module_args": {')[1:]]
    assert len(shown) >= sum(map(len, WAYS.values()))
    for text in shown:
        (machines,) = re.findall(r'"machines": \[(.*?)\n\s*\]', text, re.DOTALL)
        expected = {"name": "db1", "memory": "512M", "api_password": MASK}
        assert all(f'"{name}": "{value}"' in machines for name, value in expected.items()), machines


def test_results_are_the_same_in_process_and_shipped(run):
    # "warnings" also has those of Ansible.
    for end in ("done", "failed"):
        first, second = (run.registered[f"{way}_{end}"] for way in ("in_process", "shipped"))
        keys = ("changed", "failed", "msg", "diff", "vms")
        assert [first.get(key) for key in keys] == [second.get(key) for key in keys]


def test_errors_about_options_are_readable(run):
    assert "value of state must be one of: present, started" in run.registered["shipped_choice"]["msg"]
    assert "api_pasword" in run.registered["shipped_unknown"]["msg"]
    assert "unable to convert to int" in run.registered["shipped_conversion"]["msg"]


def test_ansible_reports_no_deprecated_function(run):
    assert "deprecat" not in run.output.lower()
    assert not any(result.get("deprecations") for result in run.registered.values())
