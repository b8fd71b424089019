# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of each format and on each controller, on the real VirtualBox: created, attached, grown, unchanged."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._media import disk_header

from platforms.virtualbox.tasks import MIB, SMALL, task

pytestmark = pytest.mark.deep("sizes and slots on the double: unit belt, test_configure.py")

_DISK = re.compile(r"Unit 0: UUID: ([0-9a-f-]+)\n +Location: .*[.]vdi")
FORMATS = ("vdi", "vmdk", "vhd")
#: {slot: type of the controller that is created for it}.
CONTROLLERS = {
    "SATA 29": "IntelAhci",
    "IDE 0:1": "PIIX4",
    "SCSI 15": "LsiLogic",
    "SAS 7": "LsiLogicSas",
    "NVMe 0": "NVMe",
    "VirtIO 3": "VirtioSCSI",
    "USB 2": "USB",
}


def with_disk(**disk):
    return {**SMALL, "disks": {"#0": disk}}


def unchanged(done):
    assert (done.succeeded().changed, done.writes) == (False, [])


def disk_of(done):
    (disk,) = done.succeeded().vm["disks"]
    return disk


def grown(box, image_format, disk):
    """Assert that growing the disk works, or fails for vmdk; in both cases the VM starts afterwards."""
    larger = with_disk(size=4 * MIB)
    done = task(box, config=larger)
    if image_format == "vmdk":
        vdi = disk["source"].replace(".vmdk", ".vdi")
        done.refused("web", "cannot enlarge", f"clonemedium disk {disk['source']} {vdi} --format VDI")
    else:
        assert disk_of(done)["size"] == "4M"
        unchanged(task(box, config=larger))
        assert disk_header.capacity(disk["source"]) == 4 * MIB
    task(box, config={}, state="started").succeeded()


@pytest.mark.parametrize("image_format", FORMATS)
def test_disk_is_created_and_grown(box, image_format):
    wanted = with_disk(size=2 * MIB, format=image_format)
    disk = disk_of(task(box, config=wanted))
    assert (disk["format"], disk["size"]) == (image_format, "2M")
    unchanged(task(box, config=wanted))
    grown(box, image_format, disk)


@pytest.mark.parametrize(("slot", "kind"), CONTROLLERS.items())
def test_disk_on_each_controller(box, slot, kind):
    wanted = {**SMALL, "disks": {"SATA 0": {"size": 2 * MIB}, slot: {"size": 2 * MIB}}}
    made = task(box, config=wanted).succeeded()
    assert sorted(disk["slot"] for disk in made.vm["disks"]) == sorted(["SATA 0", slot])
    assert f'="{kind}"\n' in box.run("showvminfo", made.vm["id"], "--machinereadable")
    unchanged(task(box, config=wanted))
    task(box, config={}, state="started").succeeded()


def test_disks_of_a_snapshot_are_copied_as_the_guide_says(box):
    """docs/virtualbox.md: the contents of a snapshot are compared with copies of its disks."""
    uuid = task(box).succeeded().vm["id"]
    box.run("snapshot", uuid, "take", "before-update")
    shown = {"before": box.run("snapshot", uuid, "showvminfo", "before-update"), "after": box.run("showvminfo", uuid)}
    disks = {when: _DISK.search(text)[1] for when, text in shown.items()}
    assert disks["before"] != disks["after"]
    copies = {when: str(box.machines / f"{when}.vdi") for when in disks}
    for when, disk in disks.items():
        box.run("clonemedium", "disk", disk, copies[when])
    compare = ["qemu-img", "compare", "-f", "vdi", "-F", "vdi", copies["before"], copies["after"]]
    assert subprocess.run(compare, check=True, capture_output=True, text=True).stdout == "Images are identical.\n"
    write = ["qemu-io", "-f", "vdi", "-c", "write -P 1 4096 512", copies["after"]]
    subprocess.run(write, check=True, capture_output=True)
    changed = subprocess.run(compare, capture_output=True, text=True)
    assert (changed.returncode, changed.stdout) == (1, "Content mismatch at offset 4096!\n")
