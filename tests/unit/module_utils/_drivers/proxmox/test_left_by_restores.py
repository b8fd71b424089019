# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What interrupted and failed restores leave on the simulated cluster, and what the next task does with it."""

from __future__ import annotations

import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import restore

from simulators.proxmox import behind
from simulators.proxmox.invariants import orphans
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed, let_tasks_end
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, machine_of, rejected
from unit.module_utils._drivers.proxmox.tasks import done
from unit.module_utils._drivers.proxmox.test_backups import OTHER
from unit.module_utils._drivers.proxmox.test_restored_backups import (
    BESIDE,
    REPLACE,
    back_up,
    byte_of,
    number_of,
    options,
    reject,
    restored,
)

BY_NUMBER = {"id": "100", "state": "restored", "backup": "newest", "replace": True}


@pytest.fixture(name="freed_orphans")
def _freed_orphans(world):
    """Volumes that no VM has any more are freed at the end."""
    yield
    for volume in orphans(world):
        world.storages.free(volume, "pve1")


def killed_restore(world, until, **asked):
    """A task that restores a backup is killed after its changing request number ``until``."""
    api = Disturbed(world, until, "kill after")
    with pytest.raises(Killed):
        do_backup(world, api=api, **asked)
    let_tasks_end(world)


def failed_restore(world, vmid=100, **asked):
    """A task fails after it has deleted the disks of this VM, and before they are restored."""
    world.faults.task("qmrestore", "no space left", step=1, id=str(vmid))
    assert do_backup(world, **asked).failed
    world.statistics.renew()


@pytest.mark.parametrize("asked", [BESIDE, REPLACE])
def test_killed_restore_of_another_backup_leaves_nothing(world, asked):
    """Its record names the backup, so the unfinished VM can be nothing else."""
    first, second = back_up(world, byte=1), back_up(world, byte=3)
    killed_restore(world, 0, **{**asked, "backup": first})
    assert len(world.cluster.machines) == 4
    restored(world, **{**asked, "backup": second})
    assert byte_of(world, asked.get("new_name", "web1")) == 3
    assert len(world.cluster.machines) == 4 - (asked is REPLACE)
    behind.edit(world, 100, unused0=None)


def test_unfinished_vm_of_another_source_is_no_leftover_of_a_restore(world):
    back_up(world)
    api = Disturbed(world, 0, "kill after")
    with pytest.raises(Killed):
        do(world, api=api, name="web1b", disks=[{"size": "1G"}], node="pve1")
    let_tasks_end(world)
    reject(world, "is unfinished: a task started to create it from another source", **BESIDE)


def test_vm_that_is_not_whole_after_the_restore_is_restored_again(world, monkeypatch):
    """Its record does not say that it is complete, so the next task does more than to delete the former disks."""
    do(world, name="web3", state="started", disks=[{"size": "1G"}], node="pve1")
    back_up(world, "web3")
    former, check = options(world, "web3")["scsi0"].split(",")[0], restore._check_whole

    def broken(name, wanted, vm_options):
        if name == "web3":
            raise ApiError("it differs", None)
        check(name, wanted, vm_options)

    monkeypatch.setattr(restore, "_check_whole", broken)
    outcome = do_backup(world, **{**REPLACE, "name": "web3"})
    assert outcome.failed
    assert "it differs" in outcome.msg
    monkeypatch.setattr(restore, "_check_whole", check)
    behind.write(world, number_of(world, "web3"), "scsi0", 99)
    assert world.storages.volume(former, "pve1").written == 8
    restored(world, **{**REPLACE, "name": "web3"})
    assert (byte_of(world, "web3"), machine_of(world, "web3").running) == (7, True)
    assert not any(key.startswith("unused") for key in options(world, "web3"))
    assert orphans(world) == []


@pytest.mark.parametrize(("has_failed", "by_number"), [(True, False), (True, True), (False, False)])
def test_vm_with_an_earlier_birth_is_overwritten_and_keeps_its_mac_address(world, freed_orphans, has_failed, by_number):
    """The VM has got another number by an earlier restore, and its backups are of the first one."""
    first = back_up(world)
    behind.edit(world, 100, name="other", net0="virtio=BC:24:11:00:00:01,bridge=vmbr0", smbios1=OTHER)
    restored(world, name="web1", state="restored", backup=first)
    vmid, nic = number_of(world, "web1"), options(world, "web1")["net0"]
    asked = {**REPLACE, "backup": first}
    if has_failed:
        failed_restore(world, vmid, **asked)
    if by_number:
        asked = {**asked, "name": None, "id": str(vmid)}
    restored(world, **asked)
    assert (number_of(world, "web1"), byte_of(world, "web1")) == (vmid, 7)
    # That of the backup is the MAC address of the VM that it was created of, which may run.
    assert options(world, "web1")["net0"] == nic
    assert len(world.cluster.machines) == 4


