# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which setting makes Ansible stop if a required source does not answer: each cell of the table in docs/awx.md."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from collection_path import CHECKOUT
from suite import warm_ansible

#: Programs of Ansible take seconds each.
_ROW = re.compile(r"^\| (`ansible-playbook`|`ansible-inventory`|AWX import) \| (.*) \| (.*) \| (.*) \|$", re.MULTILINE)
ROWS = _ROW.findall((CHECKOUT / "docs/awx.md").read_text(encoding="utf-8"))
#: How AWX runs ansible-inventory for an inventory source of a project.
_OF_AWX = {
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True",
    "ANSIBLE_INVENTORY_EXPORT": "True",
    "ANSIBLE_VERBOSE_TO_STDERR": "True",
    "ANSIBLE_HOST_PATTERN_MISMATCH": "error",
}
#: (Ansible ends with 0, hosts that it knows) for the words of the table.
_ENDS = {
    "stops": (False, set()),
    "continues without hosts": (True, set()),
    "continues with the other hosts": (True, {"other"}),
}
_DEAD = {"platform": "virtualbox", "required": True, "options": {"executable": "/nowhere/VBoxManage"}}


def _words(command, source, folder):
    if command == "AWX import":
        return ["ansible-inventory", "--list", "--export", "-i", source, "--playbook-dir", folder]
    if command == "`ansible-inventory`":
        return ["ansible-inventory", "--list", "-i", source]
    playbook, task = folder / "play.json", {"ansible.builtin.debug": {"msg": "host {{ inventory_hostname }}"}}
    playbook.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]), encoding="utf-8")
    return ["ansible-playbook", "-i", source, playbook]


def _known(command, output):
    if command == "`ansible-playbook`":
        return set(re.findall(r'"msg": "host (\S+)"', output))
    return set(json.loads(output)["_meta"]["hostvars"]) if output.strip() else set()


def test_the_table_has_all_commands():
    assert [len([row for row in ROWS if command in row[0]]) for command in ("-playbook", "-inventory", "AWX")] == [
        3,
        3,
        2,
    ]


@pytest.mark.parametrize("inventory", ["file", "directory"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0].strip('`')}, {row[1].strip('`')}")
def test_required_source_that_does_not_answer(ansible_environment, tmp_path, row, inventory):
    command, setting, *cells = row
    folder = tmp_path / "inventory"
    folder.mkdir()
    file = folder / "vms.polyvirt.yml"
    file.write_text(yaml.safe_dump({"plugin": "polyvirt.core.vms", "sources": [_DEAD]}), encoding="utf-8")
    variables = {"other": {"polyvirt_other": True}}
    (folder / "other.yml").write_text(yaml.safe_dump({"all": {"hosts": variables}}), encoding="utf-8")
    environment = {**ansible_environment, **(_OF_AWX if command == "AWX import" else {})}
    if setting != "none":
        environment.update([setting.strip("`").split("=")])
    words = _words(command, file if inventory == "file" else folder, tmp_path)
    command_line = warm_ansible.program(*words, environment=environment)
    done = subprocess.run(command_line, env=environment, capture_output=True, text=True, check=False)
    continues, hosts = _ENDS[cells[0] if inventory == "file" else cells[1]]
    known = _known(command, done.stdout) if done.returncode == 0 else set()
    assert (done.returncode == 0, known) == (continues, hosts), done.stdout + done.stderr
    assert "/nowhere/VBoxManage" in done.stderr + done.stdout
