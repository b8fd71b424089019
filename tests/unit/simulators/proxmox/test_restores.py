# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores of the simulated cluster: what is left of the VM, who may, what is seen meanwhile."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import Account, User
from simulators.proxmox.cluster import Pool
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations
from unit.simulators.proxmox.backing_up import config, listed, restore, vzdump

WEB1 = "/nodes/pve1/qemu/100"


@pytest.fixture
def gateway():
    gateway = Gateway(worlds.with_cases())
    yield gateway
    assert gateway.world.tasks.crashes == []
    assert violations(gateway.world) == []
    assert orphans(gateway.world) == []
    assert not any(machine.frozen for machine in gateway.world.cluster.machines.values())


def test_restore_to_a_free_number(gateway):
    behind.write(gateway.world, 100, "scsi0", 7)
    vzdump(gateway)
    behind.write(gateway.world, 100, "scsi0", 8)
    old, archive = config(gateway, 100), listed(gateway)[0]["volid"]
    assert restore(gateway, archive, unique=1, name="copy", onboot=0) == "OK"
    new = config(gateway, 200)
    assert (new["name"], new["memory"]) == ("copy", old["memory"])
    assert new["scsi0"] == "local-lvm:vm-200-disk-0,size=32G"
    assert all(new[key] != old[key] for key in ("net0", "smbios1", "vmgenid"))
    assert gateway.world.storages.volume("local-lvm:vm-200-disk-0", "pve1").written == 7
    assert not gateway.world.cluster.machines[200].running


def test_restore_over_a_vm_frees_its_disks_first(gateway):
    vzdump(gateway)
    archive, web1 = listed(gateway)[0]["volid"], gateway.world.cluster.machines[100]
    assert "already exists on node 'pve1'" in restore(gateway, archive, 100)
    assert restore(gateway, archive, 100, force=1) == "unable to restore VM 100 - vm is running"
    behind.power(gateway.world, 100, on=False)
    gateway.call("PUT", f"{WEB1}/config", {"scsi1": "local-lvm:1"})
    assert restore(gateway, archive, 100, force=1) == "OK"
    assert web1.config.current["unused0"] == "local-lvm:vm-100-disk-1"
    gateway.world.storages.get("backups").on("pve1")[archive.partition(":")[2]].archive.damaged = True
    assert "exit code 133" in restore(gateway, archive, 100, force=1)
    assert web1.text.strip().splitlines() == ["memory: 128"]
    gateway.world.storages.free("local-lvm:vm-100-disk-1", "pve1")


def test_restore_attaches_what_others_have_left_with_its_number(gateway):
    """In the order of the names; a cloud-init volume is deleted, and one with saved memory is left alone."""
    vzdump(gateway)
    storages = gateway.world.storages
    left = [storages.allocate(one, "pve1", 200, 1 << 30) for one in ("zfs", "nfs", "local-lvm")]
    storages.allocate("nfs", "pve1", 200, 1 << 22, kind="cloudinit")
    state = storages.allocate_state("nfs", "pve1", 200, "x", 1 << 20)
    assert restore(gateway, listed(gateway)[0]["volid"]) == "OK"
    new = config(gateway, 200)
    assert [new[f"unused{number}"] for number in range(3)] == sorted(left)
    assert orphans(gateway.world) == [state]
    gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)
    assert orphans(gateway.world) == [state]
    storages.free(state, "pve1")


def test_failed_restore_to_a_free_number_leaves_a_vm_without_name(gateway):
    vzdump(gateway)
    gateway.world.faults.task("qmrestore", "no space left", step=1)
    assert restore(gateway, listed(gateway)[0]["volid"]).endswith("failed: no space left")
    assert {key: value for key, value in config(gateway, 200).items() if key != "digest"} == {"memory": "128"}
    gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)


def test_disks_that_were_not_backed_up_become_comments(gateway):
    behind.power(gateway.world, 100, on=False)
    gateway.call("PUT", f"{WEB1}/config", {"scsi1": "local-lvm:1,backup=0"})
    task = vzdump(gateway)
    assert any("exclude disk 'scsi1'" in line for line in task.log)
    assert restore(gateway, listed(gateway)[0]["volid"], unique=1) == "OK"
    new = config(gateway, 200)
    assert "scsi1" not in new
    assert "scsi1: local-lvm:vm-100-disk-1" in new["description"]


def test_wrong_restores(gateway):
    vzdump(gateway)
    archive = listed(gateway)[0]["volid"]
    assert restore(gateway, archive, scsi0="local-lvm:1") == {"scsi0": "option conflicts with option 'archive'"}
    assert restore(gateway, "backups:backup/vzdump-qemu-1-x.vma") == (
        "volume 'backups:backup/vzdump-qemu-1-x.vma' does not exist"
    )
    assert "only compatible with backup images" in restore(gateway, archive, **{"live-restore": 1})
    gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)
    no_images = "failed: Content type 'images' is not available on storage 'isos'"
    assert restore(gateway, archive, storage="isos").endswith(no_images)
    assert set(config(gateway, 200)) == {"digest"}
    gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)