def test_complete_copy_of_another_backup_remains(world):
    """It can be the only complete restore that somebody has."""
    first, second = back_up(world, byte=1), back_up(world, byte=3)
    killed_restore(world, 1, **{**REPLACE, "backup": first})
    assert byte_of(world, "web1-restored") == 1
    reject(world, "is named 'web1-restored'", **{**REPLACE, "backup": second})
    restored(world, **{**REPLACE, "backup": first})
    assert byte_of(world, "web1") == 1
    behind.edit(world, 100, unused0=None)


def test_copy_for_another_vm_with_the_name_is_not_used(world):
    back_up(world)
    killed_restore(world, 1, **REPLACE)
    text = options(world, "web1-restored")["description"]
    edited, count = re.subn(r'("copy_for": ?")100:', r"\g<1>999:", text)
    assert count == 1, text
    behind.edit(world, number_of(world, "web1-restored"), description=edited)
    reject(world, "is named 'web1-restored'", **REPLACE)
    assert byte_of(world, "web1-restored") == 7


def test_lost_vm_is_completed_by_the_next_task(world):
    back_up(world)
    before = dict(options(world, "web1"))
    behind.power(world, 100, on=False)
    assert not do(world, name="web1", id="100", state="absent", delete_disks="all").failed
    killed_restore(world, 0, name="web1", state="restored", backup="newest")
    restored(world, name="web1", state="restored", backup="newest")
    after = options(world, "web1")
    assert (machine_of(world, "web1").vmid, byte_of(world, "web1")) == (100, 7)
    assert (after["net0"], after["smbios1"]) == (before["net0"], before["smbios1"])


def test_rest_of_a_vm_of_somebody_else_remains(world):
    """A restore by hand has failed: nothing records that this VM is ours."""
    back_up(world)
    machine = world.cluster.machines[100]
    world.engine.advance(1)
    behind.power(world, 100, on=False)
    former = options(world, "web1")["scsi0"].split(",")[0]
    machine.text = "memory: 128\n"
    restored(world, name="web1", state="restored", backup="newest")
    assert machine_of(world, "web1").vmid != 100
    assert machine.text == "memory: 128\n"
    world.storages.free(former, "pve1")


def test_vm_that_got_the_number_of_a_rest_remains(world, freed_orphans):
    """The rest was deleted by hand after a failed restore, and somebody has created another VM since."""
    back_up(world)
    behind.power(world, 100, on=False)
    failed_restore(world, **REPLACE)
    machine = world.cluster.machines[100]
    machine.text = "memory: 2048\nname: other\n"
    world.statistics.renew()
    restored(world, name="web1", state="restored", backup="newest")
    assert (machine.text, machine_of(world, "web1").vmid != 100) == ("memory: 2048\nname: other\n", True)


@pytest.mark.parametrize(("asked", "power"), [(BY_NUMBER, "on"), (BY_NUMBER, "off"), (REPLACE, "off")])
def test_rest_of_a_vm_is_overwritten_by_a_task_with_its_number(world, freed_orphans, asked, power):
    """It has neither a name nor a record any more. A task with the name of the VM finds it, too."""
    back_up(world)
    if power == "off":
        behind.power(world, 100, on=False)
    failed_restore(world, **asked)
    assert dict(world.cluster.machines[100].config.current) == {"memory": "128"}
    restored(world, **asked)
    assert (machine_of(world, "web1").vmid, byte_of(world, "web1")) == (100, 7)
    assert machine_of(world, "web1").running is (power == "on")
    assert sorted(world.cluster.machines) == [100, 101, 9000]


def test_rest_that_fails_twice_is_started_at_the_end(world, freed_orphans):
    back_up(world)
    for _time in range(2):
        failed_restore(world, **BY_NUMBER)
    restored(world, **BY_NUMBER)
    assert (byte_of(world, "web1"), machine_of(world, "web1").running) == (7, True)


def test_rest_that_no_copy_explains_is_not_overwritten(world, freed_orphans):
    back_up(world)
    world.engine.advance(1)
    behind.power(world, 100, on=False)
    world.cluster.machines[100].text = "memory: 128\n"
    assert do_backup(world, **BY_NUMBER).failed
    assert world.cluster.machines[100].text == "memory: 128\n"


@pytest.mark.parametrize("state", ["absent", "started"])
def test_name_of_a_rest_is_not_the_name_of_no_vm(world, freed_orphans, state):
    """A task to delete the VM must not report that there is nothing to do. Deleted by their numbers, both go."""
    back_up(world)
    failed_restore(world, **REPLACE)
    asked = {"name": "web1", "state": state}
    rejected(world, "web1: a restore over VM 100 failed half-way", "id: '100' and id: '102'", **asked)
    for vmid in ("100", "102"):
        done(world, id=vmid, state="absent")
    assert sorted(world.cluster.machines) == [101, 9000]
    assert do(world, name="web1", state="absent").changed is False


def test_copy_of_a_vm_that_was_replaced_by_hand_claims_no_name(world, freed_orphans):
    back_up(world)
    failed_restore(world, **REPLACE)
    world.cluster.machines[100].text = "memory: 2048\nname: other\n"
    world.statistics.renew()
    assert done(world, name="web1", state="absent").changed is False
