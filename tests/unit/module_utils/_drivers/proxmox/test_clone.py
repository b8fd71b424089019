# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that a clone cannot have fail before it is created; no volume is attached a second time."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.storage import GIB, Volume
from unit.module_utils._drivers.proxmox.simulated import applied, do, do_snapshot, rejected


def test_clone_of_a_snapshot_is_checked_with_the_options_in_the_snapshot(world):
    assert do_snapshot(world, name="web2", snapshot="s1").changed
    behind.edit(world, 101, sockets="2")
    clone = {"source": "web2", "snapshot": "s1"}
    assert applied(world, name="web3", clone=clone, cpus=3)["cores"] == "3"
    rejected(world, "web4", "2 sockets", name="web4", clone={"source": "web2"}, cpus=3)


def _template_on(world, storage, base):
    place = world.storages.get(storage)
    place.volumes[place.key("pve1", base)] = Volume(8 * GIB, vmid=9000)
    behind.edit(world, 9000, scsi0=f"{storage}:{base},size=8G")


@pytest.mark.parametrize(
    ("storage", "base"),
    [("local", "9000/base-9000-disk-0.raw"), ("nfs", "9000/base-9000-disk-0.qcow2"), ("zfs", "base-9000-disk-0")],
)
def test_template_that_linked_clones_need_is_not_deleted(world, storage, base):
    _template_on(world, storage, base)
    applied(world, name="web4", clone={"source": "tmpl", "linked": True})
    rejected(world, "tmpl", "needed by web4", "Delete web4 first", name="tmpl", state="absent", delete_disks="all")
    assert not do(world, name="web4", state="absent").failed
    assert not do(world, name="tmpl", state="absent", delete_disks="all").failed


def test_template_on_lvm_thin_is_deleted_although_it_has_linked_clones(world):
    applied(world, name="web4", clone={"source": "tmpl", "linked": True})
    deleted = {"name": "tmpl", "state": "absent", "delete_disks": "all"}
    check, real = (do(world, check=check, **deleted) for check in (True, False))
    assert (check.failed, real.failed, real.changed) == (False, False, True), real.msg
    assert not do(world, name="web4", state="started").failed


def test_clone_does_not_take_over_a_disk_of_another_vm(world):
    requested = {"name": "web3", "clone": {"source": "tmpl"}, "state": "started"}
    disks = [{"slot": "scsi1", "source": "local-lvm:vm-100-disk-0"}]
    rejected(world, "web3", "belongs to 'web1'", "Reassign Owner", **requested, disks=disks)


def test_volume_is_not_attached_twice(world):
    volume = "local-lvm:vm-300-disk-0"  # A volume that remained from a deleted VM.
    for node in ("pve1", "pve2"):
        world.storages.get("local-lvm").volumes[(node, volume.partition(":")[2])] = Volume(GIB, vmid=300)
    twice = [{"slot": slot, "source": volume} for slot in ("virtio1", "virtio2")]
    for requested in ({"name": "web2"}, {"name": "web3"}, {"name": "web3", "clone": {"source": "tmpl"}}):
        words = f"{volume} is also that of disks.virtio"
        rejected(world, requested["name"], words, **requested, disks=[{"slot": "scsi0"}, *twice])
    applied(world, name="web2", disks=[{"slot": "scsi0"}, twice[0]])
    words = f"disks.virtio2.source: {volume} is also that of disks.virtio1"
    rejected(world, "web2", words, "Use each file for one disk only", name="web2", disks=[{"slot": "scsi0"}, *twice])
