# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A check, for the real VirtualBox and its double, of how both forms of a VM's description show drives and slots."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._tools import (
    vboxmanage_long,
    vboxmanage_machine,
    vboxmanage_output,
)

from unit.module_utils._tools.test_vboxmanage_long import comparable


def check_drives(box, image):
    """``image`` is a file that this VirtualBox accepts as an ISO image."""
    uuid = box.make("web", "ignores")
    box.run("storagectl", uuid, "--name", "IDE", "--add", "ide")
    drive = ("storageattach", uuid, "--storagectl", "IDE", "--port", 0, "--device", 0, "--type", "dvddrive")
    box.run(*drive, "--medium", image)
    disk = box.machines / "data.vdi"
    box.run("createmedium", "disk", "--filename", disk, "--size", 4)
    switches = ("--nonrotational", "on", "--hotpluggable", "on", "--discard", "on")
    box.run("storageattach", uuid, "--storagectl", "SATA", "--port", 1, "--type", "hdd", "--medium", disk, *switches)
    slots = slots_of(box, uuid)
    assert {key: slots["SATA", 1].values[key] for key in ("hot-pluggable", "nonrotational", "discard")} == {
        "hot-pluggable": "on",
        "nonrotational": "on",
        "discard": "on",
    }
    assert (slots["IDE", 0].medium, slots["IDE", 0].values["IsEjected"]) == (str(image), "off")
    box.run("startvm", uuid, "--type", "headless")
    box.run(*drive, "--medium", "emptydrive")
    assert slots_of(box, uuid)["IDE", 0].medium == "emptydrive"
    (medium,) = vboxmanage_output.media(box.run("list", "dvds"))
    assert (medium.location, medium.format, medium.parent) == (str(image), "RAW", None)


def slots_of(box, uuid):
    """The used slots by (controller, port); asserts that both forms of the description are equal."""
    single = vboxmanage_machine.machine(box.run("showvminfo", uuid, "--machinereadable"))
    (listed,) = vboxmanage_long.vms(box.run("list", "--long", "vms"))
    assert comparable(listed.machine) == comparable(single)
    return {(slot.controller, slot.port): slot for slot in single.slots if slot.device == 0}
