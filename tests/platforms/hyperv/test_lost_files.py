# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk files that are gone, and files of deleted checkpoints that are never merged: no task waits or fails for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from platforms.hyperv.counts import BASE, host_with
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Knobs
from platforms.hyperv.tasks import done, run

DISK = "C:\\Hyper-V\\Disks\\web-scsi0-0.vhdx"
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": []}
WEB = {"name": ["web"]}


def _top(host):
    """The file that the disk of the VM has now."""
    return host.vm("web").hardware.disks()[0].path


def _host(lost, checkpoints=2, disk=None, **knobs):
    """A host with a VM whose disk lost the file with this place in its chain: 0 is the one on top."""
    host = host_with()
    host.knobs = replace(host.knobs, **knobs)
    done(host, **{**NEW, **({"disks": [{"source": host.disk(disk)}]} if disk else {})})
    for number in range(checkpoints):
        done(host, "snapshot", **WEB, snapshot=f"s{number}")
    path = host.files.chain(_top(host))[lost]
    host.files.delete(path)
    return host, path


def _left(host):
    return sorted(path for path in host.files.contents if "web" in path or "given" in path)


def _both(host, about="vm", **options):
    """Run a task in check mode, then without; both must end alike, and within half a minute."""
    before, contents = host.clock.now(), dict(host.files.contents)
    check = run(host, about, check=True, **options)
    assert host.files.contents == contents
    result = run(host, about, **options)
    assert host.clock.now() - before < 2 * 30
    assert (check["failed"], check["changed"]) == (result["failed"], result["changed"]), (check["msg"], result["msg"])
    return result


def test_vm_with_checkpoints_is_deleted_with_its_disk():
    """What Hyper-V has put on the disk for a checkpoint is merged by the deletion, and so does not need the disk."""
    host = host_with()
    done(host, **NEW)
    for name in ("one", "two"):
        done(host, "snapshot", **WEB, snapshot=name)
    check = run(host, check=True, **WEB, state="absent")
    result = done(host, **WEB, state="absent")
    assert (check["vms"][0]["kept"], result["vms"][0]["kept"], _left(host)) == ([], [], [])
    done(host, **NEW)


@pytest.mark.parametrize("needs_files", [True, False])
@pytest.mark.parametrize("lost", [0, 1, 2], ids=["top", "middle", "bottom"])
def test_vm_with_a_lost_file_is_deleted(lost, needs_files):
    host, _path = _host(lost, checkpoint_needs_files=needs_files)
    # Without the file in the middle, nothing says to which disk the file on top of it belongs.
    expected = [_top(host)] if lost == 1 else []
    vm = _both(host, **WEB, state="absent")["vms"][0]
    assert (vm["state"], [one["path"] for one in vm["kept"]]) == ("absent", expected)
    assert _left(host) == [path.lower() for path in expected]
    assert not run(host, **WEB, state="absent")["changed"]
    done(host, **NEW)


def test_kept_files_of_a_vm_with_a_lost_file_are_those_that_exist():
    host, path = _host(0, checkpoints=1)
    kept = _both(host, **WEB, state="absent", delete_disks="none")["vms"][0]["kept"]
    assert [one["path"] for one in kept] == [DISK]
    assert _left(host) == [DISK.lower()]
    assert path not in str(kept)


def test_disk_of_others_is_kept_with_what_is_on_top_of_it():
    given = "C:\\Hyper-V\\Disks\\given.vhdx"
    host = host_with()
    done(host, **{**NEW, "disks": [{"size": "8G"}, {"source": host.disk(given)}]})
    done(host, "snapshot", **WEB, snapshot="one")
    host.files.delete(_top(host))
    before = [one for one in _left(host) if "given" in one]
    kept = _both(host, **WEB, state="absent")["vms"][0]["kept"]
    assert sorted(one["path"].lower() for one in kept) == before
    assert {one["reason"] for one in kept} == {"not created by this collection"}
    host.clock.sleep(60)
    assert given.lower() in _left(host)


@pytest.mark.parametrize("lost", [0, 1, 2], ids=["top", "middle", "bottom"])
def test_lost_file_is_reported_and_nothing_that_needs_it_begins(lost):
    host, path = _host(lost)
    assert path in run(host, "vm_info", **WEB)["vms"][0]["reason"]
    writes = host.writes()
    for about, options in (
        ("vm", {"state": "started"}),
        ("snapshot", {"snapshot": "s1", "state": "absent"}),
        ("snapshot", {"snapshot": "new"}),
    ):
        result = _both(host, about, **WEB, **options)
        assert (result["failed"], result["changed"]) == (True, False)
        assert f"{path}" in result["msg"] and "does not exist" in result["msg"], result["msg"]
    assert host.writes() == writes
    assert not run(host, **WEB, state="stopped")["changed"]


def test_disk_with_a_lost_file_can_be_detached_as_the_message_says():
    host, path = _host(0, checkpoints=0)
    assert (
        f"{path} does not exist, so the VM cannot start. Restore the file, or detach"
        in _both(host, **WEB, state="started")["msg"]
    )
    vm = done(host, **WEB, state="started", disks=[{"slot": "SCSI 0:0", "state": "absent"}])["vms"][0]
    assert (vm["state"], vm["reason"]) == ("running", "")


