# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task with prune is about the whole fleet: in a loop, each item would delete the VMs of all others."""

from __future__ import annotations

import json

import pytest

from collection_path import collections_path
from suite.by_ansible import EACH_CORE, run_ansible

NAMES = ["a", "b"]
TASK = {"name": "{{ item | default('a') }}", "uri": "test:///default", "fleet": "f", "prune": True, "disks": []}
LOOP, HERE = {"loop": NAMES}, {"delegate_to": "localhost"}
EACH = {"delegate_to": "{{ inventory_hostname }}"}


@pytest.mark.parametrize("core", EACH_CORE, ids=lambda path: path.name)
def test_fleet_is_pruned_once(core, tmp_path):
    own = {**TASK, "uri": f"test://{tmp_path}/host.xml"}
    (tmp_path / "host.xml").write_text("<node/>", encoding="utf-8")
    asked = {"polyvirt.core.virsh_vm": own}
    any_platform = {
        "polyvirt.core.vm": {**{key: own[key] for key in own if key != "uri"}, "options": {"uri": own["uri"]}}
    }
    cases = {
        "loop": {**asked, **LOOP},
        "loop of vm": {**any_platform, **LOOP},
        "with_items": {**asked, "with_items": NAMES},
        "one host for all": {**asked, **HERE},
        "once": {**asked, **HERE, "run_once": True},
        "each its own": {**asked, **EACH},
        "no prune": {"polyvirt.core.virsh_vm": {**own, "prune": False}, **LOOP},
    }
    tasks = [{"name": name, **case, "ignore_errors": True, "check_mode": True} for name, case in cases.items()]
    play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
    (tmp_path / "playbook.json").write_text(json.dumps([play]), encoding="utf-8")
    environment = {
        "ANSIBLE_PYTHON_INTERPRETER": str(core / "bin/python"),
        "ANSIBLE_COLLECTIONS_PATH": str(collections_path()),
    }
    done = run_ansible(
        tmp_path, "ansible-playbook", ["-i", "h1,h2,", tmp_path / "playbook.json"], environment, core / "bin"
    )
    output = " ".join(done.stdout.split())
    found = {part.partition("]")[0]: "would be deleted. List all VMs" in part for part in output.split("TASK [")[1:]}
    rejected = {"loop", "loop of vm", "with_items", "one host for all"}
    assert found == {name: name in rejected for name in cases}, done.stdout
