# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that cannot be copied or changed: physical ones, mounted ones, and those with a checkpoint of a backup."""

from __future__ import annotations

import pytest

from platforms.hyperv.double import devices
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB, Knobs
from platforms.hyperv.tasks import done, run

DISK, TOP = "C:\\Hyper-V\\Disks\\base.vhdx", "C:\\Hyper-V\\Disks\\base_1.avhdx"
CLONE = {"name": ["copy"], "clone": {"source": "base"}}


@pytest.fixture(name="host")
def _host():
    host = HyperV(knobs=Knobs(merge_delay=None))
    host.add("base", disk=DISK)
    return host


def _rejected(host, *words, **options):
    before = list(host.writes())
    for check in (True, False):
        result = run(host, check=check, **options)
        assert result["failed"], options
        assert [word for word in words if word not in result["msg"]] == [], result["msg"]
    assert host.writes() == before


def _checkpoint(host, type_):
    """A checkpoint of a backup or of replication: the VM writes to a file on top of its disk."""
    done(host, "snapshot", name=["base"], snapshot="one")
    (snapshot,) = host.vm("base").snapshots
    snapshot.type = type_


@pytest.mark.parametrize("type_", ["Recovery", "Replica", "AppConsistentReplica", "SyncedReplica", "Planned"])
def test_disk_below_a_checkpoint_of_any_type_is_neither_enlarged_nor_linked(host, type_):
    _checkpoint(host, type_)
    assert host.vm("base").hardware.disks()[0].path.lower().endswith(".avhdx")
    _rejected(host, "base", "disks.SCSI 0:0", "checkpoint", name=["base"], disks=[{"size": "20G"}])
    _rejected(host, "copy", "SCSI 0:0", "linked: false", **{**CLONE, "clone": {"source": "base", "linked": True}})
    assert done(host, **CLONE)["changed"]


def test_physical_disk_of_the_source_is_not_cloned(host):
    devices.attach(host.vm("base"), "disk", "Disk 2 10.00 GB Bus 0 Lun 0 Target 0")
    _rejected(host, "copy", "SCSI 0:1 is a physical disk", "Detach it", **CLONE)


def test_mounted_image_is_rejected_before_the_first_change(host):
    image = host.disk("C:\\Disks\\image.vhdx", size=2 * GIB)
    host.lock([image], "mounted")
    _rejected(host, "web", image, "is mounted on the host", "Dismount-VHD", name=["web"], image=image)
    host.unlock([image])
    assert done(host, name=["web"], image=image)["changed"]


def test_mounted_disk_of_the_source_is_rejected_before_the_first_change(host):
    host.lock([DISK], "mounted")
    _rejected(host, "copy", DISK, "is mounted on the host", **CLONE)
