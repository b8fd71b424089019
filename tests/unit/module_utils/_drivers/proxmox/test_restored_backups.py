# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restoring backups on the simulated cluster: as a new VM, in the place of a lost one, and over an existing one."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.mark import birth_of
from ansible_collections.polyvirt.core.plugins.plugin_utils.backups import decisions
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import GuardedVm

from simulators.proxmox import behind
from simulators.proxmox.cluster import Pool
from simulators.proxmox.invariants import orphans
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, do_snapshot, machine_of
from unit.module_utils._drivers.proxmox.tasks import done, failed
from unit.module_utils._drivers.proxmox.test_backups import OTHER, record_of, reject, stored, taken, unchanged

HOUR = 3600
BESIDE = {"name": "web1", "state": "restored", "backup": "newest", "new_name": "web1b"}
REPLACE = {"name": "web1", "state": "restored", "backup": "newest", "replace": True}


def back_up(world, name="web1", byte=7, slot="scsi0"):
    """Back up a VM with a byte on its disk, which then gets another one; returns the id of the backup."""
    behind.write(world, number_of(world, name), slot, byte)
    taken(world, name=name)
    behind.write(world, number_of(world, name), slot, byte + 1)
    world.engine.advance(HOUR)
    return record_of(stored(world)[-1][1])["id"]


def number_of(world, name):
    return machine_of(world, name).vmid


def options(world, name):
    return machine_of(world, name).config.current


def byte_of(world, name, slot="scsi0"):
    machine = machine_of(world, name)
    return world.storages.existing(machine.config.current[slot].split(",")[0], machine.node).written


def restored(world, **asked):
    check, real = do_backup(world, check=True, **asked), do_backup(world, **asked)
    assert (check.failed, real.failed, real.changed, check.changed) == (False, False, True, True), real.msg
    assert real.diff == check.diff
    return real


def test_restore_as_another_vm(world):
    behind.edit(world, 100, onboot="1")
    back_up(world)
    before = dict(options(world, "web1"))
    restored(world, **BESIDE)
    new = machine_of(world, "web1b")
    assert (new.running, byte_of(world, "web1b"), byte_of(world, "web1")) == (False, 7, 8)
    assert new.config.current.get("onboot", "0") == "0"
    assert all(new.config.current[key] != before[key] for key in ("net0", "smbios1", "scsi0"))
    assert options(world, "web1") == before
    unchanged(world, **BESIDE)
    taken(world, name="web1b")
    assert len(stored(world)) == 2
    # It is a VM that this collection has created.
    assert not do(world, name="web1b", state="absent").failed
    assert orphans(world) == []


def test_new_vm_in_the_place_of_a_lost_one(world):
    back_up(world)
    before = dict(options(world, "web1"))
    behind.power(world, 100, on=False)
    assert not do(world, name="web1", id="100", state="absent", delete_disks="all").failed
    restored(world, name="web1", state="restored", backup="newest")
    after = machine_of(world, "web1")
    assert (after.vmid, byte_of(world, "web1"), after.running) == (100, 7, False)
    assert (after.config.current["net0"], after.config.current["smbios1"]) == (before["net0"], before["smbios1"])
    unchanged(world, name="web1", state="restored", backup="newest")
    assert do_backup(world, name="web1", max_age="2h").changed is False


def test_number_of_a_lost_vm_that_is_taken(world):
    back_up(world)
    behind.edit(world, 100, name="other", smbios1="uuid=3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1")
    restored(world, name="web1", state="restored", backup="newest")
    assert machine_of(world, "web1").vmid != 100
    assert byte_of(world, "web1") == 7
    # It continues the backups of the lost one.
    assert do_backup(world, name="web1", max_age="2h").changed is False


def test_restore_of_a_backup_by_its_id(world):
    first = back_up(world, byte=1)
    back_up(world, byte=3)
    restored(world, **{**BESIDE, "backup": first})
    assert byte_of(world, "web1b") == 1
    second = record_of(stored(world)[-1][1])["id"]
    reject(world, f"was not restored from backup '{second}'", **{**BESIDE, "backup": second})
    reject(world, "has no backup 'nothing'", **{**BESIDE, "backup": "nothing", "new_name": "web1c"})


def test_newest_of_several_vms_with_a_name_is_rejected(world):
    first = back_up(world, byte=1)
    behind.edit(world, 100, smbios1="uuid=3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1")
    back_up(world, byte=3)
    reject(world, "several VMs were named 'web1'", first, **BESIDE)
    restored(world, **{**BESIDE, "backup": first})
    assert byte_of(world, "web1b") == 1


