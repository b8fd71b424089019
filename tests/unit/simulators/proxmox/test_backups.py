# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the simulated cluster: creating, listing, protecting, pruning and restoring them."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import Account, Token, User
from simulators.proxmox.cluster import Pool
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations

STORE = "/nodes/pve1/storage/backups"
WEB1 = "/nodes/pve1/qemu/100"


@pytest.fixture
def gateway():
    gateway = Gateway(worlds.with_cases())
    yield gateway
    assert gateway.world.tasks.crashes == []
    assert violations(gateway.world) == []
    assert orphans(gateway.world) == []
    assert not any(machine.frozen for machine in gateway.world.cluster.machines.values())


def vzdump(gateway, vmid=100, node="pve1", **params):
    """Back up a VM; returns the task, or the answer if there is none."""
    given = {"vmid": vmid, "storage": "backups", "remove": 0, **params}
    answer = gateway.call("POST", f"/nodes/{node}/vzdump", {key.replace("_", "-"): given[key] for key in given})
    if answer.status != 200 or answer.data == "OK":
        return answer.data or answer.errors or answer.reason
    return gateway.finished(answer.data)


def listed(gateway, **params):
    return gateway.call("GET", f"{STORE}/content", {"content": "backup", **params}).data


def restore(gateway, archive, vmid=200, node="pve1", user=None, **params):
    """Restore a backup; returns how the task ended, or why it was rejected."""
    given = {"vmid": vmid, "archive": archive, **params}
    extra = {} if user is None else {"user": user}
    answer = gateway.call("POST", f"/nodes/{node}/qemu", given, **extra)
    return gateway.finished(answer.data).exitstatus if answer.status == 200 else answer.errors or answer.reason


def config(gateway, vmid, node="pve1"):
    return gateway.call("GET", f"/nodes/{node}/qemu/{vmid}/config").data


def test_backup_of_running_vm_is_listed_with_first_line_of_its_notes(gateway):
    task = vzdump(gateway, compress="zstd", notes_template=r"{{guestname}} {{vmid}}\nsecond", protected=1)
    assert task.exitstatus == "OK"
    assert "INFO: issuing guest-agent 'fs-freeze' command" in task.log
    assert "INFO: issuing guest-agent 'fs-thaw' command" in task.log
    (entry,) = listed(gateway, vmid=100)
    assert (entry["notes"], entry["protected"], entry["vmid"]) == ("web1 100", 1, 100)
    assert entry["volid"] == "backups:backup/vzdump-qemu-100-2026_09_21-14_13_20.vma.zst"
    assert gateway.call("GET", f"{STORE}/content/{entry['volid']}").data["notes"] == "web1 100\nsecond"
    assert listed(gateway, vmid=101) == []
    assert "lock" not in config(gateway, 100)


def test_backup_contains_the_configuration_without_snapshots_and_pending_changes(gateway):
    gateway.call("PUT", f"{WEB1}/config", {"memory": 4096, "description": "line"})
    gateway.finished(gateway.call("POST", f"{WEB1}/snapshot", {"snapname": "one"}).data)
    vzdump(gateway)
    text = gateway.call("GET", "/nodes/pve1/vzdump/extractconfig", {"volume": listed(gateway)[0]["volid"]}).data
    assert "memory: 2048\n" in text
    assert "#line\n" in text
    assert "#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:\n" in text
    assert not any(word in text for word in ("[", "lock:", "parent:", "4096"))


def test_vm_of_another_node_is_left_out_in_silence(gateway):
    assert vzdump(gateway, vmid=101) == "OK"
    assert vzdump(gateway, vmid=101, node="pve2").exitstatus == "OK"
    task = vzdump(gateway, vmid=999)
    assert task.exitstatus == "job errors"
    assert "ERROR: Backup of VM 999 failed - unable to find VM '999'" in task.log


def test_stopped_vm_looks_running_while_it_is_backed_up(gateway):
    answer = gateway.call("POST", "/nodes/pve2/vzdump", {"vmid": 101, "storage": "backups"})
    current = gateway.call("GET", "/nodes/pve2/qemu/101/status/current").data
    assert (current["status"], current["qmpstatus"], current["lock"]) == ("running", "running", "backup")
    assert gateway.call("DELETE", "/nodes/pve2/qemu/101").reason == "VM 101 is running - destroy failed"
    assert gateway.finished(answer.data).exitstatus == "OK"
    assert gateway.call("GET", "/nodes/pve2/qemu/101/status/current").data["status"] == "stopped"


