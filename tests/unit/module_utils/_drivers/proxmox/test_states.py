# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that the account cannot see, that were migrated, suspended, or are managed by high availability."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.access import Account, Token, User
from unit.module_utils._drivers.proxmox.disturbed import before_write
from unit.module_utils._drivers.proxmox.simulated import Api, do, driver_of, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import account, done
from unit.module_utils._drivers.proxmox.test_cases import DISK


def _token_without_role(world):
    """A token with privilege separation, of a user that may do everything."""
    world.access.accounts["ci@pve"] = Account(tokens={"t": Token("s")})
    world.access.allow("/", "ci@pve", "Administrator")
    return Api(world, User("ci@pve", "t"))


@pytest.mark.parametrize("requested", [{"state": "absent"}, {"disks": [DISK]}, {"state": "started"}])
def test_token_that_sees_no_vm_gets_an_error_and_changes_nothing(world, requested):
    api = _token_without_role(world)
    words = ("web2", "ci@pve!t sees no VM", "VM.Audit", "privilege separation")
    rejected(world, *words, api=api, name="web2", **requested)


def test_info_warns_when_the_token_sees_no_vm(world):
    seen = driver_of(world, _token_without_role(world)).observe(None, frozenset({"power", "config"}))
    assert seen.vms == []
    assert [text for text in seen.warnings if "sees no VM" in text]


@pytest.mark.parametrize("path", ["/", "/vms"])
def test_role_that_does_not_propagate_sees_no_vm(world, path):
    api = _token_without_role(world)
    world.access.allow(path, "ci@pve!t", "PVEAdmin", propagate=False)
    rejected(world, "sees no VM", api=api, name="web2", state="absent")


def test_vm_of_a_pool_is_seen_by_the_role_on_the_pool(world):
    api = _token_without_role(world)
    world.cluster.pools["prod"].vms.add(101)
    world.access.allow("/pool/prod", "ci@pve!t", "PVEAdmin")
    assert not do(world, api=api, name="web2", state="stopped").failed
    absent = do(world, api=api, name="web9", state="absent")
    assert (absent.failed, absent.changed) == (False, False)
    (warning,) = absent.warnings
    assert warning.startswith("web9: ci@pve!t does not see all VMs")
    assert "VM.Audit on /vms" in warning
    assert do(world, api=api, name="web9", id="4711", state="absent").warnings == []
    assert do(world, api=api, name="web2", state="absent", stop_mode="force", check=True).warnings == []
    assert do(world, api=api, name="web9", state="stopped").warnings == []
    world.access.allow("/vms", "ci@pve!t", "PVEAuditor")
    assert do(world, api=api, name="web9", state="absent").warnings == []


@pytest.mark.parametrize("source", [{"disks": [DISK]}, {"clone": {"source": "web2"}}], ids=["disk", "clone"])
def test_vm_is_not_created_where_one_of_its_name_may_be_hidden(world, source):
    """An account may create VMs with any id, and see only some of them."""
    api = _token_without_role(world)
    world.access.roles["Maker"] = world.access.roles["Administrator"] - {"VM.Audit"}
    for path in ("/vms", "/storage", "/sdn", "/nodes"):
        world.access.allow(path, "ci@pve!t", "Maker")
    for path in ("/vms/101", "/vms/4711"):
        world.access.allow(path, "ci@pve!t", "Administrator")
    new = {"node": "pve2", **source}
    rejected(world, "web1: ci@pve!t does not see all VMs", "VM.Audit on /vms", "id", api=api, name="web1", **new)
    rejected(world, "VM 100 exists, but", api=api, name="web1", id="100", **new)
    assert do(world, api=api, name="web3", id="4711", **new).changed
    world.access.allow("/vms", "ci@pve!t", "Administrator")
    assert do(world, api=api, name="web4", **new).changed


def test_name_of_a_new_vm_in_a_pool_is_that_of_the_pool(world):
    api = _token_without_role(world)
    for path in ("/pool/prod", "/storage", "/sdn", "/nodes"):
        world.access.allow(path, "ci@pve!t", "Administrator")
    rejected(world, "does not see all VMs", api=api, name="web1", node="pve1", disks=[DISK])
    assert do(world, api=api, name="web1", node="pve1", pool="prod", disks=[DISK]).changed
    assert not do(world, api=api, name="web1", node="pve1", pool="prod", disks=[DISK]).changed


def _hidden(world, path):
    """An administrator without any privilege on ``path``."""
    api = account(world, ("/", world.access.roles["Administrator"]))
    world.access.allow(path, "ci@pve", "NoAccess")
    return api