def test_networks_and_storage_of_a_restored_vm(world):
    back_up(world)
    reject(world, "the backup does not use vmbr7", **BESIDE, networks={"vmbr7": "vmbr1"})
    reject(world, "vmbr9", **BESIDE, networks={"vmbr0": "vmbr9"})
    reject(world, "no node that can read backup", **BESIDE, disk_storage="isos")
    restored(world, **BESIDE, networks={"vmbr0": "vmbr1"}, disk_storage="nfs")
    assert "bridge=vmbr1" in options(world, "web1b")["net0"]
    assert options(world, "web1b")["scsi0"].startswith("nfs:")


@pytest.mark.parametrize("step", [0, 1])
def test_failed_restore_as_another_vm_leaves_nothing(world, step):
    back_up(world)
    numbers = set(world.cluster.machines)
    world.faults.task("qmrestore", "no space left", step=step)
    assert not failed(world, "no space left", run=do_backup, **BESIDE).changed
    assert (set(world.cluster.machines), orphans(world)) == (numbers, [])
    restored(world, **BESIDE)


def test_restored_vm_that_lacks_a_disk_is_removed(world):
    back_up(world)
    numbers = set(world.cluster.machines)
    stored(world)[-1][1].archive.disks.pop("scsi0")
    failed(world, "the restored VM differs from the backup: scsi0", run=do_backup, **BESIDE)
    assert set(world.cluster.machines) == numbers


def test_damaged_archive_is_noticed_before_the_vm_is_touched(world):
    back_up(world)
    behind.power(world, 100, on=False)
    stored(world)[-1][1].archive.damaged = True
    before = dict(options(world, "web1"))
    failed(world, "exit code 133", run=do_backup, **REPLACE)
    assert (options(world, "web1"), byte_of(world, "web1"), orphans(world)) == (before, 8, [])
    assert sorted(world.cluster.machines) == [100, 101, 9000]


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
def test_lost_answer_creates_one_vm(world, kind):
    back_up(world)
    world.faults.request(kind, method="POST", path="/nodes/pve1/qemu")
    done(world, run=do_backup, **BESIDE)
    assert sorted(world.cluster.machines) == [100, 101, 102, 9000]
    unchanged(world, **BESIDE)


def test_replace_needs_permission(world):
    back_up(world)
    reject(world, "replace: true", name="web1", state="restored", backup="newest")


@pytest.mark.parametrize("running", [True, False])
def test_replace_a_vm_of_somebody_else(world, running):
    """Its former disk is detached, and not deleted: no task has created it."""
    back_up(world)
    behind.power(world, 100, on=running)
    before = dict(options(world, "web1"))
    result = restored(world, **REPLACE)
    machine = machine_of(world, "web1")
    after = machine.config.current
    assert (machine.vmid, machine.running, byte_of(world, "web1")) == (100, running, 7)
    assert all(after[key] == before[key] for key in ("net0", "smbios1", "memory"))
    assert after["unused0"] == before["scsi0"].split(",")[0]
    assert [one["path"] for one in result.vms[0]["kept"]] == [after["unused0"]]
    assert (sorted(world.cluster.machines), orphans(world)) == ([100, 101, 9000], [])
    assert do_backup(world, name="web1", max_age="2h").changed is False


def test_replaced_vm_keeps_its_pool(world):
    world.cluster.pools["prod"].vms.add(100)
    back_up(world)
    restored(world, **REPLACE)
    assert world.cluster.pools["prod"].vms == {100}


def test_node_that_cannot_read_the_backup(world):
    """The VM has moved since its backup, which is on a local storage of its former node."""
    world.storages.get("local").content |= {"backup"}
    asked = {"name": "web3", "storage": "local"}
    do(world, name="web3", node="pve1", disks=[{"size": "1G"}], networks=[], storage="nfs")
    taken(world, **asked)
    assert do(world, name="web3", node="pve2").changed
    reject(world, "its node 'pve2' cannot read backup", "pve1 can", **{**REPLACE, **asked})
    assert do(world, name="web3", node="pve1").changed
    restored(world, **{**REPLACE, **asked})


@pytest.mark.parametrize(("given", "pool"), [({}, "prod"), ({"pool": "lab"}, "lab")])
def test_pool_of_a_new_vm(world, given, pool):
    world.cluster.pools["prod"].vms.add(100)
    world.cluster.pools["lab"] = Pool("")
    back_up(world)
    restored(world, **BESIDE, **given)
    assert number_of(world, "web1b") in world.cluster.pools[pool].vms
    reject(world, "there is no pool 'x'", **{**BESIDE, "new_name": "web1c", "pool": "x"})