def test_lost_file_does_not_grow():
    host, path = _host(0, checkpoints=0)
    result = _both(host, **WEB, disks=[{"size": "20G"}])
    assert (result["failed"], "cannot be read" in result["msg"], "restore it" in result["msg"]) == (True,) * 3
    assert path in result["vms"][0]["reason"]


def test_checkpoint_with_all_its_files_is_restored():
    host, _path = _host(0)
    done(host, "snapshot", **WEB, snapshot="s1", state="restored")
    assert done(host, **WEB, state="started")["vms"][0]["reason"] == ""


def test_checkpoint_without_its_files_is_not_restored():
    host, path = _host(2)
    result = _both(host, "snapshot", **WEB, snapshot="s0", state="restored")
    assert (result["failed"], path in result["msg"]) == (True, True)


def test_file_that_cannot_be_read_is_not_lost():
    """Get-VHD fails for a locked disk, and for one on a share that the connection cannot reach."""
    host, _path = _host(0, checkpoints=0)
    host.disk(DISK)
    host.files.open[host.files.key(DISK)] = "merge"
    assert run(host, "vm_info", **WEB)["vms"][0]["reason"] == ""
    share = "\\\\server\\disks\\far.vhdx"
    host.disk(share)
    host.add("far").hardware.drives = host.vm("web").hardware.drives
    host.vm("far").hardware.drives[0].path = share
    host.reaches_shares = False
    assert run(host, "vm_info", name=["far"])["vms"][0]["reason"] == ""


def test_normal_vm_costs_no_further_request():
    host = host_with()
    done(host, **NEW)
    done(host, "snapshot", **WEB, snapshot="one")
    first = len(host.windows.requests)
    assert not done(host, **WEB, state="stopped")["changed"]
    assert len(host.windows.requests) - first == 1


# Files that are never merged ------------------------------------------------------------------------------------------


def _unmerged(disk=None):
    """A host on which merges never begin, such as after an interrupted backup; somebody deleted the checkpoint."""
    host = HyperV(knobs=Knobs(merge_delay=None))
    host.disk(BASE)
    done(host, **{**NEW, **({"disks": [{"source": host.disk(disk)}]} if disk else {})})
    done(host, "snapshot", **WEB, snapshot="one")
    host.vm("web").snapshots.clear()
    return host


def test_merge_that_never_begins_delays_no_task():
    host = _unmerged()
    assert not _both(host, **WEB, state="stopped")["changed"]
    for options in ({"cpus": 4}, {"state": "started"}, {"state": "stopped", "stop_mode": "force"}):
        result = _both(host, **WEB, **options)
        assert (result["failed"], result["changed"]) == (False, True), result["msg"]
        assert result["vms"][0]["reason"] == "files of deleted checkpoints are not merged"


def test_disk_with_unmerged_files_does_not_grow():
    host = _unmerged()
    result = _both(host, **WEB, disks=[{"size": "20G"}])
    assert (result["failed"], result["changed"]) == (True, False)
    assert "the files of deleted checkpoints are not merged" in result["msg"]


def test_vm_with_unmerged_files_is_deleted_with_all_of_them():
    host = _unmerged()
    assert _both(host, **WEB, state="absent")["vms"][0]["kept"] == []
    assert _left(host) == []


def test_unmerged_files_of_a_kept_disk_are_kept():
    host = _unmerged(disk="C:\\Hyper-V\\Disks\\given-web.vhdx")
    before = _left(host)
    kept = _both(host, **WEB, state="absent")["vms"][0]["kept"]
    assert sorted(one["path"].lower() for one in kept) == before == _left(host)
    assert len(before) == 2


def test_merge_that_begins_late_is_waited_for():
    host = HyperV(knobs=Knobs(merge_delay=15.0))
    done(host, **NEW)
    done(host, "snapshot", **WEB, snapshot="one")
    done(host, "snapshot", **WEB, snapshot="one", state="absent")
    assert _left(host) == [DISK.lower()]
    done(host, **WEB, disks=[{"size": "20G"}])


# Files that another program has open ----------------------------------------------------------------------------------


def test_mounted_disk_is_not_deleted():
    host = host_with()
    done(host, **NEW)
    host.lock([DISK], "mounted")
    result = _both(host, **WEB, state="absent")
    assert (result["failed"], result["changed"]) == (True, False)
    assert f"{DISK} is open in another program" in result["msg"] and "Dismount-VHD" in result["msg"]
    _both(host, **WEB, state="absent", delete_disks="none")
    assert _left(host) == [DISK.lower()]


def test_mounted_disk_is_neither_enlarged_nor_attached():
    host = host_with()
    done(host, **NEW)
    host.lock([DISK, BASE], "mounted")
    for options in ({"disks": [{"size": "20G"}]}, {"disks": [{}, {"source": BASE}]}):
        result = _both(host, **WEB, **options)
        assert (result["failed"], result["changed"], "open in another program" in result["msg"]) == (True, False, True)


def test_disk_of_a_running_vm_is_in_use_by_itself():
    host = host_with()
    done(host, **NEW, state="started")
    assert _both(host, **WEB, state="absent", stop_mode="force")["changed"]
