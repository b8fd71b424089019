# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as programs, over HTTPS to the simulated cluster."""

from __future__ import annotations

import hashlib
import sys
import time

import pytest

from platforms.proxmox.modules import Modules
from simulators.proxmox import worlds
from simulators.proxmox.access import Account, Token
from simulators.proxmox.engine import DrivenClock
from simulators.proxmox.invariants import orphans
from simulators.proxmox.server import Server
from simulators.proxmox.storage import GIB

IMAGE, SECRET = b"\0" * 4096, "11111111-2222-4333-8444-555555555555"


@pytest.fixture(name="world")
def _world():
    world = worlds.with_cases(DrivenClock())
    world.timing.refused = world.timing.backup_per_gib = world.timing.restore_per_gib = 0
    yield world
    assert world.tasks.crashes == []


@pytest.fixture(name="modules")
def _modules(world, tmp_path):
    with Server(world, tick=1) as server:
        yield Modules(server, tmp_path)


def test_info_reports_the_cluster_and_its_vms(modules, world):
    ran = modules.ours("vm_info")
    host, vms = ran.result["host"], {vm["name"]: vm for vm in ran.result["vms"]}
    assert (host["available"], host["configured"], host["version"], host["why"]) == (True, True, "9.2.2", None)
    assert sorted(vms) == ["tmpl", "web1", "web2"]
    assert (vms["web1"]["state"], vms["web1"]["settings"]["node"]) == ("running", "pve1")
    assert vms["web1"]["ssh"] == {"host": "198.51.100.101", "port": 22, "user": None, "scope": "network"}
    assert vms["tmpl"]["settings"]["template"] is True
    assert world.journal.writes() == []


@pytest.mark.parametrize(
    ("options", "why", "words"),
    [
        ({"api_port": 1}, "not_responding", "does not answer"),
        ({"api_host": "nosuch.invalid"}, "not_responding", "nosuch.invalid"),
        ({"ca_path": "/nonexistent"}, "not_responding", "ca_path"),
    ],
)
def test_info_does_not_fail_without_a_cluster(modules, options, why, words):
    ran = modules.ours("vm_info", **options)
    assert not ran.failed, ran.msg
    assert (ran.result["host"]["why"], ran.result["vms"]) == (why, [])
    assert words in ran.result["host"]["message"]


def test_missing_library_is_reported(modules):
    """The message names the Python that runs the module, which may not be the controller's."""
    hidden = modules.folder / "hidden"
    hidden.mkdir()
    (hidden / "proxmoxer.py").write_text("raise ImportError\n")
    for module in ("proxmox_vm", "proxmox_vm_info"):
        ran = modules.run_in_python(f"polyvirt.core.plugins.modules.{module}", False, {"name": ["web1"]}, [str(hidden)])
        message = ran.msg if module == "proxmox_vm" else ran.result["host"]["message"]
        for word in ("proxmoxer", sys.executable, "requests"):
            assert word in message, ran.msg


def test_iso_is_uploaded_from_the_host_of_the_task(modules, world, tmp_path):
    """The ISO image is uploaded once, and only if its checksum is right."""
    image, right = tmp_path / "my medium.iso", hashlib.sha256(IMAGE).hexdigest()
    image.write_bytes(IMAGE)
    asked = {"name": ["web3"], "node": "pve1", "disks": [{"size": "1G"}], "iso": str(image)}
    wrong = modules.ours(**asked, iso_checksum="sha256:00")
    assert wrong.failed
    assert "checksum" in wrong.msg
    assert sorted(one.config.current["name"] for one in world.cluster.machines.values()) == ["tmpl", "web1", "web2"]
    for changed in (True, False):
        ran = modules.ours(**asked, iso_checksum=f"sha256:{right}")
        assert (ran.failed, ran.changed) == (False, changed), ran.msg
    assert ran.result["vms"][0]["iso"] == "local:iso/my_medium.iso"
    assert [entry.status for entry in world.journal.writes() if entry.path.endswith("/upload")] == [200, 200]


def test_missing_privileges_are_named_by_each_module(modules, world):
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token(SECRET, separated=False)})
    world.access.allow("/", "ci@pve", "PVEAuditor")
    who = {"api_user": "ci@pve", "api_token_id": "t", "api_token_secret": SECRET}
    tasks = {
        "VM.PowerMgmt on /vms/101": ("vm", {"name": ["web2"], "state": "started"}),
        "VM.Config.Memory on /vms/101": ("vm", {"name": ["web2"], "memory": "4G"}),
        "VM.Clone on /vms/9000": ("vm", {"name": ["web3"], "clone": {"source": "tmpl"}}),
        "VM.Snapshot on /vms/101": ("snapshot", {"name": ["web2"], "snapshot": "s1"}),
        "VM.Allocate on /vms/101": ("vm", {"name": ["web2"], "state": "absent", "delete_disks": "all"}),
    }
    for lacking, (module, options) in tasks.items():
        ran = modules.ours(module, **who, **options)
        assert ran.failed
        assert f"ci@pve!t lacks the privilege {lacking}" in ran.msg


