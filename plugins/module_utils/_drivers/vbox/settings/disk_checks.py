# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: checks of disks and optical drives before anything is changed."""

from __future__ import annotations

import os
import shlex

from ...._core.errors import Refused
from ...._core.model import PAUSED, RUNNING
from ...._core.texts import removal
from ...._core.units import GIB, human_size
from ...._media.prepared import medium_of
from ...._tools.vboxmanage_output import chain
from ..vbox_vm import name_of_slot, parse_slot

#: Kinds of changes that need a slot, and of those after which it is free.
ADDED, REMOVED = ("disks.add", "cdroms.add"), ("disks.remove", "cdroms.remove")
#: The format of a disk that is not a file.
NO_FILE = "iSCSI"
#: The variant of an image with a fixed size begins with this.
_FIXED = "fixed"
#: The property with the size that VirtualBox suggests as the largest one of a disk. It is that of a VHD, which
#: VirtualBox can create, but not open if it is larger; a VDI or VMDK of many times this size works (VERIFIED, 7.2.22).
_LARGEST, _TIMES = "Virtual disk limit (info)", {"vhd": 1}
_TIMES_OF_OTHERS = 8


def check_media(driver, plan):
    """Raise NotFound or Refused for what VirtualBox would detect only after something was changed."""
    vbox_vm = driver.listing().vbox_vm_of(plan.before.id)
    if vbox_vm is None:
        return
    if any(step.verb == "start" for step in plan.steps):
        _check_accessible(vbox_vm, plan)
    for step in plan.steps:
        if step.verb == "configure":
            _check_free_ports(vbox_vm, plan)


def largest(listing, image_format):
    """(most bytes of a disk with this format, why not more), or nothing if VirtualBox reports no limit."""
    limit = listing.properties.get(_LARGEST, "").partition(" ")[0]
    if not limit.isdigit():
        return ()
    most = _TIMES.get(image_format, _TIMES_OF_OTHERS) * (int(limit) // GIB) * GIB
    return most, (
        f"VirtualBox can create a {image_format or 'vdi'} of more than {human_size(most)}, but may not be able to open"
        " it"
    )


def _check_accessible(vbox_vm, plan):
    """Reject a start with an image that VirtualBox cannot open."""
    for slot in vbox_vm.machine.slots:
        if _stays(plan.after.config, vbox_vm, slot):
            for image in _images_of(vbox_vm, slot):
                check_accessible(f"{plan.after.name}: {vbox_vm.option_of(slot)}", image)


def check_accessible(label, image):
    """Raise Refused for an image if VirtualBox cannot open its file."""
    if image.error:
        raise Refused(f"{label}: VirtualBox cannot open {image.location}: {image.error}.", access_remedy(image))


def access_remedy(image):
    """What to do about an image that VirtualBox cannot open."""
    if not image.is_replaced:
        return "Restore the file, or detach the disk."
    if not image.users:
        return f"To use the new file, have VirtualBox forget the other one: VBoxManage closemedium disk {image.uuid}"
    return (
        "Restore the file. If the new file is the right one, give it the UUID that VirtualBox knows: VBoxManage"
        f" internalcommands sethduuid {shlex.quote(image.location)} {image.uuid}"
    )


def no_growth(vbox_vm, slot, is_copied=False):
    """(why VirtualBox cannot enlarge a disk, remedy), or nothing. A full clone gets the variant of the last base."""
    attached = next((one for one in vbox_vm.disks if name_of_slot(one) == slot), None)
    image = vbox_vm.image_in(attached)[1 if is_copied else 0] if attached else None
    if image is None or not (image.variant or "").startswith(_FIXED):
        return ()
    stem, ending = os.path.splitext(image.location)
    return (
        f"{image.location} has the variant Fixed, and VirtualBox cannot enlarge such a disk",
        f"Detach it ({removal('disks', slot)}) and attach a copy of the variant Standard: VBoxManage clonemedium disk"
        f" {shlex.quote(image.location)} {shlex.quote(f'{stem}-standard{ending}')} --variant Standard.",
    )


def _check_free_ports(vbox_vm, plan):
    """Ports cannot be added to the controllers of a running VM."""
    if plan.before.power not in (RUNNING, PAUSED) or any(step.verb in ("stop", "kill") for step in plan.steps):
        return
    ports = {one.name: int(one.values["portcount"]) for one in vbox_vm.machine.controllers}
    for change in (one for step in plan.steps for one in step.changes if one.kind in ADDED):
        controller, port, _device = parse_slot(change.key)
        if port >= ports.get(controller, port + 1):
            raise Refused(
                f"{plan.after.name}: {change.path}: controller '{controller}' has only {ports[controller]}"
                " ports while the VM is running.",
                "Use a lower port number, or stop the VM first.",
            )


def attached(vbox_vm, config):
    """Yield (option, file, end of the remedy) of each image that will still be attached when the VM starts.

    VirtualBox cannot start a VM with a missing image, but detects that only at the start.
    """
    for slot in vbox_vm.machine.slots:
        if _stays(config, vbox_vm, slot):
            option = vbox_vm.option_of(slot)
            remedy = _REMEDIES.get(option.partition(".")[0], _EJECT)
            remedy = remedy.format(option, vbox_vm.uuid, slot, removal("disks", name_of_slot(slot)))
            yield from ((option, path, remedy) for path in _files_of(vbox_vm, slot))


_REMEDIES = {
    "disks": ", or detach the disk: {3}",
    "iso": ", or set iso: ''",
    "cdroms": ", or set {}.source: ''",
    "cloud_init": "",
}
#: For a drive that no option sets.
_EJECT = (
    ", or eject it: VBoxManage storageattach {1} --storagectl '{2.controller}' --port {2.port} --device {2.device}"
    " --medium emptydrive"
)


def _stays(config, vbox_vm, slot):
    """Whether the image in a slot will still be attached when the VM starts."""
    name = name_of_slot(slot)
    if slot in vbox_vm.disks:
        return name in (config.get("disks") or {})
    drive = (config.get("cdroms") or {}).get(name, {"source": None})
    return name not in vbox_vm.cdroms or drive["source"] in (slot.medium, medium_of(slot.medium))


def _files_of(vbox_vm, slot):
    """The file in a slot and all its base images, including those of other VMs."""
    found = _images_of(vbox_vm, slot)
    if not found:
        return () if slot.medium in ("none", "emptydrive") else (slot.medium,)
    return [one.location for one in found if one.format != NO_FILE]


def _images_of(vbox_vm, slot):
    """The disk image in a slot and all its base images."""
    return chain(vbox_vm.media, vbox_vm.media.get(slot.values.get("ImageUUID")))
