# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that several VMs need, also by their checkpoints: no task damages the disk of another VM."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import BASE, host_with
from platforms.hyperv.double.records import Drive
from platforms.hyperv.tasks import done, run
from platforms.windows.failures import Failed

SHARED = "C:\\Hyper-V\\Disks\\b-scsi0-1.vhdx"
NEW = {"memory": "1G", "disks": [{"size": "8G"}], "networks": []}


@pytest.fixture
def checkpoint_owner():
    """A host with VM a: its disk D was created for VM b, and only a checkpoint of a still has it."""
    host = host_with()
    done(host, **{**NEW, "name": ["b"], "disks": [{"size": "8G"}, {"size": "4G"}]})
    done(host, **{**NEW, "name": ["a"]})
    for name, entry in (("b", {"state": "absent"}), ("a", {"source": SHARED})):
        done(host, name=[name], disks=[{"slot": "SCSI 0:1", **entry}])
    done(host, "snapshot", name=["a"], snapshot="one")
    done(host, name=["a"], disks=[{"slot": "SCSI 0:1", "state": "absent"}])
    return host


def test_disk_that_only_a_checkpoint_of_another_vm_uses_is_not_deleted(checkpoint_owner):
    host = checkpoint_owner
    kept = done(host, name=["b"], state="absent")["vms"][0]["kept"]
    # The file that Hyper-V had created for the detached disk of a is on top of it, too.
    assert [(one["path"], one["reason"].endswith("avhdx, a snapshot of a")) for one in kept] == [(SHARED, True)]
    done(host, "snapshot", name=["a"], snapshot="one", state="restored")
    done(host, name=["a"], state="started")


@pytest.mark.parametrize("check", [True, False])
def test_disk_that_only_a_checkpoint_of_another_vm_uses_is_not_attached(checkpoint_owner, check):
    host = checkpoint_owner
    before = host.writes()
    of_new = {**NEW, "name": ["c"], "disks": [{"source": SHARED}]}
    for options in (of_new, {"name": ["b"], "disks": [{}, {"source": SHARED}]}):
        result = run(host, check=check, **options, state="started")
        assert (result["failed"], result["changed"]) == (True, False)
        assert f"{SHARED} must not be written to, because snapshots of a need it" in result["msg"]
    assert host.writes() == before


def test_parent_of_a_disk_that_only_a_checkpoint_uses_is_protected():
    host = host_with()
    done(host, **{**NEW, "name": ["base"]})
    done(host, name=["copy"], clone={"source": "base", "linked": True})
    done(host, "snapshot", name=["copy"], snapshot="one")
    done(host, name=["copy"], disks=[{"slot": "SCSI 0:0", "state": "absent"}])
    result = run(host, name=["base"], state="started")
    assert (result["failed"], "because snapshots of copy need it" in result["msg"]) == (True, True), result["msg"]
    kept = done(host, name=["base"], state="absent")["vms"][0]["kept"]
    assert [one["reason"].endswith("avhdx, a snapshot of copy") for one in kept] == [True]


def test_checkpoints_that_cannot_be_read_are_no_reason_to_attach_a_disk(checkpoint_owner):
    host = checkpoint_owner
    failed = Failed("OperationFailed,Microsoft.HyperV", "NotSpecified")

    def fail():
        raise failed

    # The first Get-VMSnapshot reads the VM itself.
    host.before("Get-VMSnapshot", fail, call=2)
    before = host.writes()
    result = run(host, name=["b"], disks=[{}, {"source": SHARED}])
    assert (result["failed"], host.writes()) == (True, before), result["msg"]


@pytest.mark.parametrize("prepare", [{}, {"state": "started"}, "checkpoint"], ids=str)
@pytest.mark.parametrize("check", [True, False])
def test_disk_of_a_vm_is_not_the_parent_of_a_linked_image(check, prepare):
    """The VM would change the parent; with a checkpoint, as soon as the checkpoint is deleted."""
    host = host_with(["a"])
    done(
        host,
        **(
            {"about": "snapshot", "name": ["a"], "snapshot": "one"}
            if prepare == "checkpoint"
            else {"name": ["a"], **prepare}
        ),
    )
    before, disk = host.writes(), "C:\\Hyper-V\\Disks\\a.vhdx"
    result = run(host, check=check, **{**NEW, "name": ["b"], "disks": [{}], "image": {"source": disk, "linked": True}})
    assert (result["failed"], result["changed"], host.writes()) == (True, False, before)
    assert f"b: image.source: {disk} is a disk of a" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_image_that_a_running_vm_writes_to_is_not_copied(check):
    host = host_with(["a"])
    done(host, name=["a"], state="started")
    before = host.writes()
    image = {"source": "c:/hyper-v/Disks/../disks/A.vhdx"}
    result = run(host, check=check, **{**NEW, "name": ["b"], "image": image})
    assert (result["failed"], result["changed"], host.writes()) == (True, False, before)
    assert f"b: image.source: {image['source']} is a disk of a, which may write to it" in result["msg"]
    done(host, name=["a"], state="stopped", stop_mode="force")
    done(host, **{**NEW, "name": ["b"], "disks": [{}], "image": image})