def test_password_works_where_only_root_is_allowed(modules):
    """Some options can be set only by root@pam itself, not by its token."""
    args = {"name": ["web2"], "native": {"args": "-no-hpet"}}
    refused = modules.ours(**args)
    assert "'args' can be set only by root@pam itself" in refused.msg
    assert "no token" in refused.msg
    own = {"api_token_id": None, "api_token_secret": None, "api_password": worlds.ROOT_PASSWORD}
    ran = modules.ours(**own, **args)
    assert (ran.failed, ran.changed) == (False, True), ran.msg
    assert worlds.ROOT_PASSWORD not in str(ran.result)


@pytest.mark.parametrize(("ahead", "audits", "is_rejected"), [(0, True, False), (400, True, True), (400, False, False)])
def test_vm_of_a_node_with_a_wrong_clock_is_kept(modules, world, ahead, audits, is_rejected):
    """Without Sys.Audit, the clock of a node cannot be read."""
    now = int(time.time())
    new = {"name": "web9", "cpus": 1, "memory": "128M", "disks": [{"size": "16M"}], "expires": "0m"}
    created = modules.ours("vm", **new, controller_time=now)
    assert not created.failed, created.msg
    for node in world.cluster.nodes.values():
        node.clock_ahead = ahead
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token(SECRET, separated=False)})
    for role in ("PVEVMAdmin", "PVEDatastoreAdmin", *(["PVEAuditor"] if audits else [])):
        world.access.allow("/", "ci@pve", role)
    account = {"api_user": "ci@pve", "api_token_id": "t", "api_token_secret": SECRET}
    ran = modules.ours("vm", name="web9", state="absent", expired_for="0m", controller_time=now, **account)
    assert (ran.failed, ran.changed) == (is_rejected, not is_rejected), ran.msg
    assert ("the clock of the host shows" in ran.msg) == is_rejected


def _now():
    return {"controller_time": int(time.time())}


def _newest(name):
    return {"name": [name], "storage": "backups", "state": "restored", "backup": "newest"}


@pytest.mark.parametrize(("name", "node"), [("web1", "pve1"), ("web2", "pve2")], ids=["running", "off"])
def test_copy_of_a_restore_takes_no_volumes_of_others(modules, world, name, node):
    """A deleted VM has left them on two storages, with the next free number.

    The server lists them as unused disks of the restored copy, and deletes them with it (recorded: restore_rescan).
    """
    taken = modules.ours("backup", name=[name], storage="backups", max_age="20h", **_now())
    assert taken.changed, taken.msg
    left = [world.storages.allocate(one, node, 102, GIB) for one in ("local-lvm", "nfs")]
    asked = {**_newest(name), "replace": True, **_now()}
    for check in (True, False):
        ran = modules.ours("backup", check=check, **asked)
        assert (ran.failed, ran.changed) == (False, True), ran.msg
        assert sorted(left) == orphans(world)
    copies = [entry.params["vmid"] for entry in world.journal.writes() if "archive" in entry.params]
    assert copies[0] == "103"
    rejected = [modules.ours(name=["web3"], id="102", disks=[{"size": "1G"}], check=check) for check in (True, False)]
    assert len({one.msg for one in rejected}) == 1 and "number 102" in rejected[0].msg
    assert sorted(world.cluster.machines) == [100, 101, 9000]


def test_vm_whose_restore_failed_half_way_is_not_absent(modules, world):
    taken = modules.ours("backup", name=["web2"], storage="backups", max_age="20h", **_now())
    assert taken.changed, taken.msg
    world.faults.task("qmrestore", "no space left", step=1, id="101")
    asked = {**_newest("web2"), "replace": True, **_now()}
    assert "no space left" in modules.ours("backup", **asked).msg
    world.statistics.renew()
    rejected = [modules.ours(name=["web2"], state="absent", check=check) for check in (True, False)]
    assert len({one.msg for one in rejected}) == 1 and "VM 101 failed half-way" in rejected[0].msg


def test_restored_copy_starts_without_the_vm_whose_seed_iso_it_had(modules, world):
    new = {"name": ["web3"], "node": "pve1", "disks": [{"size": "1G"}], "cloud_init": {"user_data": {"a": "b"}}}
    assert modules.ours(**new).changed
    taken = modules.ours("backup", name=["web3"], storage="backups", max_age="20h", **_now())
    assert taken.changed, taken.msg
    asked = {**_newest("web3"), "new_name": "web4", **_now()}
    check, real = (modules.ours("backup", check=check, **asked) for check in (True, False))
    assert check.result["diff"] == real.result["diff"]
    assert modules.ours(name=["web3"], state="absent").changed
    started = modules.ours(name=["web4"], state="started")
    assert (started.failed, started.changed) == (False, True), started.msg
