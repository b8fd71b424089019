# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are not attached (``unused0``) are data: only the option unused_disks deletes them."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, put, rejected, unchanged
from unit.module_utils._drivers.proxmox.tasks import account

NEW = {"name": "web3", "id": "500", "node": "pve1"}
DETACH = [{"slot": "scsi1", "state": "absent"}]


def _unused(world, vmid=500):
    options = world.cluster.machines[vmid].config.current
    return sorted(value for key, value in options.items() if key.startswith("unused"))


def _volumes(world):
    return {volid for volid in world.storages.owned_by(500, "pve1") if "disk" in volid}


@pytest.fixture(name="world")
def _with_unused_disks(world):
    """The VM web3 with a disk that a task has detached, and one that a user has detached."""
    assert do(world, **NEW, disks=[{"slot": "scsi0", "size": "1G"}, {"slot": "scsi1", "size": "1G"}]).changed
    applied(world, name="web3", disks=DETACH)
    put(world, scsi2="local-lvm:1")
    put(world, delete="scsi2")
    assert _unused(world) == ["local-lvm:vm-500-disk-1", "local-lvm:vm-500-disk-2"]
    return world


@pytest.mark.parametrize(
    ("word", "left"),
    [
        ("keep", ["local-lvm:vm-500-disk-1", "local-lvm:vm-500-disk-2"]),
        ("delete_owned", ["local-lvm:vm-500-disk-2"]),
        ("delete_all", []),
    ],
)
def test_word_deletes_what_it_names(world, word, left):
    unchanged(world, name="web3", disks=[{"slot": "scsi0"}], purge=["disks"])
    (unchanged if word == "keep" else applied)(world, name="web3", unused_disks=word)
    assert (_unused(world), _volumes(world)) == (left, {"local-lvm:vm-500-disk-0", *left})


def test_diff_names_the_volumes(world):
    (diff,) = do(world, check=True, name="web3", unused_disks="delete_owned").diff
    assert "local-lvm:vm-500-disk-1" in str(diff["before"])
    assert "local-lvm:vm-500-disk-1" not in str(diff["after"])
    assert "local-lvm:vm-500-disk-2" in str(diff["after"])


def test_unused_disks_of_a_foreign_vm_belong_to_nobody(world):
    put(world, 100, scsi2="local-lvm:1")
    put(world, 100, delete="scsi2")
    unchanged(world, name="web1", unused_disks="delete_owned")
    assert len(_unused(world, 100)) == 1


def test_running_vm(world):
    applied(world, name="web3", state="started")
    outcome = do(world, name="web3", unused_disks="delete_all")
    assert (outcome.failed, outcome.changed, outcome.vms[0]["restart_required"]) == (False, True, []), outcome.msg
    assert _unused(world) == []


def test_disk_that_the_same_task_detaches(world):
    applied(world, name="web3", disks=[{"slot": "scsi3", "size": "1G"}])
    gone = {"name": "web3", "unused_disks": "delete_owned"}
    rejected(world, "disks.scsi3", "not unused yet", disks=[{"slot": "scsi3", "state": "absent"}], **gone)
    rejected(world, "disks.scsi3", "not unused yet", disks=[{"slot": "scsi0"}], purge=["disks"], **gone)
    applied(world, **gone)
    rejected(world, "disks.scsi3", "not unused yet", disks=[{"slot": "scsi0"}], purge=["disks"], **gone)


def test_snapshot_and_protection_keep_them(world):
    applied(world, name="web3", disks=[{"slot": "scsi3", "size": "1G"}])
    assert do_snapshot(world, name="web3", snapshot="before").changed
    applied(world, name="web3", disks=[{"slot": "scsi3", "state": "absent"}])
    task = {"name": "web3", "unused_disks": "delete_owned"}
    rejected(world, "web3: unused_disks", "snapshot 'before' holds local-lvm:vm-500-disk-3", **task)
    assert do_snapshot(world, name="web3", snapshot="before", state="absent").changed
    applied(world, name="web3", protection=True)
    rejected(world, "unused_disks cannot be removed: the VM is protected", **task)
    applied(world, **task, protection=False)


def test_linked_clone_keeps_its_base(world):
    applied(world, name="web3", disks=[{"slot": "scsi3", "size": "1G", "storage": "nfs"}])
    applied(world, name="web3", template=True)
    clone = {"name": "copy", "clone": {"source": "web3", "linked": True}}
    assert do(world, **clone).changed
    base = world.cluster.machines[500].config.current["scsi3"].partition(",")[0]
    behind.edit(world, 500, unused7=base, scsi3=None)
    rejected(world, "web3: unused_disks", base, "copy", name="web3", unused_disks="delete_all")
    assert do(world, name="copy", state="absent").changed
    applied(world, name="web3", unused_disks="delete_all")


def test_volume_that_is_named_after_another_vm_is_not_owned(world):
    """Its entry is removed, and the server keeps the volume of the other VM."""
    behind.edit(world, 500, unused7="local-lvm:vm-100-disk-0")
    applied(world, name="web3", unused_disks="delete_owned")
    assert "local-lvm:vm-100-disk-0" in _unused(world)
    applied(world, name="web3", unused_disks="delete_all")
    assert _unused(world) == []
    assert "local-lvm:vm-100-disk-0" in world.storages.owned_by(100, "pve1")


def test_record_of_an_earlier_version_names_all_volumes_of_the_vm_and_no_others(world):
    record = '<!-- polyvirt {"id":"500","inputs":{},"v":1} -->'
    behind.edit(world, 500, unused7="local-lvm:vm-100-disk-0", description=record)
    applied(world, name="web3", unused_disks="delete_owned")
    assert _unused(world) == ["local-lvm:vm-100-disk-0"]
    behind.edit(world, 500, unused7=None)


@pytest.mark.parametrize("missing", ["VM.Config.Disk", "Datastore.AllocateSpace"])
def test_account_without_a_privilege(world, missing):
    api = account(world, ("/", world.access.roles["Administrator"] - {missing}))
    rejected(world, missing, name="web3", unused_disks="delete_all", api=api)