def test_guest_that_is_started_during_its_backup_runs_on(gateway):
    answer = gateway.call("POST", "/nodes/pve2/vzdump", {"vmid": 101, "storage": "backups"})
    started = gateway.call("POST", "/nodes/pve2/qemu/101/status/start").data
    assert gateway.finished(started).exitstatus == "OK"
    assert gateway.finished(answer.data).exitstatus == "OK"
    assert gateway.world.cluster.machines[101].state == "running"


def test_bandwidth_limit_makes_a_job_slow(gateway):
    answer = gateway.call("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "backups", "bwlimit": 32 * 1024})
    gateway.world.engine.advance(1000)
    assert gateway.world.tasks.get(answer.data).ended is None


@pytest.mark.parametrize(
    ("agent", "error", "line"),
    [
        ("0", None, None),
        ("1,freeze-fs=0", None, "INFO: skipping guest-agent 'fs-freeze', disabled in VM options"),
        ("1", "busy", "ERROR: VM 100 qmp command 'guest-fsfreeze-freeze' failed - busy"),
    ],
)
def test_backup_succeeds_without_a_frozen_guest(gateway, agent, error, line):
    behind.edit(gateway.world, 100, agent=agent)
    gateway.world.cluster.machines[100].guest.agent_error = error
    task = vzdump(gateway)
    assert task.exitstatus == "OK"
    assert line is None or line in task.log
    assert not [effect for effect in gateway.world.journal.effects if effect.text == "FREEZE"]


def test_mode_stop_shuts_the_guest_down_and_starts_it_again(gateway):
    machine = gateway.world.cluster.machines[100]
    assert vzdump(gateway, mode="stop").exitstatus == "OK"
    assert (machine.running, machine.starts) == (True, 1)
    machine.started_at, machine.guest.stops_within = gateway.world.now - 100, None
    assert vzdump(gateway, mode="stop", stopwait=1).exitstatus == "job errors"
    assert (machine.running, machine.starts, len(listed(gateway))) == (True, 1, 1)


def defaults(gateway, user=None, **params):
    extra = {} if user is None else {"user": user}
    return gateway.call("GET", "/nodes/pve1/vzdump/defaults", params, **extra)


def test_who_may_back_up_reads_the_retention_of_a_storage(gateway):
    gateway.world.storages.get("backups").prune = "keep-daily=7,keep-last=2"
    alice = User("alice@pve")
    gateway.world.access.accounts["alice@pve"] = Account("x")
    gateway.world.access.allow("/storage/backups", "alice@pve", "PVEDatastoreUser")
    found = defaults(gateway, alice, storage="backups").data
    assert (found["prune-backups"], found["storage"]) == ("keep-daily=7,keep-last=2", "backups")
    assert "dumpdir" not in found
    refused = "Permission check failed (/storage/pbs, Datastore.Audit|Datastore.AllocateSpace)"
    assert defaults(gateway, alice, storage="pbs").reason == refused
    assert gateway.call("GET", "/storage/backups", user=alice).status == 403
    assert defaults(gateway, storage="pbs").data["prune-backups"] == "keep-all=1"


def test_protected_backup_is_not_limited_by_the_retention(gateway):
    vzdump(gateway)
    limited = {"prune_backups": "keep-last=1"}
    assert vzdump(gateway, **limited).exitstatus == "job errors"
    gateway.world.engine.advance(5)
    assert vzdump(gateway, protected=1, **limited).exitstatus == "OK"
    gateway.world.engine.advance(5)
    assert vzdump(gateway, **{"prune_backups": "keep-all=1"}).exitstatus == "OK"


@pytest.mark.parametrize("step", [0, 1, 2])
def test_failed_or_killed_backup_leaves_no_file_no_lock_and_no_frozen_guest(gateway, step):
    gateway.world.faults.task("vzdump", "write error", step=step)
    assert vzdump(gateway).exitstatus == "job errors"
    upid = gateway.call("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "backups"}).data
    gateway.world.engine.advance(step * 0.5)
    gateway.call("DELETE", f"/nodes/pve1/tasks/{upid}")
    assert gateway.finished(upid).exitstatus == "job errors"
    assert listed(gateway) == []
    assert "lock" not in config(gateway, 100)


def test_warnings_are_a_success(gateway):
    gateway.world.faults.task("vzdump", "EFI disk without 2023 certificates", step=1, warnings=1)
    assert vzdump(gateway).exitstatus == "WARNINGS: 1"
    assert len(listed(gateway)) == 1


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({"storage": "nfs"}, "can't use storage 'nfs' for backups - wrong content type"),
        ({"storage": "nowhere"}, "storage 'nowhere' does not exist"),
        ({"notes_template": "{{x}}"}, {"notes-template": "found unknown: variable 'x' at char 2"}),
        ({"exclude": "101"}, {"exclude": "option conflicts with option 'vmid'"}),
    ],
)
def test_wrong_parameters(gateway, params, text):
    answer = vzdump(gateway, **params)
    found = answer.exitstatus if hasattr(answer, "exitstatus") else answer
    assert found == text or text in found


