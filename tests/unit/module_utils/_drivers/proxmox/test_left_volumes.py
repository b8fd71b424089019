# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes of somebody else with the number of a VM: no new VM gets them, and no VM is deleted with them in silence."""

from __future__ import annotations

from functools import partial

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import claims, create, delete

from simulators.proxmox import behind
from simulators.proxmox.storage import GIB
from unit.module_utils._drivers.proxmox.disturbed import before_request
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, machine_of, put, rejected
from unit.module_utils._drivers.proxmox.tasks import done, failed
from unit.module_utils._drivers.proxmox.test_backups import record_of, reject, stored
from unit.module_utils._drivers.proxmox.test_left_by_restores import killed_restore
from unit.module_utils._drivers.proxmox.test_own_volumes import REFUSED
from unit.module_utils._drivers.proxmox.test_restored_backups import BESIDE, REPLACE, back_up, options, restored

NEW = {"name": "web3", "node": "pve1"}
LOST = {"name": "web1", "state": "restored", "backup": "newest"}
CREATED = {
    "disks": (do, {**NEW, "disks": [{"size": "1G"}]}),
    "image": (do, {**NEW, "image": {"source": "local:import/x.qcow2"}}),
    "clone": (do, {"name": "web3", "clone": {"source": "tmpl"}}),
    "linked clone": (do, {"name": "web3", "clone": {"source": "tmpl", "linked": True}}),
    "restored": (do_backup, {**BESIDE, "new_name": "web3"}),
}


@pytest.fixture(name="left")
def _left(world):
    """Volumes that a former VM 102, which is the next free number, has left on two storages."""
    storages = world.storages
    volumes = [storages.allocate(one, "pve1", 102, GIB) for one in ("local-lvm", "nfs")]
    volumes.append(storages.allocate("nfs", "pve1", 102, GIB, kind="cloudinit"))
    yield volumes
    assert [storages.volume(one, "pve1").vmid for one in volumes] == [102] * 3
    assert not any(one in text for machine in world.cluster.machines.values() for one in volumes
                   for text in machine.config.current.values())  # fmt: skip


def test_copy_of_a_restore_is_not_deleted_with_volumes_of_others(world, left):
    back_up(world)
    restored(world, **REPLACE)
    assert sorted(world.cluster.machines) == [100, 101, 9000]


@pytest.mark.parametrize("way", CREATED)
def test_new_vm_gets_no_number_with_volumes(world, left, way):
    back_up(world)
    run, asked = CREATED[way]
    done(world, run=run, **asked)
    assert machine_of(world, "web3").vmid == 103
    done(world, name="web3", state="absent")


@pytest.mark.parametrize("asked", [CREATED["disks"][1], CREATED["clone"][1]], ids=["disks", "clone"])
def test_requested_number_with_volumes_is_rejected(world, left, asked):
    rejected(world, "web3", "number 102", *left, f"pvesm free {left[0]}", **asked, id="102")


def test_number_of_a_lost_vm_whose_volumes_remain(world):
    back_up(world)
    behind.power(world, 100, on=False)
    volume = options(world, "web1")["scsi0"].partition(",")[0]
    del world.cluster.machines[100]
    world.statistics.renew()
    reject(world, "number 100", f"pvesm free {volume}", **LOST)
    restored(world, **BESIDE)
    world.storages.free(volume, "pve1")
    restored(world, **LOST)
    assert machine_of(world, "web1").vmid == 100


@pytest.mark.parametrize("way", CREATED)
def test_storage_that_does_not_answer(world, way):
    back_up(world)
    run, asked = CREATED[way]
    reason = "storage 'nfs' is not online"
    world.faults.request("reply", path=".*/storage/nfs/content", times=9, status=500, reason=reason)
    rejected(world, "storage 'nfs' on node 'pve1'", reason, "--disable 1", run=run, **asked)


def test_unfinished_vm_is_not_deleted_with_a_disk_of_a_user(world):
    first, second = (back_up(world, byte=byte) for byte in (1, 3))
    killed_restore(world, 0, **{**BESIDE, "backup": first})
    put(world, 102, scsi7="local-lvm:1")
    volume = options(world, "web1b")["scsi7"].partition(",")[0]
    restore = partial(failed, world, volume, "Reassign Owner", run=do_backup)
    restore(**{**BESIDE, "backup": second})
    assert world.storages.volume(volume, "pve1")
    put(world, 102, delete="scsi7")
    put(world, 102, delete="unused0")
    restored(world, **{**BESIDE, "backup": second})
    assert record_of(stored(world)[-1][1])["id"] == second


@pytest.mark.parametrize("way", ["disks", "clone"])
def test_disk_of_a_user_that_the_vm_loses_at_its_next_start(world, way):
    """The server deletes it with the VM, although the settings of the next start do not name it."""
    done(world, run=CREATED[way][0], **{**CREATED[way][1], "id": "500"})
    put(world, sata3="local-lvm:1")
    done(world, name="web3", state="started")
    put(world, delete="sata3")
    (volume,) = [text for text in options(world, "web3").values() if "vm-500-disk-1" in text]
    stop = {"name": "web3", "state": "absent", "stop_mode": "force"}
    rejected(world, volume.partition(",")[0], *REFUSED, **stop)
    done(world, **stop, delete_disks="all")


# Without a check before, the call itself is refused: no plan lists the volume ----------------------------------------


def test_volume_after_the_plan_is_refused_at_the_call(world, monkeypatch):
    done(world, **{**CREATED["disks"][1], "id": "500"})
    monkeypatch.setattr(delete, "_check_same", lambda *_words: None)
    late = before_request(world, "GET", "/500/pending", lambda: put(world, scsi7="local-lvm:1"), number=2)
    failed(world, "vm-500-disk-1: a step was about to delete", api=late, name="web3", state="absent")
    assert "scsi7" in options(world, "web3")


def test_unused_disk_that_is_in_no_plan_is_refused_at_the_call(world, monkeypatch):
    done(world, **{**CREATED["disks"][1], "id": "500"})
    put(world, scsi7="local-lvm:1")
    put(world, delete="scsi7")
    monkeypatch.setattr(claims.ProxmoxClaims, "_purged", lambda *_words: ())
    failed(world, "vm-500-disk-1: a step was about to delete", name="web3", unused_disks="delete_all")
    assert "unused0" in options(world, "web3")


def test_copy_with_a_disk_of_a_user_is_refused_at_the_call(world, monkeypatch):
    first, second = (back_up(world, byte=byte) for byte in (1, 3))
    killed_restore(world, 0, **{**BESIDE, "backup": first})
    put(world, 102, scsi7="local-lvm:1")
    monkeypatch.setattr(create, "check_volumes", lambda *_words: None)
    failed(world, "vm-102-disk-1: a step was about to delete", run=do_backup, **{**BESIDE, "backup": second})
    assert "scsi7" in options(world, "web1b")