def test_replace_an_own_vm_deletes_its_former_disks(world):
    do(world, name="web3", state="started", disks=[{"size": "1G"}, {"size": "2G"}], node="pve1")
    back_up(world, "web3")
    do(world, name="web3", tags=["new"], disks=[{}, {"slot": "scsi1"}, {"size": "3G"}])
    # Nothing else has the content of the new disk.
    reject(world, "does not contain disk scsi2, which the VM has", **{**REPLACE, "name": "web3"})
    assert do(world, name="web3", disks=[{}, {"slot": "scsi1"}], purge=["disks"]).changed
    assert do(world, name="web3", unused_disks="delete_owned").changed
    restored(world, **{**REPLACE, "name": "web3"})
    after = options(world, "web3")
    assert (byte_of(world, "web3"), machine_of(world, "web3").running) == (7, True)
    assert [key for key in after if key.startswith(("scsi", "unused")) and key != "scsihw"] == ["scsi0", "scsi1"]
    assert orphans(world) == []
    assert not do(world, name="web3", state="absent").failed
    assert orphans(world) == []


@pytest.mark.parametrize("step", [0, 1])
def test_failure_while_the_vm_is_overwritten_leaves_the_copy_and_the_former_disks(world, step):
    back_up(world)
    former = options(world, "web1")["scsi0"].split(",")[0]
    world.faults.task("qmrestore", "no space left", step=step, id="100")
    words = (
        "no space left",
        "Run the task again: it overwrites VM 100 again",
        "VM 102 'web1-restored' is a complete restore",
        "were not deleted",
    )
    failed(world, *words, run=do_backup, **REPLACE)
    assert (byte_of(world, "web1-restored"), machine_of(world, "web1-restored").running) == (7, False)
    assert world.storages.volume(former, "pve1").written == 8
    assert not world.cluster.machines[100].running
    birth = record_of(stored(world)[-1][1])["birth"]
    # The next task overwrites the same VM.
    restored(world, **REPLACE)
    assert (byte_of(world, "web1"), machine_of(world, "web1").vmid) == (7, 100)
    assert sorted(world.cluster.machines) == [100, 101, 9000]
    assert birth_of("100", options(world, "web1")) == birth
    assert machine_of(world, "web1").running
    assert world.storages.volume(former, "pve1").written == 8
    assert do_backup(world, name="web1", max_age="2h").changed is False
    behind.edit(world, 100, unused0=None)
    world.storages.free(former, "pve1")


def test_vm_that_a_user_has_restored_under_the_name_of_the_copy_remains(world):
    back_up(world)
    restored(world, **{**BESIDE, "new_name": "web1-restored"})
    reject(world, "is named 'web1-restored'", **REPLACE)
    assert byte_of(world, "web1-restored") == 7


def test_killed_before_it_was_overwritten_uses_the_copy_again(world):
    back_up(world)
    world.faults.request("reset", method="POST", path="/nodes/pve1/qemu", skip=1, times=1)
    assert do_backup(world, **REPLACE).failed
    assert machine_of(world, "web1-restored").vmid == 102
    restored(world, **REPLACE)
    assert byte_of(world, "web1") == 7
    assert sorted(world.cluster.machines) == [100, 101, 9000]


def test_lost_answer_of_the_restore_over_a_vm(world):
    back_up(world)
    world.faults.request("reset_after", method="POST", path="/nodes/pve1/qemu", skip=1)
    done(world, run=do_backup, **REPLACE)
    assert byte_of(world, "web1") == 7


def test_what_is_not_overwritten(world):
    back_up(world)
    behind.edit(world, 100, protection="1")
    reject(world, "protected against being removed", **REPLACE)
    behind.edit(world, 100, protection=None)
    behind.edit(world, 101, name="web1-restored")
    reject(world, "VM 101 is named 'web1-restored'", **REPLACE)
    behind.edit(world, 100, smbios1="uuid=3f078c8c-3f1b-4bb0-8b0a-3c1b5ae0a0f1")
    reject(world, "there is no complete backup", **REPLACE)


def test_space_for_copy_and_former_disks(world):
    back_up(world)
    world.storages.get("local-lvm").type = "lvm"
    world.storages.get("local-lvm").total = (32 + 8 + 60) << 30
    world.statistics.renew()
    reject(world, "are needed", **REPLACE)
    world.storages.get("local-lvm").type = "lvmthin"


@pytest.mark.parametrize(("size", "fits"), [("1025M", True), ("1028M", True), ("1024M", False), ("1029M", False)])
def test_disk_that_a_storage_has_rounded_up_is_whole(world, size, fits):
    """An extent of LVM has 4 MiB. A smaller disk, or a much larger one, is not the one of the backup."""
    behind.edit(world, 100, scsi0=options(world, "web1")["scsi0"].replace("size=32G", f"size={size}"))
    back_up(world)
    archive = stored(world)[-1][1].archive
    archive.disks["scsi0"] = (1025 << 20, *archive.disks["scsi0"][1:])
    outcome = do_backup(world, **BESIDE)
    assert outcome.failed is not fits, outcome.msg
    assert fits or "the restored VM differs from the backup: scsi0" in outcome.msg
    assert not fits or "size=1028M" in options(world, "web1b")["scsi0"]