def test_jobs_of_a_node_wait_for_each_other(gateway):
    first = gateway.call("POST", "/nodes/pve1/vzdump", {"vmid": 100, "storage": "backups"}).data
    second = vzdump(gateway, vmid=9000)
    assert second.log[0] == "INFO: trying to get global lock - waiting..."
    assert second.exitstatus == "OK"
    assert gateway.world.tasks.get(first).ended < second.ended


def test_locked_vm_and_limit_of_backups(gateway):
    behind.lock(gateway.world, 100, "snapshot", seconds=1)
    assert "ERROR: Backup of VM 100 failed - VM is locked (snapshot)" in vzdump(gateway).log
    gateway.world.engine.advance(2)
    gateway.world.storages.get("backups").prune = "keep-last=1"
    assert vzdump(gateway).exitstatus == "OK"
    assert any("There is a max backup limit of 1" in line for line in vzdump(gateway).log)
    assert vzdump(gateway, remove=1).exitstatus == "OK"
    assert len(listed(gateway)) == 1


def test_protected_backup_is_not_deleted(gateway):
    vzdump(gateway)
    path = f"{STORE}/content/{listed(gateway)[0]['volid']}"
    assert gateway.call("PUT", path, {"protected": 1, "notes": "mine"}).status == 200
    task = gateway.finished(gateway.call("DELETE", path).data)
    assert task.exitstatus.startswith("cannot remove protected volume")
    gateway.call("PUT", path, {"protected": 0})
    assert gateway.finished(gateway.call("DELETE", path).data).exitstatus == "OK"
    assert listed(gateway) == []


def test_retention_counts_periods_that_have_backups(gateway):
    for _number in range(4):
        vzdump(gateway)
        gateway.world.engine.advance(86400 / 2)
    rules = {"vmid": 100, "prune-backups": "keep-last=1,keep-daily=1"}
    found = gateway.call("GET", f"{STORE}/prunebackups", rules).data
    assert [entry["mark"] for entry in found] == ["remove", "remove", "keep", "keep"]
    gateway.finished(gateway.call("DELETE", f"{STORE}/prunebackups", rules).data)
    assert len(listed(gateway)) == 2


def test_token_sees_only_backups_of_vms_that_it_may_back_up(gateway):
    vzdump(gateway)
    world = gateway.world
    world.access.accounts["a@pve"] = Account(tokens={"t": Token("x", separated=False)})
    world.access.roles["Space"] = frozenset({"Datastore.AllocateSpace", "Datastore.Audit"})
    world.access.roles["Backup"] = frozenset({"VM.Backup"})
    world.access.allow("/storage/backups", "a@pve", "Space")
    user = User("a@pve")
    seen = gateway.call("GET", f"{STORE}/content", {"content": "backup"}, user=user)
    assert (seen.status, seen.data) == (200, [])
    world.access.allow("/vms/100", "a@pve", "Backup")
    assert len(gateway.call("GET", f"{STORE}/content", {"content": "backup"}, user=user).data) == 1


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
