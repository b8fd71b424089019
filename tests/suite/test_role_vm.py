# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm on every platform: several VMs in one task, their snapshots, and features that a platform does not have."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from platforms.known import PLATFORMS
from platforms.windows.winrm_server import WinRMServer, through
from suite.by_ansible import run_playbook

WEB, DB = "pvc-role-web", "pvc-role-db"
BOTH = [WEB, DB]
#: One without snapshots, and one on Windows; the scenarios of molecule use libvirt.
FULL = ("vmm", "hyperv")
_DEEP = pytest.mark.deep("tests/suite/test_front_door.py; the role only passes its variables on")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]
_TWO = [{"name": WEB, "groups": ["web"]}, {"name": DB, "description": "second"}]
_GONE = {"vm_machines": [{"name": name} for name in BOTH], "vm_state": "absent"}
#: (label, entry point, variables, whether in check mode): the playbook.
STEPS = [
    ("foretold", "main", {"vm_machines": _TWO, "vm_state": "started"}, True),
    ("create", "main", {"vm_machines": _TWO, "vm_state": "started"}, False),
    ("again", "main", {"vm_machines": _TWO, "vm_state": "started"}, False),
    ("two ways to name", "main", {"vm_machines": _TWO, "vm_name": WEB}, False),
    ("stop", "main", {"vm_name": WEB, "vm_state": "stopped"}, False),
    ("snapshot", "snapshot", {"vm_name": WEB, "vm_snapshot": "one"}, False),
    ("drop", "snapshot", {"vm_name": WEB, "vm_snapshot": "one", "vm_snapshot_state": "absent"}, False),
    ("remove", "main", _GONE, False),
]
_SNAPSHOTS = {"snapshot", "drop"}


def _tasks():
    return [task for step in STEPS for task in _step(*step)]


def _step(label, entry, variables, is_check):
    role = {"name": "polyvirt.core.vm", "tasks_from": entry, "apply": {"check_mode": is_check}}
    included = {"name": "include", "ansible.builtin.include_role": role, "vars": variables}
    result = "{{ {'vms': vm_results | default([]), 'hosts': vm_hosts | default({})} }}"
    output = {"name": label, "ansible.builtin.debug": {"msg": result if entry == "main" else "done"}}
    error = {"name": f"{label}: failed", "ansible.builtin.debug": {"msg": "{{ ansible_failed_result.msg }}"}}
    return [{"block": [included, output], "rescue": [error]}]


@contextmanager
def inventory_of(platform, folder, **groups):
    """An inventory with the host of the platform; it is this one, unless the platform runs on Windows."""
    path = folder / "inventory.json"

    def written(**variables):
        hosts = {"hosts": {"hypervisor": variables}, "children": groups}
        path.write_text(json.dumps({"all": hosts}), encoding="utf-8")
        return path

    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is None:
        yield written(ansible_connection="local")
        return
    with WinRMServer(through(windows)) as server:
        yield written(**server.variables)


def _variables(platform, folder):
    options = {**platform.options("vm"), **platform.creation, "wait_for": "state"}
    known = str(folder / "known_hosts")
    common = {"vm_module_options": options, "vm_stop_mode": "force", "vm_known_hosts_folder": known}
    return {"vm_platform": platform.traits().platform, **common}


@pytest.fixture
def results(platform, shim, tmp_path):
    """({label: what its debug task shows}, {label: error}, calls of the role's module) of the playbook."""
    platform.clean()
    shim.forget()
    with inventory_of(platform, tmp_path) as inventory, platform.hurried():
        play = {"vars": _variables(platform, tmp_path), "connection": "ssh"}
        around, words = shim.environment(programs=platform.programs), ["-i", inventory]
        run_playbook(platform, tmp_path, _tasks(), hosts=("hypervisor",), words=words, around=around, reach=play)
    lines = list(map(json.loads, (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()))
    shown = {line["task"]: line["result"]["msg"] for line in lines if "msg" in line["result"]}
    errors = {label.removesuffix(": failed"): text for label, text in shown.items() if label.endswith(": failed")}
    calls = [line for line in lines if "Call the module of the platform" in line["task"]]
    return {label: result for label, result in shown.items() if label in {one[0] for one in STEPS}}, errors, calls


@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_role_creates_snapshots_and_removes_vms(platform, results):
    result_of, errors, calls = results
    assert set(errors) == {"two ways to name"} | (set() if platform.has_snapshots else _SNAPSHOTS), errors
    assert "Set vm_name, or list several VMs in vm_machines" in errors["two ways to name"]
    assert all("not supported on" in errors[label] for label in _SNAPSHOTS & set(errors))
    changed = {
        label: [vm["changed"] for vm in result_of[label]["vms"]] for label in result_of if label not in _SNAPSHOTS
    }
    assert changed == {
        "foretold": [True, True],
        "create": [True, True],
        "again": [False, False],
        "stop": [True],
        "remove": [True, True],
    }
    created = result_of["create"]["vms"]
    assert [(vm["name"], vm["state"], vm["description"]) for vm in created] == [
        (WEB, RUNNING, ""),
        (DB, RUNNING, "second"),
    ]
    assert result_of["foretold"]["hosts"] == {}
    reachable = {vm["name"]: vm["ssh"]["host"] for vm in created if vm["ssh"]}
    assert {name: host["ansible_host"] for name, host in result_of["create"]["hosts"].items()} == reachable
    # Several VMs are one call of the module; the step that is rejected calls none.
    assert len(calls) == len(STEPS) - 1
    assert platform.truth(BOTH) == {WEB: None, DB: None}
