# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup that checks the options of roles outside of these: misspelt names, values, and the rules of a role."""

from __future__ import annotations

import json

import pytest

#: {label: (variables, the problem)}; {{ ... }} is the user's own template.
VALUES = {
    "misspelt": (
        {"vm_memroy": "1G", "vm_platform": "xen"},
        "vm_memroy is not an option of role polyvirt.core.vm; did you mean vm_memory? Correct it, or add",
    ),
    "own name": ({"vm_name": "web", "vm_memroy": "1G", "polyvirt_own_variables": ["vm_memroy"]}, ""),
    "none": ({"vm_name": "web", "vm_state": "{{ 'stopped' }}"}, ""),
    "null": (
        {"vm_name": "web", "vm_state": None},
        "vm_state: it is null. Set one of started, stopped, absent, or leave",
    ),
    "choice": ({"vm_name": "web", "vm_platform": "xen"}, "value of vm_platform must be one of: libvirt, virtualbox"),
    "type": ({"vm_name": "web", "vm_cpus": "{{ 'two' }}"}, "argument 'vm_cpus' is of type"),
    "rule of the role": ({"vm_machines": [{"memory": "1G"}], "vm_name": ""}, "vm_machines has 1 entries"),
    "default": ({"vm_name": "web", "vm_ssh_key_file": "/nowhere/key"}, "the controller has no file /nowhere/key.pub"),
    "name of the controller": ({"vm_name": "localhost"}, "localhost: a host of the inventory with this name would"),
    "address of the controller": (
        {"vm_machines": [{"name": "web"}, {"name": "db", "inventory_name": "127.1"}]},
        "Set vm_inventory_name, or inventory_name of its entry in vm_machines, to another name.",
    ),
    "another name in the inventory": ({"vm_name": "localhost", "vm_inventory_name": "lab-localhost"}, ""),
    "deletion": ({"vm_name": "localhost", "vm_state": "absent"}, ""),
    "two roles": (
        {"vm_name": "", "guest_image_path": "image"},
        "list several VMs in vm_machines, each with a name. guest_image_path is 'image'; set the absolute path",
    ),
}


def _play(folder, label):
    variables, _problem = VALUES[label]
    roles = "'vm', 'guest_image'" if "guest_image_path" in variables else "'vm'"
    found = f"{{{{ lookup('polyvirt.core.option_problems', {roles}) }}}}"
    task = {"ansible.builtin.copy": {"content": found, "dest": str(folder / label)}}
    return {"hosts": "localhost", "gather_facts": False, "connection": "local", "vars": variables, "tasks": [task]}


@pytest.fixture(name="problems", scope="module")
def _problems(ansible_playbook, tmp_path_factory):
    """{label: what the lookup reports}, from one run of ansible-playbook."""
    folder = tmp_path_factory.mktemp("problems")
    (folder / "play.yml").write_text(json.dumps([_play(folder, label) for label in VALUES]), encoding="utf-8")
    code, output = ansible_playbook("-i", "localhost,", folder / "play.yml")
    assert code == 0, output
    return {label: (folder / label).read_text(encoding="utf-8") for label in VALUES}


@pytest.mark.parametrize("label", VALUES)
def test_value_is_checked_outside_of_the_role(problems, label):
    problem, text = VALUES[label][1], problems[label]
    assert (problem in text, text.endswith("Nothing was changed.")) == (True, problem != ""), text
