# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same playbook for every platform, by ansible-playbook; differences are in variables and module_defaults."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.known import PLATFORMS
from suite import front_door
from suite.by_ansible import ansible_playbook
from suite.front_door import INFO, SNAPSHOT, VM
from suite.node_count import nodes_of

pytestmark = pytest.mark.full

WEB, DB = "pvc-front-web", "pvc-front-db"
BOTH = [WEB, DB]
#: One that runs on the controller, one without snapshots, and one on Windows.
FULL = ("libvirt_test", "vmm", "hyperv")
_DEEP = pytest.mark.deep("tests/suite/test_tour.py; the front door only passes tasks on")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]
_TWO = {"name": [WEB], "fleet": "front", "machines": [{"name": DB, "description": "second"}]}
#: (label, module, options, whether in check mode): the playbook.
TASKS = [
    ("foretold", VM, {**_TWO, "state": "started"}, True),
    ("create", VM, {**_TWO, "state": "started"}, False),
    ("again", VM, {**_TWO, "state": "started"}, False),
    ("change", VM, {"name": WEB, "tags": ["changed"]}, False),
    ("stop", VM, {"name": BOTH, "state": "stopped", "stop_mode": "force"}, False),
    ("snapshot", SNAPSHOT, {"name": WEB, "snapshot": "one"}, False),
    ("info", INFO, {"name": BOTH}, False),
    ("wrong option", VM, {"name": WEB, "cpu": 2}, False),
    ("drop", SNAPSHOT, {"name": WEB, "snapshot": "one", "state": "absent"}, False),
    ("prune", VM, {"name": WEB, "fleet": "front", "prune": True, "prune_max": 1, "stop_mode": "force"}, False),
    ("remove", VM, {"name": WEB, "state": "absent", "stop_mode": "force"}, False),
]


def _tasks():
    return [
        {"name": label, module: options, "check_mode": check, "diff": True, "ignore_errors": True}
        for label, module, options, check in TASKS
    ]


@pytest.fixture
def results(platform, shim, tmp_path):
    """{label: (failed, result)} of the playbook."""
    platform.clean()
    shim.forget()
    with front_door.reached(platform) as reach, platform.hurried():
        play = {**reach, "vars": {**reach["vars"], "vm_platform": platform.traits().platform}}
        return front_door.play(
            platform, shim, tmp_path, _tasks(), {**play, "module_defaults": front_door.modules(platform)}
        )


@pytest.mark.core
@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_one_playbook_creates_changes_and_removes_vms(platform, results):
    expected_to_fail = {"wrong option"} | (set() if platform.has_snapshots else {"snapshot", "drop"})
    assert {label for label, (failed, _result) in results.items() if failed} == expected_to_fail, results
    result_of = {label: result for label, (_failed, result) in results.items()}
    changed = {label for label, result in result_of.items() if result.get("changed")}
    assert changed == {"foretold", "create", "change", "stop", "snapshot", "drop", "prune", "remove"} - expected_to_fail
    assert result_of["foretold"]["diff"] == result_of["create"]["diff"]
    assert [(vm["name"], vm["state"], vm["fleet"]) for vm in result_of["create"]["vms"]] == [
        (WEB, RUNNING, "front"),
        (DB, RUNNING, "front"),
    ]
    assert sorted((vm["name"], vm["state"], vm["description"], vm["tags"]) for vm in result_of["info"]["vms"]) == [
        (DB, STOPPED, "second", []),
        (WEB, STOPPED, "", ["changed"]),
    ]
    assert "Use cpus instead." in result_of["wrong option"]["msg"]
    if not platform.has_snapshots:
        assert "not supported on" in result_of["snapshot"]["msg"]
    assert [vm["name"] for vm in result_of["prune"]["vms"]] == [WEB, DB]
    assert len(nodes_of([(module, result_of[label]) for label, module, _options, _check in TASKS])) == 2
    assert platform.truth(BOTH) == {WEB: None, DB: None}


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_vms_of_two_platforms_are_one_task(platform, shim, tmp_path):
    """A task that fails for one VM changes neither, and its result contains both."""
    platform.clean()
    shim.forget()
    other = PLATFORMS["proxmox"](prefix="pvc-")
    machines = [{"name": DB, "platform": "proxmox"}, {"name": WEB}]
    refused = [{"name": DB, "platform": "proxmox", "state": "suspended"}, {"name": WEB}]
    tasks = [
        {"name": "refused", VM: {"state": "started", "machines": refused}},
        {"name": "foretold", VM: {"state": "started", "machines": machines}, "check_mode": True},
        {"name": "create", VM: {"state": "started", "machines": machines}},
        {"name": "again", VM: {"state": "started", "machines": machines}},
        {"name": "remove", VM: {"name": WEB, "state": "absent", "stop_mode": "force", "machines": [machines[0]]}},
    ]
    tasks = [{**task, "ignore_errors": True, "diff": True} for task in tasks]
    with other.kept():
        other.clean()
        play = {
            "vars": {"vm_platform": "libvirt"},
            "module_defaults": {**front_door.modules(platform), **front_door.modules(other)},
        }
        results = front_door.play(platform, shim, tmp_path, tasks, play)
        assert other.truth([DB]) == {DB: None}
    assert platform.truth([WEB]) == {WEB: None}
    assert [failed for failed, _result in results.values()] == [True, False, False, False, False], results
    refused, foretold, create, again, remove = (result for _failed, result in results.values())
    assert (refused["changed"], [vm["state"] for vm in refused["vms"]]) == (False, ["absent", None])
    assert [(vm["name"], vm["platform"], vm["state"]) for vm in create["vms"]] == [
        (DB, "proxmox", RUNNING),
        (WEB, "libvirt", RUNNING),
    ]
    assert foretold["diff"] == create["diff"] != []
    assert [one["changed"] for one in (foretold, create, again, remove)] == [True, True, False, True]


@pytest.mark.parametrize(
    ("options", "variables", "environment"),
    [
        ({"platform": "libvirt"}, {"vm_platform": "vmd"}, "vmd"),
        ({}, {"vm_platform": "libvirt"}, "vmd"),
        ({}, {}, "libvirt"),
        ({}, {"vm_platform": ""}, "libvirt"),
    ],
)
def test_option_beats_the_variable_of_a_host_and_that_the_environment(options, variables, environment, tmp_path):
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({"all": {"hosts": {"web": variables}}}), encoding="utf-8")
    task = {"name": "info", INFO: options, "register": "found"}
    shown = {"ansible.builtin.assert": {"that": "found.vms | map(attribute='platform') | unique == ['libvirt']"}}
    play = {"hosts": "all", "gather_facts": False, "tasks": [task, shown]}
    defaults = {"polyvirt.core.virsh_vm_info": {"uri": "test:///default"}}
    words = ("-i", str(hosts))
    ansible_playbook(tmp_path, {**play, "module_defaults": defaults}, words, {"POLYVIRT_PLATFORM": environment})
