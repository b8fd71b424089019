# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DVD drives by slot: of both generations, of new VMs and clones, of VMs that run, next to the seed of cloud-init."""

from __future__ import annotations

import pytest

from platforms.hyperv.counts import NIC, host_with
from platforms.hyperv.tasks import done, run

A, B = "C:\\a.iso", "C:\\b.iso"
NEW = {"name": ["web"], "memory": "1G", "disks": [{"size": "8G"}], "networks": [NIC]}
WEB = {"name": ["web"]}
SEED = {"cloud_init": {"user": "admin"}}


def _host():
    host = host_with()
    for path in (A, B):
        host.files.put(path, b"iso")
    return host


def _drive(slot, source=None, **more):
    return {"slot": slot, **({} if source is None else {"source": source}), **more}


def _drives(host, name="web"):
    drives = [one for one in host.vm(name).hardware.drives if one.kind == "dvd"]
    return {f"{one.controller} {one.number}:{one.location}": one.path for one in drives}


def _twice(host, **options):
    """Run a task in check mode, in reality and again; return the result of the real one."""
    check, real, again = run(host, check=True, **options), done(host, **options), done(host, **options)
    assert (check["changed"], check["diff"], again["changed"]) == (real["changed"], real["diff"], False)
    return real


def _rejected(host, words, **options):
    before = host.writes()
    for check in (True, False):
        result = run(host, check=check, **options)
        assert (result["failed"], result["changed"], words in result["msg"]) == (True, False, True), result["msg"]
    assert host.writes() == before


@pytest.mark.parametrize(
    ("firmware", "cdroms", "drives"),
    [
        ("uefi", {}, {}),
        ("uefi", {"iso": A}, {"SCSI 0:63": A}),
        ("uefi", {"iso": ""}, {"SCSI 0:63": ""}),
        ("uefi", {"cdroms": [_drive("scsi 0:10", B), _drive("SCSI 0:5")]}, {"SCSI 0:5": "", "SCSI 0:10": B}),
        ("uefi", {"cdroms": []}, {}),
        ("bios", {}, {"IDE 1:0": ""}),
        ("bios", {"iso": A}, {"IDE 1:0": A}),
        ("bios", {"cdroms": [_drive("IDE 1:0", A), _drive("IDE 1:1", B)]}, {"IDE 1:0": A, "IDE 1:1": B}),
        ("bios", {"cdroms": [_drive("IDE 0:1", A), _drive("IDE 1:0", B)]}, {"IDE 0:1": A, "IDE 1:0": B}),
        ("bios", {"cdroms": [_drive("IDE 1:1")]}, {"IDE 1:1": ""}),
        ("bios", {"cdroms": []}, {}),
    ],
    ids=str,
)
def test_drives_of_a_new_vm(firmware, cdroms, drives):
    host = _host()
    result = _twice(host, **NEW, firmware=firmware, **cdroms)
    assert _drives(host) == drives
    shown = {one["slot"]: one["source"] for one in result["vms"][0]["cdroms"]}
    assert (shown, result["vms"][0]["iso"]) == (drives, next((drives[slot] for slot in shown), None))


def test_drives_are_changed_while_the_vm_runs():
    host = _host()
    done(host, **NEW, state="started", cdroms=[_drive("SCSI 0:5")])
    result = _twice(host, **WEB, cdroms=[_drive("SCSI 0:10", A), _drive("SCSI 0:5", B)])
    assert (_drives(host), result["vms"][0]["restart_required"]) == ({"SCSI 0:5": B, "SCSI 0:10": A}, [])
    _twice(host, **WEB, iso="")
    _twice(host, **WEB, cdroms=[_drive("SCSI 0:10", state="absent")])
    assert _drives(host) == {"SCSI 0:5": ""}
    _twice(host, **WEB, cdroms=[], purge=["cdroms"])
    assert (_drives(host), host.vm("web").state) == ({}, "Running")