def test_parent_of_disks_of_running_vms_is_copied():
    host = host_with()
    linked = {**NEW, "disks": [{}], "image": {"source": BASE, "linked": True}}
    done(host, **{**linked, "name": ["a"], "state": "started"})
    done(host, **{**NEW, "name": ["b"], "image": {"source": BASE}})


def test_parent_of_linked_disks_is_the_parent_of_further_ones():
    host = host_with()
    for name in ("a", "b"):
        done(
            host,
            **{**NEW, "name": [name], "disks": [{}], "image": {"source": BASE, "linked": True}, "state": "started"},
        )
    assert run(host, **{**NEW, "name": ["c"], "disks": [{"source": BASE}]})["failed"]


def test_disk_of_an_own_checkpoint_is_not_attached():
    """The guest would write to the file on which the checkpoint is based."""
    host = host_with()
    done(host, **{**NEW, "name": ["a"], "disks": [{"size": "8G"}, {"size": "4G"}]})
    done(host, "snapshot", name=["a"], snapshot="one")
    done(host, name=["a"], disks=[{"slot": "SCSI 0:1", "state": "absent"}])
    before, disk = host.writes(), "C:\\Hyper-V\\Disks\\a-scsi0-1.vhdx"
    for check in (True, False):
        result = run(host, check=check, name=["a"], disks=[{"slot": "SCSI 0:1", "source": disk}])
        assert (result["failed"], result["changed"], host.writes()) == (True, False, before)
        assert f"a: disks.SCSI 0:1.source: {disk} belongs to a checkpoint of the VM" in result["msg"]
    done(host, "snapshot", name=["a"], snapshot="one", state="absent")
    done(host, name=["a"], disks=[{"slot": "SCSI 0:1", "source": disk}])


def _sharing(names=("a", "b")):
    """VMs that have one disk as a shared disk, as nodes of a cluster have."""
    host = host_with(names)
    shared = host.disk("C:\\Hyper-V\\Disks\\quorum.vhdx")
    for name in names:
        drive = Drive("disk", "SCSI", 0, 1, shared, shown={"SupportPersistentReservations": True})
        host.vm(name).hardware.drives.append(drive)
    return host, shared


def test_vms_with_a_shared_disk_run_at_the_same_time():
    host, shared = _sharing()
    for name in ("a", "b"):
        done(host, name=[name], state="started")
    others = done(host, "vm_info", name=["a"], describe=True)["vms"][0]["not_described"]
    assert "HardDrives.SCSI 0:1.SupportPersistentReservations" in str(others)
    kept = done(host, name=["a"], state="absent", stop_mode="force", delete_disks="all")["vms"][0]["kept"]
    assert [(one["path"], one["reason"]) for one in kept] == [(shared, "used by b")]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("running", [True, False])
def test_shared_disk_is_attached_to_a_further_vm_as_a_shared_disk(existing, running):
    host, shared = _sharing(["a"])
    if running:
        done(host, name=["a"], state="started")
    if existing:
        done(host, **{**NEW, "name": ["b"]})
    options = {**NEW, "name": ["b"], "disks": [{"slot": "SCSI 0:0", "size": "8G"}, {"source": shared}]}
    for check in (True, False):
        result = run(host, check=check, **options, state="started")
        assert (result["failed"], result["changed"]) == (False, True), result["msg"]
    assert host.vm("b").state == "Running"
    assert host.vm("b").hardware.disks()[1].shown["SupportPersistentReservations"]
    assert not done(host, **options, state="started")["changed"]


@pytest.mark.parametrize("check", [True, False])
def test_disk_that_one_vm_has_alone_is_not_shared(check):
    host, shared = _sharing(["a", "b"])
    host.vm("b").hardware.disks()[1].shown.clear()
    before = host.writes()
    result = run(host, check=check, **{**NEW, "name": ["c"], "disks": [{}, {"source": shared}]})
    assert (result["failed"], host.writes()) == (True, before)
