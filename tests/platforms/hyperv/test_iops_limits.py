# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of the operations of a disk: of new disks and present ones, also while the VM runs."""

from __future__ import annotations

from platforms.hyperv.counts import NIC, host_with
from platforms.hyperv.tasks import done, run

WEB = {"name": ["web"]}


def _limits(host):
    disks = [one for one in host.vm("web").hardware.drives if one.kind == "disk"]
    return [one.shown.get("MaximumIOPS") or 0 for one in disks]


def _twice(host, **options):
    check, real, again = run(host, check=True, **options), done(host, **options), done(host, **options)
    assert (check["changed"], check["diff"], again["changed"]) == (True, real["diff"], False)
    return [disk.get("iops_limit") for disk in real["vms"][0]["disks"]]


def test_limit_is_set_changed_and_removed():
    host = host_with()
    disks = [{"size": "8G", "iops_limit": 500}, {"size": "8G", "iops_limit": 0}]
    assert _twice(host, **WEB, memory="1G", networks=[NIC], disks=disks, state="started") == [500, None]
    assert _limits(host) == [500, 0]
    assert _twice(host, **WEB, disks=[{"iops_limit": 0}, {"iops_limit": 70}, {"size": "8G", "iops_limit": 9}]) == [
        None,
        70,
        9,
    ]
    assert (_limits(host), host.vm("web").state) == ([0, 70, 9], "Running")


def test_largest_limit():
    host = host_with()
    new = {**WEB, "memory": "1G", "networks": [NIC]}
    result = run(host, **new, disks=[{"size": "8G", "iops_limit": 1 << 63}])
    assert (result["failed"], "disks.SCSI 0:0.iops_limit" in result["msg"]) == (True, True)
    done(host, **new, disks=[{"size": "8G", "iops_limit": (1 << 63) - 1}])


def test_limit_below_the_minimum_of_the_disk_is_rejected():
    host = host_with()
    done(host, **WEB, memory="1G", networks=[NIC], disks=[{"size": "8G", "iops_limit": 900}])
    (disk,) = [one for one in host.vm("web").hardware.drives if one.kind == "disk"]
    disk.shown["MinimumIOPS"] = 300
    for check in (True, False):
        result = run(host, check=check, **WEB, disks=[{"iops_limit": 299}])
        assert "web: disks.SCSI 0:0.iops_limit: 299 is less than the minimum of the disk" in result["msg"]
        assert "Set at least 300, or remove the minimum: Set-VMHardDiskDrive -VMName 'web' " in result["msg"]
        assert _limits(host) == [900]
    for limit in (300, 0):
        done(host, **WEB, disks=[{"iops_limit": limit}])