@pytest.mark.parametrize(
    ("path", "requested", "privilege"),
    [
        ("/vms/102", {"name": "web3", "disks": [DISK]}, "VM.Allocate"),
        ("/vms/102", {"name": "web3", "clone": {"source": "tmpl"}}, "VM.Allocate"),
        ("/vms/150", {"name": "web3", "id": "150", "disks": [DISK]}, "VM.Allocate"),
        ("/vms/101", {"name": None, "id": "101", "state": "absent"}, "VM.Audit"),
        ("/vms/101", {"name": None, "id": "101", "state": "started"}, "VM.Audit"),
        ("/vms/101", {"name": "web2", "id": "101", "disks": [DISK]}, "VM.Audit"),
        ("/sdn/zones/localnetwork/vmbr1", {"name": "web2", "networks": [{"source": "vmbr1"}]}, "SDN.Use"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(sorted(value)),
)
def test_role_no_access_fails_before_the_first_step(world, path, requested, privilege):
    words = (requested["name"] or requested["id"], "ci@pve!t", privilege, path)
    rejected(world, *words, api=_hidden(world, path), **requested)


@pytest.mark.parametrize(
    ("qemu_status", "requested", "effect"),
    [
        ("suspended", {"state": "started"}, "QMP system_wakeup"),
        ("suspended", {"state": "stopped"}, "POWERDOWN"),
        ("postmigrate", {"state": "started"}, "QMP cont"),
        ("shutdown", {"state": "stopped"}, "QMP quit"),
    ],
)
def test_vm_with_an_inactive_qemu_status(world, qemu_status, requested, effect):
    behind.fail(world, 100, qemu_status)
    assert done(world, name="web1", **requested).changed
    assert effect in [one.text for one in world.journal.effects]
    assert not do(world, name="web1", **requested).changed


@pytest.mark.parametrize("stops_within", [15, 40])
def test_vm_of_high_availability_gets_its_whole_timeout_to_shut_down(world, stops_within):
    """High availability powers a guest off after the timeout of the request."""
    machine = world.cluster.machines[100]
    machine.ha, machine.guest.stops_within = True, stops_within
    outcome = do(world, name="web1", state="stopped", stop_timeout=60)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert "QMP quit" not in [one.text for one in world.journal.effects]
    assert world.journal.count("POST", "/status/shutdown") == 1
    assert [text for text in outcome.warnings if "high availability" in text and "60 s" in text]


@pytest.mark.parametrize(("name", "vmid"), [("web1", 100), ("web2", 101)])
def test_vm_of_high_availability_is_moved_and_then_changed(world, name, vmid):
    machine = world.cluster.machines[vmid]
    machine.ha = True
    # High availability does not migrate local disks of running VMs.
    disk = world.storages.get("local-lvm").volumes.pop((machine.node, f"vm-{vmid}-disk-0"))
    world.storages.get("nfs").volumes[None, f"{vmid}/vm-{vmid}-disk-0.raw"] = disk
    behind.edit(world, vmid, scsi0=f"nfs:{vmid}/vm-{vmid}-disk-0.raw,size=32G")
    assert done(world, name=name, node="pve3", memory="4G").changed
    assert machine.node == "pve3"
    assert world.journal.count("POST", "/migrate") == 1
    assert not do(world, name=name, node="pve3", memory="4G").changed


def _move(world, vmid, target):
    machine = world.cluster.machines[vmid]
    world.storages.move(machine.config.current["scsi0"].partition(",")[0], machine.node, target)
    machine.node = target


@pytest.mark.parametrize(
    ("vmid", "requested"),
    [
        (100, {"name": "web1", "state": "stopped"}),
        (100, {"name": "web1", "state": "stopped", "stop_mode": "force"}),
        (100, {"name": "web1", "state": "paused"}),
        (101, {"name": "web2", "state": "started"}),
        (101, {"name": "web2", "memory": "4096"}),
        (101, {"name": "web2", "state": "absent", "delete_disks": "all"}),
    ],
)
def test_vm_that_moves_to_another_node_meanwhile_is_observed_again(world, vmid, requested):
    began = world.now
    assert done(world, api=before_write(world, lambda: _move(world, vmid, "pve3")), **requested).changed
    assert world.now - began < 12


def test_pool_of_a_suspended_vm_needs_no_start(world):
    assert do(world, name="web1", state="suspended").changed
    outcomes = [do(world, check=check, name="web1", state="suspended", pool="prod") for check in (True, False)]
    assert [(one.changed, one.vms[0]["restart_required"], one.warnings) for one in outcomes] == [(True, [], [])] * 2


@pytest.mark.parametrize(
    "requested",
    [
        {"disks": [{"slot": "scsi1", "state": "absent"}]},
        {"networks": [], "purge": ["networks"]},
        {"iso": ""},
        {"cloud_init": {"user": ""}},
        {"image": {"source": "local:import/x.qcow2"}},
    ],
)
def test_vm_of_a_silent_node_is_not_as_requested(world, requested):
    """The VM has the requested settings: only they cannot be read."""
    behind.node(world, "pve2", online=False)
    rejected(world, "web2", "its settings are unknown", "pve2", name="web2", **requested)


def test_what_the_cluster_reports_of_such_a_vm_is_compared(world):
    behind.edit(world, 101, tags="a")
    world.cluster.pools["prod"].vms.add(101)
    behind.node(world, "pve2", online=False)
    for requested in ({"tags": ["a"]}, {"node": "pve2"}, {"pool": "prod"}, {"tags": ["a"], "pool": "prod"}):
        unchanged(world, name="web2", **requested)
    rejected(world, "web2", "its state is unknown", name="web2", tags=["b"])


def test_start_that_fails_changes_nothing(world):
    world.faults.task("qmstart", "start failed: QEMU exited with code 1", times=9)
    outcome = do(world, name="web2", state="started")
    assert (outcome.failed, outcome.changed) == (True, False)
    assert [(step["verb"], step["done"]) for step in outcome.vms[0]["steps"]] == [("start", False)]
