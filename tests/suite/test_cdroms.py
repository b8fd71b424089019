# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives: added, given images, emptied and removed; the seed ISO of cloud-init is none of them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from suite.answer import Task

VM = "pvc-cdroms"
_RUNS = ("check", "real", "again")


def _drive(slot, source=None, **more):
    return {"slot": slot, **({} if source is None else {"source": source}), **more}


#: {platform: slots of three optical drives in their order}
_SLOTS = {
    "libvirt_test": ("sata1", "sda", "sdd"),
    "proxmox": ("ide0", "sata1", "sata4"),
    "virtualbox": ("IDE 0:1", "IDE 1:1", "SATA 4"),
    "virtualbox_double": ("IDE 0:1", "IDE 1:1", "SATA 4"),
    "hyperv": ("SCSI 0:5", "SCSI 0:10", "SCSI 0:61"),
}
_VIRTIO = "is not a valid slot of an optical drive"
#: {platform: {case: (options, part of the message)}}
_REJECTED = {
    "libvirt_test": {
        "virtio": ({"cdroms": [_drive("vdb")]}, f"'vdb' {_VIRTIO}"),
        "one target": ({"cdroms": [_drive("usb0")]}, "usb0 and sda are the same slot, sda"),
        "empty USB drive": ({"cdroms": [_drive("usb5")]}, "cdroms.usb5: a USB drive cannot be empty."),
    },
    "proxmox": {
        "virtio": ({"cdroms": [_drive("virtio1")]}, f"'virtio1' {_VIRTIO}"),
        "disk": ({"cdroms": [_drive("scsi0")]}, "cdroms.scsi0: the slot is used by a disk"),
    },
    "virtualbox": {
        "NVMe": ({"cdroms": [_drive("NVMe 0")]}, f"'NVMe 0' {_VIRTIO}"),
        "disk": ({"cdroms": [_drive("SATA 0")]}, "cdroms.SATA 0: the slot is used by a disk"),
        "new disk": ({"disks": [{"slot": "IDE 1:1", "size": "8M"}]}, "disks.IDE 1:1: the slot is used by an optical"),
    },
    "hyperv": {
        "IDE": ({"cdroms": [_drive("IDE 1:0")]}, "cdroms.IDE 1:0: generation 2 VMs have no IDE controllers"),
        "disk": ({"cdroms": [_drive("scsi 0:0")]}, "cdroms.SCSI 0:0: the slot is used by a disk"),
        "controller": ({"cdroms": [_drive("SCSI 1:0")]}, "cdroms.SCSI 1:0: the VM has no SCSI controller 1"),
    },
}
_REJECTED["virtualbox_double"] = _REJECTED["virtualbox"]
ON_EACH = pytest.mark.parametrize("platform_name", list(_SLOTS), indirect=True, scope="session")
#: Platforms on which a running VM gets a new drive at its next start only, and those on which it gets it immediately.
ON_SOME = pytest.mark.parametrize("platform_name", ["libvirt_test", "proxmox"], indirect=True, scope="session")
_OTHERS = ["virtualbox", "virtualbox_double", "hyperv"]
ON_OTHERS = pytest.mark.parametrize("platform_name", _OTHERS, indirect=True, scope="session")

CLONING = pytest.mark.parametrize("platform_name", list(_SLOTS)[1:], indirect=True, scope="session")


def _carried(platform, carry, wanted):
    """{step: (check, real, again)} of tasks, each as a check, in reality, and again."""
    tasks = [Task(f"{step} {run}", {"name": VM, **wanted[step]}, run == "check") for step in wanted for run in _RUNS]
    answers = carry(platform, tasks, [VM])
    return {step: tuple(answers[f"{step} {run}"] for run in _RUNS) for step in wanted}


def _is_done(step, answers, drives, iso, changed=True):
    check, real, again = answers
    assert not real.failed, (step, real.msg)
    assert (check.changed, check.diff) == (real.changed, real.diff) and real.changed == changed, step
    assert (again.changed, again.truth) == (False, real.truth), step
    for answer in answers:
        assert (answer.vm(VM)["cdroms"], answer.vm(VM)["iso"]) == (drives, iso), step