def test_drives_on_ide_change_while_the_vm_is_off():
    host = _host()
    done(host, **NEW, firmware="bios", state="started")
    _rejected(host, "allow_restart: true", **WEB, cdroms=[_drive("IDE 1:1")])
    _rejected(host, "allow_restart: true", **WEB, cdroms=[_drive("IDE 1:0", state="absent")])
    _twice(host, **WEB, cdroms=[_drive("IDE 1:0", A)])
    done(host, **WEB, cdroms=[_drive("IDE 1:1", B)], state="stopped", stop_mode="force")
    assert _drives(host) == {"IDE 1:0": A, "IDE 1:1": B}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cdroms": [_drive("IDE 1:0")]}, "cdroms.IDE 1:0: generation 2 VMs have no IDE controllers"),
        ({"cdroms": [_drive("SCSI 0:0")]}, "cdroms.SCSI 0:0: the slot is used by a disk"),
        ({"cdroms": [_drive("SCSI 1:0")]}, "cdroms.SCSI 1:0: a new VM has no SCSI controller 1"),
        ({"cdroms": [_drive("sda")]}, "cdroms: 'sda' is not a valid slot"),
        ({"cdroms": [_drive("SCSI 0:5"), _drive("scsi 0:5")]}, "slot SCSI 0:5 is used twice"),
        (
            {"cdroms": [_drive("SCSI 0:62")], **SEED},
            "cdroms.SCSI 0:62: the slot is used by the DVD drive of cloud_init",
        ),
        ({"cdroms": [_drive("SCSI 0:5", "C:\\no.iso")]}, "C:\\no.iso does not exist"),
        ({"cdroms": [_drive("SCSI 0:5")], "firmware": "bios"}, "generation 1 VMs have DVD drives on IDE only"),
        ({"cdroms": [_drive("SCSI 0:63")], "iso": ""}, "cdroms.SCSI 0:63: iso sets the first optical drive"),
        ({"cdroms": [_drive("IDE 1:0")], "iso": "", "firmware": "bios"}, "IDE 1:0: iso sets the first optical drive"),
    ],
    ids=str,
)
def test_drive_that_a_new_vm_cannot_have_is_rejected(options, words):
    host = _host()
    _rejected(host, words, **NEW, **options)


def test_contradiction_is_rejected_for_a_vm_without_drives():
    host = _host()
    done(host, **NEW)
    _rejected(host, "cdroms.SCSI 0:5: iso sets the first", **WEB, iso="", cdroms=[_drive("SCSI 0:5")])


def test_drive_of_a_seed_is_none_of_them():
    host = _host()
    result = _twice(host, **NEW, **SEED, cdroms=[_drive("SCSI 0:61", A)])
    assert sorted(_drives(host)) == ["SCSI 0:61", "SCSI 0:62"]
    assert [one["slot"] for one in result["vms"][0]["cdroms"]] == ["SCSI 0:61"]
    _rejected(host, "cdroms.SCSI 0:62: the slot is used by a drive that no option", **WEB, cdroms=[_drive("SCSI 0:62")])
    _twice(host, **WEB, cdroms=[], purge=["cdroms"])
    assert list(_drives(host)) == ["SCSI 0:62"]


def test_clone_has_the_drives_of_its_source():
    host = _host()
    done(host, **NEW, cdroms=[_drive("SCSI 0:5", A), _drive("SCSI 0:10")])
    _twice(host, name=["copy"], clone={"source": "web"}, cdroms=[_drive("SCSI 0:11", B)])
    assert _drives(host, "copy") == {"SCSI 0:5": A, "SCSI 0:10": "", "SCSI 0:11": B}
    _twice(host, name=["empty"], clone={"source": "web"}, iso="")
    assert _drives(host, "empty") == {"SCSI 0:5": "", "SCSI 0:10": ""}
    words = "cdroms.SCSI 0:62: the slot is used by the DVD drive of cloud_init"
    _rejected(host, words, name=["seeded"], clone={"source": "web"}, **SEED, cdroms=[_drive("SCSI 0:62")])


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"cdroms": [_drive("SCSI 0:62")]}, "DVD drive"),
        ({"disks": [{"size": "8G"}, {"slot": "SCSI 0:62", "size": "8G"}]}, "disk"),
    ],
)
def test_clone_gets_no_seed_in_the_slot_of_a_drive_of_its_source(more, what):
    host = _host()
    done(host, **{**NEW, **more})
    words = f"copy: cloud_init: the source has a {what} in the slot of the seed's drive, SCSI 0:62"
    _rejected(host, words, name=["copy"], clone={"source": "web"}, **SEED)
    _twice(host, name=["copy"], clone={"source": "web"})
