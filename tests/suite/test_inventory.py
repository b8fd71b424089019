# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of VMs by ansible-inventory on every platform; and a play that connects to a guest with it."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from platforms.known import PLATFORMS
from platforms.windows.winrm_server import WinRMServer, through
from suite.answer import Task
from suite.by_ansible import ansible_playbook, run_ansible
from suite.limits import scaled
from suite.sshd import sshd

pytestmark = pytest.mark.full

WEB, DB, GUEST = "pvc-listed-web", "pvc-listed-db", "pvg-listed"
#: One that runs on the controller, one with files of its own, and one on Windows.
FULL = ("libvirt_test", "vmm", "hyperv")
_DEEP = pytest.mark.deep("the platforms of a full run, and tests/unit/inventory; the plugin only runs the info module")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]
_DEAD = {"platform": "virtualbox", "name": "dead", "options": {"executable": "/nowhere/VBoxManage"}}


@contextmanager
def _host_of(platform):
    """The variables of the connection to the platform's host; none if it is the controller itself."""
    windows = getattr(getattr(platform, "host", None), "windows", None)
    if windows is None:
        yield {}
        return
    with WinRMServer(through(windows)) as server:
        yield {"host": dict(server.variables)}


def _source(platform, **more):
    options = {**platform.options("vm_info"), **more.pop("options", {})}
    return {"platform": platform.traits().platform, "options": options, **more}


def _described(folder, sources, **more):
    path = folder / "vms.polyvirt.yml"
    path.write_text(json.dumps({"plugin": "polyvirt.core.vms", "sources": sources, **more}), encoding="utf-8")
    return path


def _listed(platform, shim, folder, sources, **more):
    """(groups, {host: variables}, warnings) of ansible-inventory."""
    path = _described(folder, sources, **more)
    around = {**shim.environment(programs=platform.programs), "COLUMNS": "1000"}
    done = run_ansible(folder, "ansible-inventory", ["-i", path, "--list"], around)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout, object_hook=lambda one: one.get("__ansible_unsafe", one))
    groups = {name: set(group.get("hosts", ())) for name, group in listed.items()}
    return groups, listed["_meta"]["hostvars"], done.stderr


@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_vms_are_listed_beside_a_dead_source(platform, shim, tmp_path, carry):
    platform.clean()
    platform.bring({WEB: RUNNING, DB: STOPPED})
    info = carry(platform, [Task("info", {"name": [WEB]}, about="vm_info")], [WEB])["info"]
    shim.forget()
    with _host_of(platform) as host, platform.hurried():
        sources = [_source(platform, prefix="x-", **host), _DEAD]
        groups, hosts, said = _listed(platform, shim, tmp_path, sources)
    web, db = f"x-{WEB}", f"x-{DB}"
    assert {web, db} <= groups.get(f"platform_{platform.traits().platform}", set()), said
    assert (groups["state_running"] & {web, db}, groups["state_stopped"] & {web, db}) == ({web}, {db})
    for key in ("id", "state", "platform", "disks"):
        assert hosts[web][f"polyvirt_{key}"] == info.vm(WEB)[key], key
    assert said.count("[WARNING]") == 1, said
    assert "source dead:" in said


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_a_source_on_another_host_and_what_it_costs(platform, shim, tmp_path):
    """The plugin on a remote host by SSH returns the same VMs, filtered; it starts two processes of virsh."""
    platform.clean()
    platform.bring({WEB: RUNNING, DB: STOPPED})
    shim.forget()
    options = {"filters": {"state": ["stopped"]}}
    with sshd(tmp_path) as reach:
        remote = {**reach["vars"], "ansible_user": reach["remote_user"]}
        sources = [
            _source(platform, name="here", options=options),
            _source(platform, name="there", options=options, host=remote),
        ]
        groups, hosts, said = _listed(platform, shim, tmp_path, sources)
    assert said == ""
    names = {f"{DB}_here", f"{DB}_there"}
    assert names <= set(hosts)
    assert groups["state_stopped"] >= names
    assert not {WEB, DB, f"{WEB}_here"} & set(hosts)
    assert len(shim.calls()) <= 4, shim.calls()


@pytest.mark.guest
def test_a_play_reaches_a_guest_by_the_inventory_alone(qemu, carry, key, tmp_path):
    """Address and port from the inventory, then its status; the guest has no Python."""
    qemu.clean()
    qemu.start_network()
    made = {**qemu.guest, **key.seed, "name": [GUEST], "state": "started", "wait_for": "ssh"}
    made["timeout"] = int(scaled(120))
    answer = carry(qemu, [Task("make", made)], [GUEST])["make"]
    assert not answer.failed, answer.msg
    compose = {
        "ansible_user": "'root'",
        "ansible_ssh_private_key_file": repr(str(key.path)),
        "ansible_ssh_common_args": "'-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'",
    }
    facets = {"facets": ["power", "config", "addresses", "counters"]}
    path = _described(tmp_path, [_source(qemu, options=facets)], compose=compose, strict=True)
    results = tmp_path / "status.json"
    tasks = [
        {"polyvirt.core.guest_status": {"timeout": round(scaled(60))}, "register": "result"},
        {
            "ansible.builtin.copy": {
                "content": "{{ {'guest': result.guest, 'counters': polyvirt_counters} | to_json }}",
                "dest": str(results),
            },
            "delegate_to": "localhost",
            "vars": {"ansible_connection": "local"},
        },
    ]
    play = {"hosts": GUEST, "gather_facts": False, "connection": "ssh", "tasks": tasks}
    ansible_playbook(tmp_path, play, ["-i", str(path)])
    result = json.loads(results.read_text(encoding="utf-8"))
    guest, counters = result["guest"], result["counters"]
    assert counters["memory_used_mib"] > 0
    assert (counters["cpu_time"] > 0, counters["disk_used"] > 0, counters["uptime"]) == (True, True, None)
    assert guest["os"]["hostname"] == GUEST
    assert answer.vm(GUEST)["ssh"]["host"] in [one["address"] for one in guest["addresses"]]
    assert (guest["cpus"], guest["memory_mib"] <= int(made["memory"].removesuffix("M"))) == (1, True)
    assert 22 in [one["port"] for one in guest["services"] or [{"port": 22}]]
