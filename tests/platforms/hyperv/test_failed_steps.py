# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A failed step leaves no saved guest and no record of files that it has not created; no file of others is deleted."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.mark import split_notes

from platforms.hyperv.counts import host_with
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed

NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": []}
WEB = {"name": ["web"]}
SECOND = "C:\\Hyper-V\\Disks\\web-scsi0-1.vhdx"


def _host(state="present"):
    host = host_with()
    done(host, **NEW, state=state)
    return host


def _fail(host, command, call=1):
    def fail():
        raise Failed("InvalidOperation,Test", "InvalidOperation", "This call fails in a test.")

    host.before(command, fail, call=call)


@pytest.mark.parametrize("power", ["Running", "Paused"])
def test_guest_goes_on_if_its_restore_fails(power):
    host = _host("started")
    done(host, "snapshot", **WEB, snapshot="old")
    if power == "Paused":
        done(host, **WEB, state="paused")
    _fail(host, "Restore-VMSnapshot")
    assert run(host, "snapshot", **WEB, snapshot="old", state="restored")["failed"]
    assert host.vm("web").state == power


@pytest.mark.parametrize("command", ["New-VHD", "Add-VMHardDiskDrive"])
def test_disk_that_was_not_created_is_not_recorded(command):
    host = _host()
    mark = split_notes(host.vm("web").shown["Notes"])[1]
    _fail(host, command)
    assert run(host, **WEB, disks=[{}, {"size": "4G"}])["failed"]
    assert split_notes(host.vm("web").shown["Notes"])[1] == mark
    assert SECOND.lower() not in host.files.contents
    host.disk(SECOND)
    for check in (True, False):
        result = run(host, check=check, **WEB, disks=[{}, {"size": "4G"}])
        assert (result["failed"], f"{SECOND} already exists" in result["msg"]) == (True, True), result["msg"]
    assert SECOND.lower() in host.files.contents


def test_disk_that_was_attached_before_the_failure_is_recorded():
    host = _host()
    _fail(host, "New-VHD", call=2)
    assert run(host, **WEB, disks=[{}, {"size": "4G"}, {"size": "4G"}])["failed"]
    assert split_notes(host.vm("web").shown["Notes"])[1]["disks"][1:] == [SECOND]
    done(host, **WEB, state="absent")
    assert [path for path in host.files.contents if "web" in path] == []


@pytest.mark.parametrize("delete_disks", ["owned", "none"])
def test_checkpoints_are_not_merged_below_the_disk_of_another_vm(delete_disks):
    """A merge writes to the disk, on which another VM may be based since the VM was shut down."""
    host = _host("started")
    done(host, "snapshot", **WEB, snapshot="old")
    base = host.files.chain(host.vm("web").hardware.disks()[0].path)[-1]
    host.after("Stop-VM", lambda: host.add("other", disk=base))
    absent = {**WEB, "state": "absent", "stop_mode": "force", "delete_disks": delete_disks}
    result = run(host, **absent)
    assert f"{base} is a disk of other, which may write to it." in result.get("msg", ""), result
    assert [one.name for one in host.vm("web").snapshots] == ["old"]
    done(host, name=["other"], disks=[{"slot": "SCSI 0:0", "state": "absent"}])
    done(host, **absent)


def test_disk_that_another_vm_needs_by_now_is_not_deleted():
    """The VM was shut down meanwhile, which can take minutes."""
    host = _host("started")
    path = host.vm("web").hardware.disks()[0].path
    host.after("Stop-VM", lambda: host.add("other", disk=path))
    result = run(host, **WEB, state="absent", stop_mode="force")
    assert (result["failed"], f"{path} is a disk of other" in result["msg"]) == (True, True), result["msg"]
    assert path.lower() in host.files.contents
    assert host.vm("web")
