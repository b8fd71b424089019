# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server deletes all volumes of a VM with it: only those that the record names were created by tasks."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, put, rejected
from unit.module_utils._drivers.proxmox.tasks import account, done

NEW = {"name": "web3", "id": "500", "node": "pve1"}
CREATED = {
    "disks": {**NEW, "disks": [{"size": "1G"}, {"slot": "sata1", "size": "1G"}], "firmware": "uefi", "tpm": True},
    "image": {**NEW, "image": {"source": "local:import/x.qcow2"}, "cloud_init": {"user": "anna"}},
    "clone": {"name": "web3", "id": "500", "clone": {"source": "tmpl"}},
    "linked clone": {"name": "web3", "id": "500", "clone": {"source": "tmpl", "linked": True}},
}
REFUSED = ("is deleted together with its VM", "delete_disks: all")


def _is_deleted(world, **requested):
    done(world, name="web3", state="absent", **requested)
    assert 500 not in world.cluster.machines


@pytest.mark.parametrize("requested", CREATED.values(), ids=CREATED)
def test_vm_is_deleted_with_the_disks_that_tasks_created(world, requested):
    assert do(world, **requested).changed
    first = {"slot": "scsi0"}
    applied(world, name="web3", disks=[first, {"slot": "scsi3", "size": "1G"}])
    _is_deleted(world)


@pytest.mark.parametrize("requested", CREATED.values(), ids=CREATED)
@pytest.mark.parametrize("slot", ["scsi5", "virtio0", "ide3"])
def test_disk_of_a_user_is_not_deleted_in_silence(world, requested, slot):
    assert do(world, **requested).changed
    put(world, **{slot: "local-lvm:1"})
    rejected(world, *REFUSED, name="web3", state="absent")
    do(world, name="web3", memory="3G", owner="anna")
    rejected(world, *REFUSED, name="web3", state="absent")
    _is_deleted(world, delete_disks="all")


def test_disk_that_a_user_detached_and_one_that_a_task_detached(world):
    disks = [{"slot": "scsi0", "size": "1G"}, {"slot": "scsi1", "size": "1G"}]
    do(world, **NEW, disks=disks)
    applied(world, name="web3", disks=[{"slot": "scsi1", "state": "absent"}])
    assert "unused0" in world.cluster.machines[500].config.current
    done(world, name="web3", state="absent", check=True)
    put(world, scsi2="local-lvm:1")
    put(world, delete="scsi2")
    assert "unused1" in world.cluster.machines[500].config.current
    rejected(world, "vm-500-disk-2", *REFUSED, name="web3", state="absent")


def test_detached_disk_of_a_task_is_its_own_again_when_it_is_attached(world):
    do(world, **NEW, disks=[{"slot": "scsi0", "size": "1G"}, {"slot": "scsi1", "size": "1G"}])
    applied(world, name="web3", disks=[{"slot": "scsi1", "state": "absent"}])
    volume = world.cluster.machines[500].config.current["unused0"]
    applied(world, name="web3", disks=[{"slot": "scsi4", "source": volume}])
    _is_deleted(world)


def test_detached_disk_of_a_user_stays_foreign_when_a_task_attaches_it(world):
    do(world, **NEW, disks=[{"slot": "scsi0", "size": "1G"}])
    put(world, scsi2="local-lvm:1")
    put(world, delete="scsi2")
    volume = world.cluster.machines[500].config.current["unused0"]
    applied(world, name="web3", disks=[{"slot": "scsi4", "source": volume}])
    rejected(world, *REFUSED, name="web3", state="absent")


def test_disk_of_a_running_vm_that_is_detached_at_its_next_start(world):
    do(world, **NEW, disks=[{"slot": "scsi0", "size": "1G"}, {"slot": "sata1", "size": "1G"}], state="started")
    assert do(world, name="web3", disks=[{"slot": "sata1", "state": "absent"}]).changed
    assert do(world, name="web3", state="stopped", stop_mode="force").changed
    assert "unused0" in world.cluster.machines[500].config.current
    _is_deleted(world)


def test_suspended_vm_is_deleted_with_its_memory(world):
    assert do(world, **NEW, disks=[{"size": "1G"}], state="started").changed
    assert do(world, name="web3", state="suspended").changed
    _is_deleted(world)


@pytest.mark.parametrize("requested", [{"memory": "1G"}, {"owner": "anna"}, {"tags": ["a"]}, {"fleet": "lab"}])
def test_settings_make_no_disk_of_others_ours(world, requested):
    worlds.add_machine(world, 500, "pve1", {"name": "web3"})
    applied(world, name="web3", **requested)
    do(world, name="web3", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}])
    rejected(world, *REFUSED, name="web3", state="absent")
    rejected(world, "adopt: true", name="web3", image={"source": "local:import/x.qcow2"})
    rejected(world, "adopt: true", name="web3", clone={"source": "tmpl"})
    _is_deleted(world, delete_disks="all")


def test_account_without_the_right_to_notes_changes_other_settings(world):
    """The record of an earlier version is then left as it is."""
    recorded = '<!-- polyvirt {"id":"500","inputs":{},"v":1} -->'
    worlds.add_machine(world, 500, "pve1", {"name": "web3", "description": recorded})
    api = account(world, ("/", {"VM.Audit", "VM.Config.Memory"}))
    assert done(world, api=api, name="web3", memory="1G").changed
    assert world.cluster.machines[500].config.current["description"] == recorded


def test_restore_leaves_no_stranger_behind(world):
    """The restored VM does not have the disk that a task added after the snapshot: it is listed as unused."""
    do(world, **NEW, disks=[{"slot": "scsi0", "size": "1G"}])
    assert do_snapshot(world, name="web3", snapshot="s1").changed
    applied(world, name="web3", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}])
    assert do_snapshot(world, name="web3", snapshot="s1", state="restored").changed
    assert "unused0" in world.cluster.machines[500].config.current
    _is_deleted(world)