@ON_EACH
def test_drives_are_added_changed_and_removed(platform, carry):
    platform.clean()
    first, second, third = _SLOTS[platform.name]
    medium = platform.medium()
    wanted = {
        "made": {**platform.creation, "cdroms": [_drive(third, medium), _drive(second)]},
        "image": {"cdroms": [_drive(second, medium)]},
        "iso": {"iso": ""},
        "added": {"cdroms": [_drive(first, medium)]},
        "same": {"cdroms": [_drive(first), _drive(platform.drives[1], state="absent")]},
        "both": {"iso": "", "cdroms": [_drive(third, "")]},
        "removed": {"cdroms": [_drive(first, state="absent")]},
        "complete": {"cdroms": [_drive(third)], "purge": ["cdroms"]},
        "none": {"cdroms": [], "purge": ["cdroms"]},
        "short": {"iso": medium},
    }
    done = _carried(platform, carry, wanted)
    full, empty = (lambda slot: _drive(slot, medium)), (lambda slot: _drive(slot, ""))
    _is_done("made", done["made"], [empty(second), full(third)], "")
    _is_done("image", done["image"], [full(second), full(third)], medium)
    _is_done("iso", done["iso"], [empty(second), full(third)], "")
    _is_done("added", done["added"], [full(first), empty(second), full(third)], medium)
    _is_done("same", done["same"], [full(first), empty(second), full(third)], medium, changed=False)
    _is_done("both", done["both"], [empty(first), empty(second), empty(third)], "")
    _is_done("removed", done["removed"], [empty(second), empty(third)], "")
    _is_done("complete", done["complete"], [empty(third)], "")
    _is_done("none", done["none"], [], None)
    _is_done("short", done["short"], [full(platform.drives[0])], medium)
    assert platform.settings(done["short"][1].truth[VM])["cdroms"] == [platform.drives[0]]


#: {platform: (slot of a disk, where a VM without a drive would get one; slot of the drive that a task adds instead)}
_TAKEN = {
    "libvirt_test": ("sda", "sata1"),
    "proxmox": ("ide2", "ide3"),
    "virtualbox": ("IDE 0:0", "IDE 0"),
    "virtualbox_double": ("IDE 0:0", "IDE 0"),
    "hyperv": ("SCSI 0:63", "SCSI 0:63"),
}


@ON_EACH
def test_drive_of_iso_is_where_check_mode_says_if_the_task_removes_the_disk_there(platform, carry):
    platform.clean()
    slot, free = _TAKEN[platform.name]
    medium, size = platform.medium(), platform.disk_size
    disks = [{"slot": platform.slots[0], "size": size}, {"slot": slot, "size": size}]
    wanted = {
        "made": {**platform.creation, "cdroms": [], "disks": disks},
        "moved": {"iso": medium, "disks": [{"slot": slot, "state": "absent"}]},
    }
    done = _carried(platform, carry, wanted)
    _is_done("made", done["made"], [], None)
    _is_done("moved", done["moved"], [_drive(free, medium)], medium)
    assert platform.settings(done["moved"][1].truth[VM])["cdroms"] == [free]


@ON_OTHERS
def test_filled_drive_is_added_to_a_running_vm(platform, carry):
    platform.clean()
    _first, second, third = _SLOTS[platform.name]
    medium = platform.medium()
    made = {**platform.creation, "state": "started", "cdroms": [_drive(second)]}
    wanted = {"made": made, "added": {"cdroms": [_drive(third, medium)]}, "ejected": {"cdroms": [_drive(third, "")]}}
    done = _carried(platform, carry, wanted)
    _is_done("added", done["added"], [_drive(second, ""), _drive(third, medium)], "")
    _is_done("ejected", done["ejected"], [_drive(second, ""), _drive(third, "")], "")
    for answer in (done["added"][1], done["ejected"][1]):
        assert (answer.truth[VM]["power"], answer.vm(VM)["restart_required"]) == (RUNNING, [])


@ON_EACH
@pytest.mark.parametrize("source", [None, ""])
def test_new_vm_with_two_options_for_one_drive_is_not_created(platform, carry, source):
    platform.clean()
    options = {**platform.creation, "name": VM, "iso": "", "cdroms": [_drive(_SLOTS[platform.name][0], source)]}
    answers = carry(platform, [Task(run, options, run == "check") for run in ("check", "real")], [VM])
    for answer in answers.values():
        assert (answer.failed, answer.changed, answer.truth[VM]) == (True, False, None)
        assert f"cdroms.{_SLOTS[platform.name][0]}: iso sets the first optical drive" in answer.msg


