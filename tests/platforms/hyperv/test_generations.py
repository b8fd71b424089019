# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are created again with another firmware: the other generation has other slots for drives."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import GIB
from platforms.hyperv.tasks import done, run

BASE = "C:\\Hyper-V\\Disks\\base.vhdx"
AGAIN = {"name": ["web"], "image": {"source": BASE}, "allow_recreate": True, "stop_mode": "force"}
ISO = "C:\\media\\a.iso"
DATA, OTHER = "C:\\data\\data.vhdx", "C:\\data\\other.vhdx"
WITH_DATA = {"disks": [{}, {"slot": "SCSI 0:0", "source": DATA}]}


def _host():
    host = HyperV()
    host.disk(BASE, size=4 * GIB)
    host.disk(DATA, size=10 * GIB)
    host.disk(OTHER, size=2 * GIB)
    host.files.contents[ISO.lower()] = b""
    return host


@pytest.mark.parametrize(
    ("order", "more", "disks", "cdroms"),
    [
        (("bios", "uefi"), {}, ["SCSI 0:0"], {"SCSI 0:63": ""}),
        (("uefi", "bios"), {}, ["IDE 0:0"], {}),
        (("bios", "uefi"), {"disks": [{"size": "4G"}, {"size": "2G"}]}, ["SCSI 0:0", "SCSI 0:1"], {"SCSI 0:63": ""}),
        (("uefi", "bios"), {"disks": [{"size": "4G"}, {"size": "2G"}]}, ["IDE 0:0", "IDE 0:1"], {}),
        (("bios", "uefi"), {"iso": ISO}, ["SCSI 0:0"], {"SCSI 0:63": ISO}),
        (("uefi", "bios"), {"cdroms": [{"slot": "SCSI 0:5", "source": ISO}]}, ["IDE 0:0"], {"IDE 1:0": ISO}),
    ],
)
def test_drives_have_the_slots_of_the_other_generation(order, more, disks, cdroms):
    """Before, the creation failed on a slot that the new VM does not have, when the old VM was deleted already."""
    host = _host()
    done(host, name=["web"], image={"source": BASE}, firmware=order[0], **more)
    task = {**AGAIN, "firmware": order[1]}
    check = done(host, check=True, **task)
    result = done(host, **task)
    (vm,) = result["vms"]
    assert [disk["slot"] for disk in vm["disks"]] == disks
    assert {one["slot"]: one["source"] for one in vm["cdroms"]} == cdroms
    assert [check[name] for name in ("changed", "diff")] == [result[name] for name in ("changed", "diff")]
    assert not done(host, **task)["changed"]


def test_vm_with_more_drives_than_the_other_generation_has_is_not_deleted():
    host, slots = _host(), ("SCSI 0:5", "SCSI 0:6")
    done(host, name=["web"], image={"source": BASE}, cdroms=[{"slot": slot, "source": ISO} for slot in slots])
    task = {**AGAIN, "firmware": "bios"}
    before = host.writes()
    for check in (True, False):
        result = run(host, check=check, **task)
        assert (result["failed"], result["changed"]) == (True, False)
        assert (
            "the new one cannot have cdroms.SCSI 0:6. Remove this entry of cdroms with another task first."
            in result["msg"]
        )
    assert host.writes() == before
    done(host, name=["web"], cdroms=[{"slot": "SCSI 0:6", "state": "absent"}])
    assert done(host, **task)["changed"]


def _recreated(host, **options):
    """Carry out a task that creates the VM again; return its disks as {slot: (size, source of a data disk)}."""
    check = done(host, check=True, **AGAIN, **options)
    result = done(host, **AGAIN, **options)
    assert [check[name] for name in ("changed", "diff")] == [result[name] for name in ("changed", "diff")]
    assert result["changed"]
    assert not done(host, **AGAIN, **options)["changed"]
    data = (DATA, OTHER)
    disks = result["vms"][0]["disks"]
    return {one["slot"]: (one["size"], one["source"] if one["source"] in data else None) for one in disks}


def _rejected(host, *words, **options):
    before = host.writes()
    for check in (True, False):
        result = run(host, check=check, **{**AGAIN, **options})
        assert (result["failed"], result["changed"]) == (True, False)
        for word in words:
            assert word in result["msg"]
    assert host.writes() == before


@pytest.mark.parametrize(
    ("order", "slots", "after"),
    [
        (("bios", "uefi"), ["IDE 0:0", "IDE 1:1"], ["SCSI 0:0", "SCSI 0:1"]),
        # The last slots on SCSI are those of the DVD drives.
        (("bios", "uefi"), ["IDE 0:0", "SCSI 0:62", "SCSI 0:63"], ["SCSI 0:0", "SCSI 0:1", "SCSI 0:2"]),
        (("uefi", "bios"), ["SCSI 0:0", "SCSI 0:5", "SCSI 0:60"], ["IDE 0:0", "IDE 0:1", "SCSI 0:0"]),
    ],
)
def test_disks_keep_their_order(order, slots, after):
    """Before, a disk on the second IDE controller had no slot, and the creation failed after the deletion."""
    host = _host()
    disks = [{"slot": slot, **({"size": f"{number + 4}G"})} for number, slot in enumerate(slots)]
    done(host, name=["web"], image={"source": BASE}, firmware=order[0], disks=disks)
    found = _recreated(host, firmware=order[1])
    assert found == {slot: (f"{number + 4}G", None) for number, slot in enumerate(after)}