def test_running_restore_holds_the_lock_file_and_shows_no_lock(gateway):
    vzdump(gateway)
    archive = listed(gateway)[0]["volid"]
    gateway.world.timing.restore_per_gib = 10
    first = gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200, "archive": archive})
    assert {**config(gateway, 200), "digest": ""} == {"memory": "128", "digest": ""}
    assert restore(gateway, archive) == (
        "unable to restore VM 200 - can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"
    )
    started = gateway.finished(gateway.call("POST", "/nodes/pve1/qemu/200/status/start").data)
    assert started.exitstatus == "can't lock file '/var/lock/qemu-server/lock-200.conf' - got timeout"
    running = gateway.call("GET", "/nodes/pve1/tasks", {"source": "active", "vmid": 200}).data
    assert [(task["type"], task["id"]) for task in running] == [("qmrestore", "200")]
    gateway.call("DELETE", f"/nodes/pve1/tasks/{first.data}")
    assert gateway.finished(first.data).exitstatus.endswith("failed: interrupted by signal")
    assert {**config(gateway, 200), "digest": ""} == {"memory": "128", "digest": ""}
    gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)


@pytest.mark.parametrize(
    ("option", "text"), [({"protection": "1"}, "- protection mode enabled"), ({}, "vm is running")], ids=str
)
def test_overwriting_a_running_or_protected_vm_fails_in_the_task(gateway, option, text):
    vzdump(gateway)
    behind.edit(gateway.world, 100, **option)
    before = config(gateway, 100)
    assert restore(gateway, listed(gateway)[0]["volid"], vmid=100, force=1) == f"unable to restore VM 100 - {text}"
    assert config(gateway, 100) == before


def test_right_on_any_pool_is_enough_to_overwrite_any_vm(gateway):
    world = gateway.world
    vzdump(gateway)
    archive = listed(gateway)[0]["volid"]
    behind.power(world, 100, on=False)
    alice = User("alice@pve")
    world.access.accounts[alice.userid] = Account("x")
    world.access.roles["Restore"] = frozenset({"VM.Allocate", "VM.Backup", "Datastore.AllocateSpace", "SDN.Use"})
    for path in ("/pool/prod", "/storage", "/sdn"):
        world.access.allow(path, alice.userid, "Restore")
    world.access.allow("/vms/100", alice.userid, "PVEAuditor")
    backup = {"archive": archive, "vmid": 101, "node": "pve2", "user": alice, "force": 1, "unique": 1}
    world.access.allow("/vms/100", alice.userid, "Restore")
    assert restore(gateway, **backup) == "Permission check failed"
    assert restore(gateway, **backup, pool="prod") == "OK"
    assert world.cluster.pools["prod"].vms == {101}


def test_overwritten_vm_stays_in_its_pool(gateway):
    vzdump(gateway)
    behind.power(gateway.world, 100, on=False)
    gateway.world.cluster.pools["lab"] = Pool(vms={100})
    for extra in ({}, {"pool": "prod"}):
        assert restore(gateway, listed(gateway)[0]["volid"], vmid=100, force=1, **extra) == "OK"
    assert (gateway.world.cluster.pools["lab"].vms, gateway.world.cluster.pools["prod"].vms) == ({100}, set())


@pytest.mark.parametrize(
    ("lacks", "extra", "reason"),
    [
        ("VM.PowerMgmt", {"start": 1}, "(/vms/200, VM.PowerMgmt)"),
        ("VM.Config.Options", {"name": "x"}, "(/vms/200, VM.Config.Options)"),
        ("VM.Config.Network", {"net0": "virtio"}, "(/vms/200, VM.Config.Network)"),
        ("SDN.Use", {}, "403 Permission check failed (/sdn/zones/localnetwork/vmbr0, SDN.Use)"),
        ("Datastore.AllocateSpace", {}, "403 Permission check failed (/storage/local-lvm, Datastore.AllocateSpace)"),
    ],
)
def test_restore_needs_the_privileges_of_what_it_sets(gateway, lacks, extra, reason):
    vzdump(gateway)
    access, alice = gateway.world.access, User("alice@pve")
    access.accounts[alice.userid] = Account("x")
    access.roles["Most"] = access.roles["Administrator"] - {lacks}
    access.allow("/", alice.userid, "Most")
    access.allow("/storage/backups", alice.userid, "Administrator")
    assert restore(gateway, listed(gateway)[0]["volid"], user=alice, **extra).endswith(reason)
    if 200 in gateway.world.cluster.machines:
        gateway.finished(gateway.call("DELETE", "/nodes/pve1/qemu/200").data)


def test_disabled_storage_shows_when_the_old_disks_are_gone(gateway):
    vzdump(gateway)
    behind.power(gateway.world, 100, on=False)
    ended = restore(gateway, listed(gateway)[0]["volid"], vmid=100, force=1, storage="off")
    assert ended.endswith("failed: storage 'off' is disabled")
    assert {**config(gateway, 100), "digest": ""} == {"memory": "128", "digest": ""}
    assert "local-lvm:vm-100-disk-0" not in gateway.world.storages.owned_by(100, "pve1")


def test_proxmox_backup_server_has_names_of_its_own(gateway):
    assert vzdump(gateway, storage="pbs").exitstatus == "OK"
    (entry,) = gateway.call("GET", "/nodes/pve1/storage/pbs/content", {"content": "backup"}).data
    assert (entry["volid"], entry["format"]) == ("pbs:backup/vm/100/2026-09-21T14:13:20Z", "pbs-vm")
    assert restore(gateway, entry["volid"], unique=1) == "OK"
