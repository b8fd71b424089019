# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image becomes the disk of the slot that the task sets, and no second disk is created."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.contents import contents_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan import plan

from unit.tables import hyperv, proxmox, vbox, virsh
from unit.tables.rows import G, absent, ask, created, found

#: platform: (its traits, a slot as a task sets it, as the platform names it, the usual slot).
SLOTS = {
    "libvirt": (virsh.TRAITS, "sata0", "sda", "vda"),
    "proxmox": (proxmox.TRAITS, "virtio0", "virtio0", "scsi0"),
    "virtualbox": (vbox.TRAITS, "IDE 0", "IDE 0", "SATA 0"),
    "hyperv": (hyperv.TRAITS, "scsi 0:2", "SCSI 0:2", "SCSI 0:0"),
}
over_platforms = pytest.mark.parametrize("platform", SLOTS)


def _image(slot=None, **more):
    return {"source": "/images/base.qcow2", "linked": False, **({"slot": slot} if slot else {}), **more}


@over_platforms
def test_the_image_becomes_the_disk_of_its_slot(platform):
    traits, asked, slot, _usual = SLOTS[platform]
    arguments = created(plan(absent(), ask(image=_image(asked)), traits))
    assert set(arguments["config"]["disks"]) == {slot} == set(contents_of(arguments["creation"], "other"))
    assert "size" not in arguments["config"]["disks"][slot]


def test_sata_disk_of_libvirt_has_its_bus():
    arguments = created(plan(absent(), ask(image=_image("sata0")), virsh.TRAITS))
    assert arguments["config"]["disks"]["sda"]["bus"] == "sata"


@over_platforms
def test_entry_without_a_slot_is_the_disk_of_the_image(platform):
    traits, asked, slot, _usual = SLOTS[platform]
    request = ask(image=_image(asked), disks=[{"size": "40G"}])
    planned = plan(absent(), request, traits)
    assert {name: disk["size"] for name, disk in created(planned)["config"]["disks"].items()} == {slot: 40 * G}


@over_platforms
def test_usual_slot_can_have_a_second_disk(platform):
    traits, asked, slot, usual = SLOTS[platform]
    planned = plan(absent(), ask(image=_image(asked), disks=[{"slot": usual, "size": "8G"}]), traits)
    disks = created(planned)["config"]["disks"]
    assert (set(disks), disks[usual]["size"]) == ({slot, usual}, 8 * G)
    assert not disks[slot].get("size")


@over_platforms
def test_entry_without_a_slot_may_follow_another_disk(platform):
    traits, asked, slot, usual = SLOTS[platform]
    request = ask(image=_image(asked), disks=[{"slot": usual, "size": "8G"}, {"size": "40G"}])
    disks = created(plan(absent(), request, traits))["config"]["disks"]
    assert {name: disk["size"] for name, disk in disks.items()} == {slot: 40 * G, usual: 8 * G}


@over_platforms
def test_disk_of_the_image_is_not_purged(platform):
    traits, asked, slot, usual = SLOTS[platform]
    disks = {one: {"size": 8 * G, "source": f"local:{one}", "bus": "sata"} for one in (slot, usual)}
    request = ask(image=_image(asked), disks=[{"slot": usual}], purge=["disks"], adopt=True)
    planned = plan(found(disks=disks), request, traits)
    assert (planned.refusal, planned.changed) == (None, False)


@over_platforms
def test_absent_disk_of_the_image_is_rejected(platform):
    traits, asked, slot, _usual = SLOTS[platform]
    request = replace(ask(), creation={"image": _image(asked)}, config={"disks": {asked: None}})
    assert f"disks.{slot}: it cannot be absent" in plan(absent(), request, traits).refusal.message
