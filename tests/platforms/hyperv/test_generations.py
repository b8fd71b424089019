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


def _host():
    host = HyperV()
    host.disk(BASE, size=4 * GIB)
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
