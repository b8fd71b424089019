# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that cannot be read may be on top of any other disk, so no other disk is changed, attached or deleted."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.driver import HyperVDriver

from platforms.hyperv.counts import BASE, host_with
from platforms.hyperv.double.records import Drive
from platforms.hyperv.tasks import done, run

NEW = {"memory": "1G", "disks": [{"size": "8G"}], "networks": []}
LEAF = "C:\\Hyper-V\\Disks\\leaf-scsi0-0.vhdx"
TASKS = {
    "grow": {"disks": [{"size": "20G"}]},
    "delete all": {"state": "absent", "delete_disks": "all"},
}


def _clone(host, **more):
    """A VM base, and a VM leaf with a disk on top of its disk."""
    done(host, **{**NEW, "name": ["base"], **more})
    done(host, name=["leaf"], clone={"source": "base", "linked": True})


def _lock(host):
    host.lock([LEAF])
    return LEAF, "merge"


def _hide(host):
    share = "\\\\server\\disks\\leaf.vhdx"
    host.vm("leaf").hardware.disks()[0].path = host.disk(share, type="Differencing", parent=BASE)
    host.files.delete(LEAF)
    host.reaches_shares = False
    return share, "CredSSP"


def _refused(host, text, **options):
    before, contents = host.writes(), dict(host.files.contents)
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"], text in result["msg"]) == (True, False, True), result["msg"]
    assert (host.writes(), host.files.contents) == (before, contents)
    return result["msg"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("make", [_lock, _hide])
def test_disk_that_may_be_a_base_is_not_changed(make, task):
    host = host_with()
    _clone(host)
    path, remedy = make(host)
    assert remedy in _refused(host, f"{path}, a disk file of leaf, cannot be read", name=["base"], **TASKS[task])


@pytest.mark.parametrize("make", [_lock, _hide])
def test_disk_that_may_be_a_base_is_kept(make):
    host = host_with()
    _clone(host)
    path, remedy = make(host)
    (kept,) = done(host, name=["base"], state="absent")["vms"][0]["kept"]
    assert kept["path"].lower() in host.files.contents
    assert f"may be needed by leaf: {path}, a disk file of leaf, cannot be read" in kept["reason"]
    assert remedy in kept["reason"]


@pytest.mark.parametrize("make", [_lock, _hide])
def test_unreadable_disk_stops_nothing_that_loses_no_file(make):
    host = host_with(["old"])
    _clone(host)
    make(host)
    for options in (
        {"state": "started"},
        {"state": "stopped", "stop_mode": "force"},
        {"disks": [{}, {"source": BASE}]},
    ):
        assert done(host, name=["old"], **options)["changed"]
    done(host, **{**NEW, "name": ["new"], "state": "started"})
    done(host, name=["copy"], clone={"source": "base"})
    done(host, name=["leaf"], cpus=2)


@pytest.mark.parametrize(("other", "is_refused"), [("C:\\other.vhd", False), ("C:\\other.vhdx", True)])
def test_disk_that_cannot_be_read_has_no_base_of_another_format(other, is_refused):
    host = host_with(["old"])
    host.add("other", disk=other)
    host.lock([other])
    for check in (True, False):
        assert run(host, check=check, name=["old"], disks=[{"size": "20G"}])["failed"] == is_refused


def test_vm_with_an_unreadable_disk_is_detached_from_it_as_the_remedy_says():
    host = host_with()
    _clone(host)
    host.lock([LEAF])
    done(host, name=["leaf"], disks=[{"slot": "SCSI 0:0", "state": "absent"}])
    done(host, name=["base"], state="started")


@pytest.mark.parametrize("state", ["started", "absent"])
def test_lost_disk_needs_no_base(state):
    host = host_with()
    _clone(host)
    host.files.delete(LEAF)
    done(host, name=["base"], state=state)


def test_file_that_a_merge_has_removed_is_not_lost():
    """The merge ends between the request that reads the drive and the one that asks whether the file exists."""
    host = host_with()
    _clone(host)
    done(host, "snapshot", name=["leaf"], snapshot="one")
    drive = host.vm("leaf").hardware.disks()[0]
    top = drive.path
    host.lock([top, LEAF])

    def merged():
        host.unlock([top, LEAF])
        host.files.delete(top)
        host.vm("leaf").snapshots.clear()
        drive.path = LEAF

    host.before("Test-Path", merged)
    result = run(host, name=["base"], state="started")
    assert (result["failed"], "the backing file of disks of leaf" in result["msg"]) == (True, True), result["msg"]


def test_drive_without_a_disk_makes_nothing_unknown():
    host = host_with(["odd"])
    _clone(host)
    host.vm("odd").hardware.drives.append(Drive("disk", "SCSI", 0, 5))
    assert {vm["name"]: len(vm["disks"]) for vm in run(host, "vm_info")["vms"]} == {"odd": 2, "base": 1, "leaf": 1}
    _refused(host, "the backing file of disks of leaf", name=["base"], state="started")
    done(host, name=["leaf"], state="absent")


def _after_the_plan(monkeypatch, host, act):
    """Some seconds after the disks of all VMs were read for a plan, ``act`` happens."""
    apply = HyperVDriver.apply

    def later(driver, batch):
        host.clock.sleep(5)
        act()
        return apply(driver, batch)

    monkeypatch.setattr(HyperVDriver, "apply", later)


def test_disk_that_has_become_a_base_since_the_plan_is_not_written(monkeypatch):
    host = host_with(["base"])
    above = host.disk("C:\\other.vhdx", type="Differencing", parent="C:\\Hyper-V\\Disks\\base.vhdx")
    _after_the_plan(
        monkeypatch, host, lambda: host.add("other").hardware.drives.append(Drive("disk", "SCSI", 0, 0, above))
    )
    result = run(host, name=["base"], state="started")
    assert (result["failed"], host.vm("base").state) == (True, "Off")
    assert "base: the VM cannot be started: a disk of VM 'other' is on top of C:\\" in result["msg"]


@pytest.mark.parametrize(("ends", "size"), [(60, 20), (None, 10)])
@pytest.mark.parametrize(("call", "message"), [(2, "may be below it"), (3, "Hyper-V still merges disks of VM 'other'")])
def test_end_of_a_merge_of_another_vm_is_awaited(ends, size, call, message):
    """What its disk needs cannot be read meanwhile. Without an end, the time of the task is over."""
    host = host_with(["waits", "other"])
    other = host.vm("other")
    path = other.hardware.disks()[0].path

    def merge():
        other.busy.append("MergingDisks")
        host.lock([path])
        if ends:
            host.clock.at(ends, lambda: (other.busy.clear(), host.unlock([path])))

    host.before("Get-VM", merge, call=call)
    result = run(host, name=["waits"], disks=[{"size": "20G"}])
    (disk,) = host.vm("waits").hardware.disks()
    assert (result["failed"], host.files.vhd(disk.path).size) == (not ends, size << 30), result
    assert ends or message in result["msg"]
