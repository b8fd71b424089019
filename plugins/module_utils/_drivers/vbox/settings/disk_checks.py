# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of disks and optical drives before anything is changed."""

from __future__ import annotations

import os
import shlex

from ...._core.errors import Refused
from ...._core.model import PAUSED, RUNNING
from ...._core.units import GIB, human_size
from ...._tools.vboxmanage_output import chain
from ..vbox_vm import parse_slot, slot_name

#: The default controller of optical drives, so that disks have another, and its (port, device) in order of use.
_DRIVE_CONTROLLER = "IDE"
DRIVE_SLOTS = ((0, 0), (0, 1), (1, 0), (1, 1))
#: The format of a disk that is not a file.
NO_FILE = "iSCSI"
#: The variant of an image with a fixed size begins with this.
_FIXED = "fixed"
#: The property with the size that VirtualBox suggests as the largest one of a disk. It is that of a VHD, which
#: VirtualBox can create, but not open if it is larger; a VDI or VMDK of many times this size works (VERIFIED, 7.2.22).
_LARGEST, _TIMES = "Virtual disk limit (info)", {"vhd": 1}
_TIMES_OF_OTHERS = 8


def check_media(listing, plan):
    """Raise NotFound or Refused for what VirtualBox would detect only after something was changed."""
    vbox_vm = listing.vbox_vm_of(plan.before.id)
    if vbox_vm is None:
        return
    if any(step.verb == "start" for step in plan.steps):
        _check_accessible(vbox_vm, plan)
    for step in plan.steps:
        if step.verb == "configure":
            _check_drive(vbox_vm, plan)
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
        option, name = _option_of(vbox_vm, slot), slot_name(slot.controller, slot.port, slot.device)
        if _stays(plan.after.config, option, name, slot):
            for image in _images_of(vbox_vm, slot):
                check_accessible(f"{plan.after.name}: {_LABELS[option].format(name)}", image)


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
    attached = next((one for one in vbox_vm.disks if slot_name(one.controller, one.port, one.device) == slot), None)
    image = vbox_vm.image_in(attached)[1 if is_copied else 0] if attached else None
    if image is None or not (image.variant or "").startswith(_FIXED):
        return ()
    stem, ending = os.path.splitext(image.location)
    return (
        f"{image.location} has the variant Fixed, and VirtualBox cannot enlarge such a disk",
        "Detach it (state: absent) and attach a copy of the variant Standard: VBoxManage clonemedium disk"
        f" {shlex.quote(image.location)} {shlex.quote(f'{stem}-standard{ending}')} --variant Standard.",
    )


def _check_drive(vbox_vm, plan):
    """A VM without an optical drive gets one on its IDE controller, if a slot is free."""
    if vbox_vm.iso_drive is not None or not any(change.kind == "iso" for step in plan.steps for change in step.changes):
        return
    controller, disks = drive_controller(vbox_vm), plan.after.config.get("disks") or {}
    drives = {(one.port, one.device) for one in vbox_vm.drives if one.controller == controller}
    used = drives | {parse_slot(slot)[1:] for slot in disks if parse_slot(slot)[0] == controller}
    if used.issuperset(DRIVE_SLOTS):
        raise no_free_drive_slot(plan.after.name)


def _check_free_ports(vbox_vm, plan):
    """Ports cannot be added to the controllers of a running VM."""
    if plan.before.power not in (RUNNING, PAUSED) or any(step.verb in ("stop", "kill") for step in plan.steps):
        return
    ports = {one.name: int(one.values["portcount"]) for one in vbox_vm.machine.controllers}
    for change in (change for step in plan.steps for change in step.changes if change.kind == "disks.add"):
        controller, port, _device = parse_slot(change.key)
        if port >= ports.get(controller, port + 1):
            raise Refused(
                f"{plan.after.name}: disks.{change.key}: controller '{controller}' has only {ports[controller]}"
                " ports while the VM is running.",
                "Use a lower port number, or stop the VM first.",
            )


def attached(vbox_vm, config):
    """Yield (option, file, end of the remedy) of each image that will still be attached when the VM starts.

    VirtualBox cannot start a VM with a missing image, but detects that only at the start.
    """
    for slot in vbox_vm.machine.slots:
        option, name = _option_of(vbox_vm, slot), slot_name(slot.controller, slot.port, slot.device)
        if _stays(config, option, name, slot):
            for path in _files_of(vbox_vm, slot):
                yield _LABELS[option].format(name), path, _REMEDIES[option].format(vbox_vm.uuid, slot)


#: How messages name a slot; a drive without an option is one that the user has added.
_LABELS = {"disks": "disks.{}", "iso": "iso", "cloud-init seed": "cloud_init", "drive": "drive {}"}
_REMEDIES = {
    "disks": ", or detach the disk (state: absent)",
    "iso": ", or set iso: ''",
    "cloud-init seed": "",
    "drive": ", or eject it: VBoxManage storageattach {0} --storagectl '{1.controller}' --port {1.port}"
    " --device {1.device} --medium emptydrive",
}


def _option_of(vbox_vm, slot):
    if slot in vbox_vm.disks:
        return "disks"
    if slot == vbox_vm.iso_drive:
        return "iso"
    return "cloud-init seed" if slot.medium in vbox_vm.seed_files() else "drive"


def _stays(config, option, name, slot):
    """Whether the image in a slot will still be attached when the VM starts."""
    if option == "disks":
        return name in (config.get("disks") or {})
    return option != "iso" or config.get("iso") == slot.medium


def _files_of(vbox_vm, slot):
    """The file in a slot and all its base images, including those of other VMs."""
    found = _images_of(vbox_vm, slot)
    if not found:
        return () if slot.medium in ("none", "emptydrive") else (slot.medium,)
    return [one.location for one in found if one.format != NO_FILE]


def _images_of(vbox_vm, slot):
    """The disk image in a slot and all its base images."""
    return chain(vbox_vm.media, vbox_vm.media.get(slot.values.get("ImageUUID")))


def drive_controller(vbox_vm):
    """The name of the IDE controller; a VM has at most one."""
    return next((name for name, bus in vbox_vm.controllers.items() if bus == "ide"), _DRIVE_CONTROLLER)


def no_free_drive_slot(name):
    return Refused(f"{name}: iso: no slot is free for an optical drive.", "Detach a disk from the IDE bus.")
