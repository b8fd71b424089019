# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role libvirt_host passes all options of networks and pools on, and rejects others before the first change."""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.options import CONNECTION
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.libvirt import network_options, pool_options
from jinja2 import Environment

from collection_path import CHECKOUT

ROLE = CHECKOUT / "roles" / "libvirt_host"


@pytest.mark.parametrize(
    ("kind", "options"), [("network", network_options.OPTIONS), ("pool", pool_options.OPTIONS)], ids=["network", "pool"]
)
def test_all_options_are_passed_on(kind, options):
    known = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))[f"__libvirt_host_{kind}_options"]
    tasks = yaml.safe_load((ROLE / "tasks" / "networks.yml").read_text(encoding="utf-8"))
    (passed,) = [task[f"polyvirt.core.virsh_{kind}"] for task in tasks if f"polyvirt.core.virsh_{kind}" in task]
    assert set(known) == set(passed) == set(options) - set(CONNECTION)
    assert all(f"item.{name}" in text for name, text in passed.items())


@pytest.mark.parametrize(
    ("is_running", "is_check", "expected"),
    [
        (True, False, (True, False)),
        (True, True, (True, False)),
        (False, True, (False, True)),
        (False, False, (True, False)),
    ],
)
def test_networks_are_created_or_only_listed(is_running, is_check, expected):
    """A real run creates them, or fails; check mode lists them if libvirt, which they need, does not run yet."""
    (whole, *_others) = yaml.safe_load((ROLE / "tasks" / "prepare.yml").read_text(encoding="utf-8"))
    conditions = {task["name"]: task.get("when") for task in whole["block"]}
    variables = {
        "libvirt_host_state": "present",
        "libvirt_host_networks": [{"name": "lab"}],
        "libvirt_host_pools": [],
        "ansible_check_mode": is_check,
        "__libvirt_host_done": {"host": {"running": is_running}},
    }
    names = ("Create networks and pools", "Show what check mode cannot see")
    found = tuple(all(Environment().compile_expression(one)(**variables) for one in conditions[name]) for name in names)
    assert found == expected


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"libvirt_host_networks": [{"name": "lab", "adresses": []}]},
            "lab: adresses cannot be set here. Use the options of virsh_network",
        ),
        ({"libvirt_host_pools": [{"path": "/srv"}]}, "libvirt_host_pools[0]: an entry needs a name."),
        ({"libvirt_host_pools": [{"name": None}]}, "libvirt_host_pools[0]: an entry needs a name."),
        ({"libvirt_host_networks": [{"name": "a"}, {"name": "a"}]}, "libvirt_host_networks[1]: a occurs twice."),
        ({"libvirt_host_pools": [{"name": "fast", "state": "absent"}]}, "fast: the role creates it; delete it with"),
        ({"libvirt_host_network": []}, "libvirt_host_networks"),
    ],
)
def test_wrong_entries_are_rejected_before_the_first_change(ansible_playbook, tmp_path, variables, message):
    role = {"name": "polyvirt.core.libvirt_host", "tasks_from": "validate"}
    tasks = [{"ansible.builtin.include_role": role, "vars": variables}]
    playbook = tmp_path / "play.json"
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    code, output = ansible_playbook("-i", "localhost,", str(playbook))
    assert code != 0
    assert message in " ".join(output.split())