@ON_SOME
def test_drives_of_a_running_vm(platform, carry):
    platform.clean()
    _first, second, third = _SLOTS[platform.name]
    made = {**platform.creation, "state": "started", "cdroms": [_drive(second)]}
    added = {"cdroms": [_drive(third, platform.medium())]}
    consent = {**added, "allow_restart": True, "stop_mode": "force"}
    done = _carried(platform, carry, {"made": made, "added": added, "restarted": consent})
    check, real, _again = done["added"]
    assert not real.failed, real.msg
    assert check.vm(VM)["restart_required"] == real.vm(VM)["restart_required"] == [f"cdroms.{third}"]
    assert done["restarted"][1].vm(VM)["restart_required"] == []


@ON_EACH
def test_rejected_drives_leave_the_vm_as_it_was(platform, carry):
    platform.clean()
    first, second, third = _SLOTS[platform.name]
    seeded = {**platform.creation, "cdroms": [_drive(second)]}
    rejected = {
        "both": ({"iso": "", "cdroms": [_drive(second, "")]}, f"cdroms.{second}: iso sets the first optical drive"),
        "new first": ({"iso": "", "cdroms": [_drive(first)]}, f"cdroms.{first}: iso sets the first optical drive"),
        "missing": ({"cdroms": [_drive(third, "/nonexistent.iso")]}, f"cdroms.{third}"),
        "no iso": ({"cdroms": [_drive(third, __file__)]}, f"cdroms.{third}"),
        **_REJECTED[platform.name],
    }
    tasks = [Task("made", {"name": VM, **seeded})]
    tasks += [
        Task(f"{case} {run}", {"name": VM, **options}, run == "check")
        for case, (options, _message) in rejected.items()
        for run in ("check", "real")
    ]
    answers = carry(platform, tasks, [VM])
    assert not answers["made"].failed, answers["made"].msg
    for case, (_options, message) in rejected.items():
        for run in ("check", "real"):
            answer = answers[f"{case} {run}"]
            assert (answer.failed, answer.changed, answer.truth) == (True, False, answers["made"].truth), case
            assert message in answer.msg, (case, answer.msg)


@CLONING
def test_clone_gets_no_disk_in_the_slot_of_a_drive_of_its_source(platform, carry):
    """The source exists, or the same task creates it."""
    platform.clean()
    source, (_first, slot, _third) = f"{VM}-source", _SLOTS[platform.name]
    made = {"name": source, **platform.creation, "cdroms": [_drive(slot)], **platform.to_exist}
    disks = [{"slot": platform.slots[0]}, {"slot": slot, "size": "16M"}]
    clone = {"name": VM, "clone": {"source": source, "linked": False}, "disks": disks}
    tasks = [Task("made", made), Task("together", {"machines": [{**made, "name": f"{source}-2"}, _of_second(clone)]})]
    tasks += [Task(run, clone, run == "check") for run in ("check", "real")]
    answers = carry(platform, tasks, [VM])
    assert not answers["made"].failed, answers["made"].msg
    for run in ("together", "check", "real"):
        assert (answers[run].failed, answers[run].truth[VM]) == (True, None), run
        assert f"disks.{slot}: the slot is used by an optical drive" in answers[run].msg, (run, answers[run].msg)


def _of_second(clone):
    return {**clone, "clone": {**clone["clone"], "source": f"{VM}-source-2"}}


@ON_EACH
def test_drives_are_described(platform, carry):
    platform.clean()
    _first, second, third = _SLOTS[platform.name]
    made = Task("made", {**platform.creation, "name": VM, "cdroms": [_drive(second), _drive(third, platform.medium())]})
    answers = carry(platform, [made, Task("described", {"name": VM, "describe": True}, about="vm_info")], [VM])
    (vm,) = answers["described"].result["vms"]
    assert vm["task"]["cdroms"] == [_drive(second), _drive(third, platform.medium())]
    assert "iso" not in vm["task"] and "cdroms" in vm["task"]["purge"]