def test_restored_vm_has_no_expiry_but_keeps_its_fleet(world):
    """The VM was lost when it had expired. Otherwise reap would delete the restored one immediately."""
    lease = {"owner": "me", "expires": "2026-09-20", "fleet": "shop"}
    do(world, name="web3", state="stopped", disks=[{"size": "1G"}], node="pve1", owner="me", fleet="shop")
    do(world, name="web3", expires="8h", controller_time=int(world.now))
    back_up(world, "web3")
    assert do(world, name="web3", state="absent").changed
    restored(world, name="web3", state="restored", backup="newest")
    (vm,) = do(world, name="web3", check=True).vms
    assert {key: vm[key] for key in lease} == {**lease, "expires": None}
    copy = {"name": "web3", "state": "restored", "backup": "newest", "new_name": "web3b"}
    restored(world, **copy)
    (vm,) = do(world, name="web3b", check=True).vms
    assert {key: vm[key] for key in lease} == dict.fromkeys(lease)


def test_replaced_vm_keeps_its_name_and_its_lease(world):
    do(world, name="web3", state="stopped", disks=[{"size": "1G"}], node="pve1", owner="me")
    back_up(world, "web3")
    vmid = str(number_of(world, "web3"))
    do(world, name="new", id=vmid, allow_rename=True, owner="you")
    restored(world, **{**REPLACE, "name": "new"})
    (vm,) = do(world, name="new", check=True).vms
    assert (vm["owner"], vm["id"]) == ("you", vmid)


@pytest.mark.parametrize("by_hand", [True, False], ids=["by hand", "allow_rename"])
def test_backups_of_a_renamed_vm_are_restored_beside_it(world, by_hand):
    do(world, name="web3", state="stopped", disks=[{"size": "1G"}], node="pve1")
    backup, vmid = back_up(world, "web3"), number_of(world, "web3")
    if by_hand:
        behind.edit(world, vmid, name="new")
        world.statistics.renew()
    else:
        done(world, name="new", id=str(vmid), allow_rename=True)
    for number, wanted in enumerate(("newest", backup)):
        restored(world, name="new", state="restored", backup=wanted, new_name=f"copy{number}")
        assert byte_of(world, f"copy{number}") == 7
    drilled = GuardedVm("lab", "proxmox", "new", str(vmid), ("new",))
    listed = done(world, run=do_backup, check=True, name="new", **decisions.list_backups({}))
    chosen, _why = decisions.newest(drilled, {"vms": listed.vms}, world.now)
    restored(world, **decisions.restore(drilled, chosen["id"]))
    assert byte_of(world, decisions.name_of(backup)) == 7
    behind.edit(world, vmid, smbios1=OTHER)  # Another VM has the name now.
    reject(world, "there is no complete backup of 'new'", **{**BESIDE, "name": "new", "new_name": "copy9"})


def test_backups_of_a_vm_that_was_restored_and_renamed_are_restored_beside_it(world):
    """Its record names the births that it continues."""
    back_up(world)
    behind.edit(world, 100, name="other", smbios1=OTHER)
    restored(world, name="web1", state="restored", backup="newest")
    behind.edit(world, number_of(world, "web1"), name="new")
    world.statistics.renew()
    restored(world, **{**BESIDE, "name": "new"})
    assert byte_of(world, "web1b") == 7


def test_snapshots_of_one_name_are_different_plans(world):
    """An approval is for the snapshot that was there, not for a later one with its name."""
    back_up(world)
    plans = set()
    for _number in range(2):
        done(world, run=do_snapshot, name="web1", snapshot="one", include_memory=False)
        plans.add(do_backup(world, check=True, **REPLACE).vms[0]["plan"])
        world.engine.advance(60)
        done(world, run=do_snapshot, name="web1", snapshot="one", state="absent")
    assert len(plans) == 2


def test_plan_names_snapshots_space_and_copy(world):
    back_up(world)
    plan = do_backup(world, check=True, **REPLACE).vms[0]["plan"]
    done(world, run=do_snapshot, name="web1", snapshot="before", include_memory=False)
    outcome = do_backup(world, check=True, **REPLACE)
    also = " ".join(text for step in outcome.vms[0]["steps"] for text in step["also"])
    for words in ("Snapshots of the VM are lost: before", "twice", "NAME-restored"):
        assert words in also
    assert outcome.vms[0]["plan"] != plan
    restored(world, **REPLACE)
    assert machine_of(world, "web1").config.snapshots == {}
