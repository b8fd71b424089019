# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of the simulated cluster: creating, listing, protecting and pruning them."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import Account, Token, User
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations
from unit.simulators.proxmox.backing_up import STORE, config, listed, vzdump

WEB1 = "/nodes/pve1/qemu/100"


@pytest.fixture
def gateway():
    gateway = Gateway(worlds.with_cases())
    yield gateway
    assert gateway.world.tasks.crashes == []
    assert violations(gateway.world) == []
    assert orphans(gateway.world) == []
    assert not any(machine.frozen for machine in gateway.world.cluster.machines.values())


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


def test_whoever_excludes_a_vm_wants_all_others(gateway):
    answer = gateway.call("POST", "/nodes/pve1/vzdump", {"exclude": "9000", "storage": "backups"})
    assert gateway.finished(answer.data).exitstatus == "OK"
    assert [entry["vmid"] for entry in listed(gateway)] == [100]
    refused = gateway.call("POST", "/nodes/pve1/vzdump", {"exclude": "9000", "vmid": 100, "storage": "backups"})
    assert refused.errors == {"exclude": "option conflicts with option 'vmid'"}


@pytest.mark.parametrize(
    ("template", "error"),
    [
        (r"a\x", r"found unknown: escape sequence '\x' at char 1"),
        ("{{owner}}", "found unknown: variable 'owner' at char 2"),
        ("a\nb", "contains a line feed"),
    ],
)
def test_wrong_notes_are_rejected(gateway, template, error):
    given = {"vmid": 100, "storage": "backups", "notes-template": template}
    assert gateway.call("POST", "/nodes/pve1/vzdump", given).errors == {"notes-template": error}


def test_notes_with_blanks_around_a_variable_stay_as_they_are(gateway):
    behind.edit(gateway.world, 100, name=None)
    vzdump(gateway, notes_template=r"{{ vmid }} {{guestname}} \\")
    assert listed(gateway)[0]["notes"] == "{{ vmid }} VM 100 \\"
