# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that an inventory plugin runs, with several versions of ansible-core: result, connection, and no callbacks.

An inventory plugin of this test runs one task on each of its hosts, as ``polyvirt.core.vms`` does.
"""

from __future__ import annotations

import json

import pytest

from suite.by_ansible import EACH_CORE, run_ansible

PLUGIN = r"""
import json
from functools import partial
from pathlib import Path

from ansible.plugins.inventory import BaseInventoryPlugin
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.child_processes import answers
from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.one_task import run_task

try:
    from ansible.template import trust_as_template
except ImportError:  # Before ansible-core 2.19, every text is a template.
    trust_as_template = str

# As in a file of the user.
TEMPLATE = trust_as_template("{{ 3 + 3 }}")
OTHER = "#jinja2: variable_start_string:'<<', variable_end_string:'>>'\n<< 2 + 2 >>"
TASKS = {
    "near": ("ansible.builtin.command", {"cmd": "echo done"}, 60),
    "broken": ("ansible.builtin.fail", {"msg": "it broke"}, 60),
    "far": ("ansible.builtin.ping", {}, 60),
    "slow": ("ansible.builtin.command", {"cmd": "sleep 60"}, 2),
    "named": ("ansible.builtin.debug", {"msg": ["{{ 1 + 1 }}", {"name": OTHER, "secret": TEMPLATE}]}, 60),
}
OPTIONS = {"secret": TEMPLATE}


class InventoryModule(BaseInventoryPlugin):
    NAME = "tasks"

    def verify_file(self, path):
        return path.endswith("hosts.tasks")

    def parse(self, inventory, loader, path, cache=True):
        super().parse(inventory, loader, path, cache)
        for name in TASKS:
            inventory.add_host(name, group=inventory.add_group("of_" + name))
        runs = [partial(run_task, loader, inventory, path, host, *task, OPTIONS) for host, task in TASKS.items()]
        found = answers(runs, [120] * len(runs))
        found = {host: answer.value or {"problem": answer.problem} for host, answer in zip(TASKS, found)}
        Path(path).with_name("answers.json").write_text(json.dumps(found))
"""
CALLBACK = """
import os

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_TYPE, CALLBACK_NAME = "notification", "noisy"

    def v2_playbook_on_task_start(self, task, is_conditional):
        with open(os.environ["POLYVIRT_TEST_LOG"], "a") as file:
            file.write(task.get_name() + "\\n")
"""
#: They are read through the inventory file, next to which they are.
VARIABLES = {
    "host_vars/near": {"address": "192.0.2.7", "ansible_host": "{{ address }}", "ansible_connection": "local"},
    "host_vars/broken": {"ansible_connection": "local"},
    "host_vars/named": {"ansible_connection": "local"},
    "group_vars/of_slow": {"ansible_connection": "local"},
    "host_vars/far": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1},
}
TASK = {"name": "the user's task", "ansible.builtin.debug": {}}
PLAY = {"hosts": "near", "gather_facts": False, "tasks": [TASK]}


@pytest.fixture(scope="module", params=EACH_CORE, ids=lambda path: path.name)
def run(request, tmp_path_factory):
    """({host: answer}, output, names of the tasks for which a callback plugin of the user was called)."""
    folder = tmp_path_factory.mktemp("tasks")
    written = {f"{name}.json": json.dumps(one) for name, one in VARIABLES.items()}
    written |= {"plugins/tasks.py": PLUGIN, "callbacks/noisy.py": CALLBACK, "hosts.tasks": ""}
    for name, text in {**written, "playbook.json": json.dumps([PLAY])}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    environment = {
        "ANSIBLE_INVENTORY_PLUGINS": str(folder / "plugins"),
        "ANSIBLE_INVENTORY_ENABLED": "tasks",
        "ANSIBLE_CALLBACK_PLUGINS": str(folder / "callbacks"),
        "ANSIBLE_PYTHON_INTERPRETER": str(request.param / "bin/python"),
        "POLYVIRT_TEST_LOG": str(folder / "log"),
    }
    # In check mode, which is for the hosts of the play: the task of the inventory runs as always.
    words = ["-i", folder / "hosts.tasks", "--check", folder / "playbook.json"]
    done = run_ansible(folder, "ansible-playbook", words, environment, request.param / "bin")
    assert done.returncode == 0, done.stdout + done.stderr
    return (
        json.loads((folder / "answers.json").read_text()),
        done.stdout + done.stderr,
        (folder / "log").read_text().splitlines(),
    )


def test_result_and_connection_are_returned(run):
    near = run[0]["near"]
    assert (near["result"]["stdout"], near["result"]["rc"]) == ("done", 0)
    assert near["reached_by"] == {"ansible_connection": "local", "ansible_host": "192.0.2.7"}


def test_only_options_of_the_source_are_templates(run):
    """All other texts come from VMs: their names, and those of their snapshots and backups."""
    message, named = run[0]["named"]["result"]["msg"]
    assert (message, named["name"].partition("\n")[2], str(named["secret"])) == ("{{ 1 + 1 }}", "<< 2 + 2 >>", "6")


def test_failed_task_has_the_message_of_its_module_or_connection(run):
    problems = {name: run[0][name]["problem"] for name in ("broken", "far", "slow")}
    assert problems["broken"] == "it broke"
    # ssh may end before or after Ansible has sent it something.
    assert "port 1: Connection refused" in problems["far"] or "Broken pipe" in problems["far"]
    # The second is the text of ansible-core 2.16.
    assert problems["slow"] == "No answer within 2 s." or "in the expected time frame (2)" in problems["slow"]


def test_callbacks_report_only_the_tasks_of_the_user(run):
    _answers, output, noted = run
    assert noted == [TASK["name"]]
    assert output.count("TASK [") == 1
    assert "deprecat" not in output.lower()
