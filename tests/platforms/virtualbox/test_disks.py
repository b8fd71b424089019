# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of each format and on each controller, on the real VirtualBox: created, attached, grown, unchanged."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import disk_header

from platforms.virtualbox.tasks import MIB, SMALL, task

pytestmark = pytest.mark.deep("sizes and slots on the double: unit belt, test_configure.py")

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


@pytest.mark.parametrize("image_format", FORMATS)
def test_disk_is_attached_and_grown(box, image_format):
    path = box.folder / f"data.{image_format}"
    box.run("createmedium", "disk", "--filename", path, "--size", 2, "--format", image_format.upper())
    box.run("closemedium", "disk", path)
    wanted = with_disk(source=str(path))
    disk = disk_of(task(box, config=wanted))
    assert (disk["source"], disk["format"], disk["size"]) == (str(path), image_format, "2M")
    unchanged(task(box, config=wanted))
    grown(box, image_format, disk)


@pytest.mark.parametrize("source", ("raw", *FORMATS))
@pytest.mark.parametrize("image_format", FORMATS)
def test_disk_larger_than_its_image(box, source, image_format):
    raw, path = box.folder / "base.raw", box.folder / f"image.{source}"
    raw.write_bytes(b"\1" * 2 * MIB)
    if source == "raw":
        path = raw
    else:
        box.run("convertfromraw", raw, path, "--format", source.upper())
    image = {"source": str(path), "linked": False}
    done = task(box, config=with_disk(size=3 * MIB, format=image_format), image=image)
    if image_format == "vmdk":
        done.refused("web", str(path), "cannot enlarge", "vdi")
        assert box.run("list", "vms") == ""
        done = task(box, config=with_disk(format=image_format), image=image)
    assert disk_of(done)["size"] == ("2M" if image_format == "vmdk" else "3M")
    task(box, config={}, state="started").succeeded()


def test_a_larger_clone_of_a_vmdk(box):
    task(box, config=with_disk(size=2 * MIB, format="vmdk")).succeeded()
    disks = {"disks": {"#0": {"size": 4 * MIB}}}
    clone = {"source": "web", "linked": False}
    task(box, "copy", config=disks, clone=clone).refused("copy", "cannot enlarge", "--format VDI")
    assert disk_of(task(box, "copy", config={}, clone=clone))["size"] == "2M"


@pytest.mark.parametrize(("slot", "kind"), CONTROLLERS.items())
def test_disk_on_each_controller(box, slot, kind):
    wanted = {**SMALL, "disks": {"SATA 0": {"size": 2 * MIB}, slot: {"size": 2 * MIB}}}
    made = task(box, config=wanted).succeeded()
    assert sorted(disk["slot"] for disk in made.vm["disks"]) == sorted(["SATA 0", slot])
    assert f'="{kind}"\n' in box.run("showvminfo", made.vm["id"], "--machinereadable")
    unchanged(task(box, config=wanted))
    task(box, config={}, state="started").succeeded()
