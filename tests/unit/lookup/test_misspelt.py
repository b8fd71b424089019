# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding variables of a host that are misspelt options of a role."""

from __future__ import annotations

import json

import pytest

MISSPELT = [
    ("vm", "vm_memroy", "vm_memory"),
    ("vm", "vm_cpu", "vm_cpus"),
    ("vm", "vm_ssh_key", "vm_ssh_key_file"),
    ("agent", "agent_profle", "agent_profile"),
    ("agent", "agent_variable", "agent_variables"),
    ("guest_image", "guest_image_pth", "guest_image_path"),
]

CORRECT = [
    ("vm", "vm_memory"),
    ("vm", "vm_snapshot_state"),
    ("vm", "vm_result"),
    ("agent", "agent_target"),
    ("agent", "agent_values"),
    ("agent", "agent_port"),
    ("vm", "vm_owner"),
    ("vm", "vm_hostname"),
    ("vm", "vm_ram"),
    ("vm", "__vm_memroy"),
    ("vm", "agent_profle"),
    ("guest_image", "guest_image_result"),
]


@pytest.fixture(name="sentences", scope="module")
def _sentences(ansible_playbook, tmp_path_factory):
    """The results of the lookup for each role and variable, with the variable in ``own`` and without."""
    folder = tmp_path_factory.mktemp("misspelt")
    cases = [tuple(case[:2]) for case in MISSPELT + CORRECT]
    lookup = "query('polyvirt.core.misspelt', role, own=[name] if own else [])"
    hosts = {
        f"{role}-{name}-{own}": {name: "x", "role": role, "name": name, "own": own}
        for role, name in cases
        for own in (False, True)
    }
    found = "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'found'))) | to_json }}"
    tasks = [
        {"ansible.builtin.set_fact": {"found": f"{{{{ {lookup} }}}}"}},
        {"ansible.builtin.copy": {"content": found, "dest": str(folder / "found")}, "run_once": True},
    ]
    play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    (folder / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    code, output = ansible_playbook("-i", folder / "hosts.yml", folder / "play.yml")
    assert code == 0, output
    warned = " ".join(output.split())
    assert "vm_ram is not an option of role polyvirt.core.vm; the option is vm_memory." in warned
    assert "the option is vm_cloud_init" not in warned
    return json.loads((folder / "found").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("role", "name", "nearest"), MISSPELT)
def test_misspelt_variable_is_reported_with_nearest_option(sentences, role, name, nearest):
    assert sentences[f"{role}-{name}-False"] == [
        f"{name} is not an option of role polyvirt.core.{role}; did you mean {nearest}?"
    ]
    assert sentences[f"{role}-{name}-True"] == []


@pytest.mark.parametrize(("role", "name"), CORRECT)
def test_option_fact_or_variable_of_user_is_not_reported(sentences, role, name):
    assert sentences[f"{role}-{name}-False"] == []