def test_vm_with_more_disks_than_the_other_generation_has_is_not_deleted():
    host = _host()
    slots = ["IDE 0:0", "IDE 0:1", *(f"SCSI 0:{number}" for number in range(61))]
    disks = [{"slot": slot, "size": "4G"} for slot in slots]
    done(host, name=["web"], image={"source": BASE}, firmware="bios", disks=disks)
    _rejected(host, "the new one cannot have disks.SCSI 0:60. Remove this entry", firmware="uefi")


@pytest.mark.parametrize(
    ("disks", "after"),
    [
        # A size is that of the disk that has this slot in the new VM.
        ([{"slot": "SCSI 0:0", "size": "20G"}], {"SCSI 0:0": ("20G", None), "SCSI 0:1": ("10G", DATA)}),
        ([{"size": "20G"}], {"SCSI 0:0": ("20G", None), "SCSI 0:1": ("10G", DATA)}),
        (
            [{"slot": "SCSI 0:0"}, {"slot": "SCSI 0:1", "source": DATA}],
            {"SCSI 0:0": ("4G", None), "SCSI 0:1": ("10G", DATA)},
        ),
        # A file moves to the slot at which the task lists it.
        ([{"slot": "SCSI 0:5", "source": DATA}], {"SCSI 0:0": ("4G", None), "SCSI 0:5": ("10G", DATA)}),
        (
            [{"slot": "SCSI 0:5", "source": DATA}, {"slot": "SCSI 0:1", "source": OTHER}],
            {"SCSI 0:0": ("4G", None), "SCSI 0:1": ("2G", OTHER), "SCSI 0:5": ("10G", DATA)},
        ),
    ],
)
def test_slots_in_the_task_are_those_of_the_new_vm(disks, after):
    """Before, they were those of the old VM: a size was that of another disk, and a list for the new VM failed."""
    host = _host()
    done(host, name=["web"], image={"source": BASE}, firmware="bios", **WITH_DATA)
    assert _recreated(host, firmware="uefi", disks=disks) == after


def test_disk_of_another_file_is_not_replaced():
    host = _host()
    more = {"slot": "SCSI 0:1", "source": OTHER}
    done(host, name=["web"], image={"source": BASE}, firmware="bios", disks=[*WITH_DATA["disks"], more])
    words = "disks.SCSI 0:2: the VM needs to be created again", "list the source of that disk at another slot, too."
    _rejected(host, *words, firmware="uefi", disks=[{"slot": "SCSI 0:2", "source": DATA}])
    both = [{"slot": "SCSI 0:2", "source": DATA}, {"slot": "SCSI 0:1", "source": OTHER}]
    found = _recreated(host, firmware="uefi", disks=both)
    assert found == {"SCSI 0:0": ("4G", None), "SCSI 0:1": ("2G", OTHER), "SCSI 0:2": ("10G", DATA)}


def test_vm_with_a_tpm_is_not_deleted_for_bios():
    """Before, the creation failed after the deletion, and the next task created a VM with other settings."""
    host, data = _host(), [{}, {"source": DATA}]
    done(host, name=["web"], image={"source": BASE}, tpm=True, cpus=4, owner="me", disks=data)
    _rejected(host, "web: tpm: not supported with firmware: bios", "Set the option to a value", firmware="bios")
    assert _recreated(host, firmware="bios", tpm=False) == {"IDE 0:0": ("4G", None), "IDE 0:1": ("10G", DATA)}
    (vm,) = done(host, "vm_info", name=["web"])["vms"]
    assert (vm["cpus"], vm["owner"]) == (4, "me")


@pytest.mark.parametrize("value", [True, False])
def test_vm_with_secure_boot_becomes_one_without(value):
    host = _host()
    done(host, name=["web"], image={"source": BASE}, secure_boot=value, secure_boot_template="linux")
    assert list(_recreated(host, firmware="bios")) == ["IDE 0:0"]


@pytest.mark.parametrize("option", ["secure_boot", "tpm"])
def test_bios_has_off_what_it_does_not_have(option):
    host, task = _host(), {"name": ["web"], "image": {"source": BASE}, "firmware": "bios", option: False}
    assert done(host, **task)["changed"]
    assert not done(host, **task)["changed"]


def test_interrupted_task_with_an_image_in_a_drive_is_completed_by_the_same_task():
    host = _host()
    done(host, name=["web"], disks=[{"size": "4G"}, {"source": DATA}])
    task = {
        "name": ["web"],
        "firmware": "bios",
        "allow_recreate": True,
        "cdroms": [{"slot": "IDE 1:0", "source": ISO}],
    }
    assert done(host, check=True, **task)["changed"]
    done(host, name=["web"], state="absent")
    assert done(host, **task)["changed"]
    assert not done(host, **task)["changed"]
