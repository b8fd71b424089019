# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers, disks and optical drives.

An image is announced in the mark before it is made: what a run that was cut off left at that place is made anew,
anything else there is somebody's.
"""

from __future__ import annotations

import os

from ...._lifecycle.errors import NotFound, Refused
from ...._lifecycle.mark import own_mark
from ...._lifecycle.model import PAUSED, RUNNING
from ...._lifecycle.units import MIB
from ...._ports import files
from ...._tools import vboxmanage_output as output
from ..mark import write_mark
from ..vbox_vm import FORMATS, bus_for, place_of, slot_name
from .images import images_to_release, make_image, release_images

#: Where optical drives are: off the disks' bus, and the first of them is the option iso's.
_DRIVE_CONTROLLER = "IDE"
DRIVE_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
_PORTS_OF_NEW = 8
_SEED_SUFFIX = ".polyvirt-seed.iso"


def disk_path(folder, name, slot, image_format):
    return os.path.join(folder, f"{name}-{slot.replace(' ', '-').replace(':', '-')}.{image_format or 'vdi'}")


def base_name(vbox_vm):
    """The VM's name as files have it."""
    return os.path.splitext(os.path.basename(vbox_vm.values["CfgFile"]))[0]


def seed_path(vbox_vm):
    return seed_path_in(vbox_vm.folder, base_name(vbox_vm))


def seed_path_in(folder, name):
    return os.path.join(folder, f"{name}{_SEED_SUFFIX}")


# Controllers ------------------------------------------------------------------------------------------------------


def ensure_place(driver, vbox_vm, slot):
    """See that there is a controller with a port for ``slot``; (controller, port, device)."""
    controller, port, device = place_of(slot)
    present = next((one for one in vbox_vm.machine.controllers if one.name == controller), None)
    if present is None:
        bus, ports = bus_for(controller)
        count = ["--portcount", str(min(ports, max(port + 1, _PORTS_OF_NEW)))] if bus in ("sata", "sas") else []
        driver.run(vbox_vm.uuid, "storagectl", vbox_vm.uuid, "--name", controller, "--add", bus, *count)
    elif port >= int(present.values["portcount"]) and port < int(present.values["maxportcount"]):
        driver.run(vbox_vm.uuid, "storagectl", vbox_vm.uuid, "--name", controller, "--portcount", str(port + 1))
    return controller, port, device


def attach(driver, uuid, place, kind, medium):
    controller, port, device = place
    slot = ["--storagectl", controller, "--port", str(port), "--device", str(device)]
    driver.run(uuid, "storageattach", uuid, *slot, "--type", kind, "--medium", medium)


# Disks ------------------------------------------------------------------------------------------------------------


def add_disk(driver, vm, vbox_vm, slot, entry, image=None):
    """Attach a disk; where it is new, the file is made first. Returns the mark with it."""
    mark = own_mark(vm)
    place = ensure_place(driver, vbox_vm, slot)
    if entry.get("source"):
        attach(driver, vm.id, place, "hdd", _as_detached(vbox_vm, entry["source"]))
        return mark
    path = disk_path(vbox_vm.folder, base_name(vbox_vm), slot, entry.get("format"))
    announced = list(mark.get("making", ()))
    if files.exists(path):
        _remove_leftover(driver, vbox_vm, path, announced)
    mark["making"] = announced if path in announced else [*announced, path]
    borrowed = mark.get("borrowed") or images_to_release(driver, image)
    mark = {**mark, "borrowed": borrowed} if borrowed else mark
    if mark != vm.mark:
        write_mark(driver, vm.id, mark)
    make_image(driver, path, FORMATS[entry.get("format") or "vdi"], entry.get("size"), image)
    release_images(driver, borrowed)
    attach(driver, vm.id, place, "hdd", path)
    (medium,) = output.media(driver.tool.read("showmediuminfo", "disk", path))
    kept = {key: value for key, value in mark.items() if key not in ("making", "borrowed")}
    left = [one for one in mark["making"] if one != path]
    return {**kept, "disks": [*mark["disks"], medium.uuid], **({"making": left} if left else {})}


def _as_detached(vbox_vm, path):
    """What a disk of the VM's own went on in since a snapshot, until it was detached."""
    real = os.path.realpath(path)
    left = [one for one in vbox_vm.left_behind() if os.path.realpath(vbox_vm.chain(one.parent)[-1].location) == real]
    return left[0].uuid if len(left) == 1 else path


def _remove_leftover(driver, vbox_vm, path, announced):
    if path not in announced:
        raise file_in_the_way(path)
    known = next((medium for medium in vbox_vm.media.values() if medium.location == path), None)
    if known and known.users:
        raise file_in_the_way(path)
    if known:
        driver.run(vbox_vm.uuid, "closemedium", "disk", known.uuid, "--delete")
    files.remove(path)


def file_in_the_way(path):
    return Refused(f"{path} already exists.", "Move it to another directory, or attach it with disks[].source.")


def remove_disk(driver, vbox_vm, slot):
    attach(driver, vbox_vm.uuid, place_of(slot), "hdd", "none")


def grow_disk(driver, vbox_vm, slot, size):
    """With snapshots it is the image on top that grows: VirtualBox would grow the one below to no effect."""
    found = next(one for one in vbox_vm.disks if slot_name(one.controller, one.port, one.device) == slot)
    driver.run(vbox_vm.uuid, "modifymedium", "disk", found.values["ImageUUID"], "--resize", str(size // MIB))
    # VirtualBox notices the new size when it is asked, and once the VM runs it would go on telling the old one.
    driver.tool.read("showmediuminfo", "disk", found.values["ImageUUID"])


# Optical drives ---------------------------------------------------------------------------------------------------


def set_iso(driver, vbox_vm, path):
    drive = vbox_vm.iso_drive
    place = (drive.controller, drive.port, drive.device) if drive else _free_drive_place(driver, vbox_vm)
    attach(driver, vbox_vm.uuid, place, "dvddrive", path or "emptydrive")


def attach_seed(driver, vbox_vm, path):
    """A drive of its own for the seed, behind the one of the option iso."""
    if any(slot.medium == path for slot in vbox_vm.drives):
        return
    attach(driver, vbox_vm.uuid, _free_drive_place(driver, vbox_vm), "dvddrive", path)


def _free_drive_place(driver, vbox_vm):
    controller = drive_controller(vbox_vm)
    used = {(slot.port, slot.device) for slot in vbox_vm.machine.slots if slot.controller == controller}
    free = next((place for place in DRIVE_PLACES if place not in used), None)
    if free is None:
        raise no_drive_place(vbox_vm.values["name"])
    return ensure_place(driver, vbox_vm, slot_name(controller, *free))


def drive_controller(vbox_vm):
    """The name of the IDE controller, of which a VM has one at most."""
    return next((name for name, bus in vbox_vm.controllers.items() if bus == "ide"), _DRIVE_CONTROLLER)


def no_drive_place(name):
    return Refused(f"{name}: iso: no slot is free for an optical drive.", "Detach a disk from the IDE bus.")


def remove_drive(driver, vbox_vm, slot):
    attach(driver, vbox_vm.uuid, (slot.controller, slot.port, slot.device), "dvddrive", "none")


# Checks, made before anything is changed ------------------------------------------------------------------------

#: How VirtualBox's word for the variant begins of an image that has its whole size from the start.
_FIXED = "fixed"


def check_media(listing, plan):
    """Raise NotFound or Refused for what VirtualBox would find only after something was done."""
    found = {one.uuid: one for one in listing.machines if one.machine is not None}
    vm = plan.before
    _check_twice(plan)
    for step in plan.steps:
        if step.verb == "clone" and not step.arguments["creation"]["clone"]["linked"]:
            source = found.get(step.arguments["source"].id)
            if source is not None:
                _check_growth(plan, _disks_of(listing.vbox_vm(source), base=True))
        elif step.verb == "configure" and vm.id in found:
            _check_growth(plan, _disks_of(listing.vbox_vm(found[vm.id])))
            _check_drive(listing.vbox_vm(found[vm.id]), plan)
            _check_free_ports(listing.vbox_vm(found[vm.id]), plan)
        elif step.verb == "start" and vm.id in found:
            _check_attached(listing.vbox_vm(found[vm.id]), plan)


def _disks_of(vbox_vm, base=False):
    """{slot: image}: the one that is written to, or the first one of its chain, whose variant a full clone takes."""
    images = {slot_name(one.controller, one.port, one.device): vbox_vm.image_in(one) for one in vbox_vm.disks}
    return {slot: image[1 if base else 0] for slot, image in images.items() if image[0] is not None}


def _check_growth(plan, disks):
    changes = [change for step in plan.steps for change in step.changes if change.kind == "disks.size"]
    for change in changes:
        image = disks.get(change.key)
        if image is not None and (image.variant or "").startswith(_FIXED):
            stem, ending = os.path.splitext(image.location)
            raise Refused(
                f"{plan.after.name}: disks.{change.key}.size: {image.location} has the variant Fixed, and VirtualBox"
                " cannot enlarge such a disk.",
                "Detach it (state: absent) and attach a copy of the variant Standard: VBoxManage clonemedium disk"
                f" {image.location} {stem}-standard{ending} --variant Standard.",
            )


def _check_twice(plan):
    """VirtualBox attaches one image once, and finds that when other changes are made."""
    slots = {}
    for slot, disk in sorted((plan.after.config.get("disks") or {}).items()):
        source = os.path.realpath(disk["source"]) if disk.get("source") else None
        if source in slots:
            raise Refused(
                f"{plan.after.name}: disks: {disk['source']} would be attached at both {slots[source]} and {slot}.",
                "Attach it at one slot only; state: absent detaches it from the other.",
            )
        if source:
            slots[source] = slot


def _check_drive(vbox_vm, plan):
    """A VM without an optical drive gets one on its IDE controller, as long as there is a place."""
    if vbox_vm.iso_drive is not None or not any(change.kind == "iso" for step in plan.steps for change in step.changes):
        return
    controller, disks = drive_controller(vbox_vm), plan.after.config.get("disks") or {}
    drives = {(one.port, one.device) for one in vbox_vm.drives if one.controller == controller}
    used = drives | {place_of(slot)[1:] for slot in disks if place_of(slot)[0] == controller}
    if used.issuperset(DRIVE_PLACES):
        raise no_drive_place(plan.after.name)


def _check_free_ports(vbox_vm, plan):
    """While a VM is on, its controllers get no more ports."""
    if plan.before.power not in (RUNNING, PAUSED) or any(step.verb in ("stop", "kill") for step in plan.steps):
        return
    ports = {one.name: int(one.values["portcount"]) for one in vbox_vm.machine.controllers}
    for change in (change for step in plan.steps for change in step.changes if change.kind == "disks.add"):
        controller, port, _device = place_of(change.key)
        if port >= ports.get(controller, port + 1):
            raise Refused(
                f"{plan.after.name}: disks.{change.key}: controller '{controller}' has only {ports[controller]}"
                " ports while the VM is running.",
                "Use a lower port number, or stop the VM first.",
            )


def _check_attached(vbox_vm, plan):
    """VirtualBox starts no VM without one of its images, and tells so only when it opens them."""
    for slot in vbox_vm.machine.slots:
        option, name = _option_of(vbox_vm, slot), slot_name(slot.controller, slot.port, slot.device)
        if not _stays(plan.after.config, option, name, slot):
            continue
        missing = next((path for path in _files_of(vbox_vm, slot) if not files.exists(path)), None)
        if missing is not None:
            raise NotFound(
                f"{plan.after.name}: {option}: {missing} in slot {name} does not exist, so the VM cannot start.",
                f"Restore the file{_REMEDIES[option]}.",
            )


_REMEDIES = {"disks": ", or detach the disk (state: absent)", "iso": ", or set iso: ''", "cloud-init seed": ""}


def _option_of(vbox_vm, slot):
    if slot in vbox_vm.disks:
        return "disks"
    return "iso" if slot == vbox_vm.iso_drive else "cloud-init seed"


def _stays(config, option, name, slot):
    """Whether what is in a slot will be there when the VM starts."""
    if option == "disks":
        return name in (config.get("disks") or {})
    return option != "iso" or config.get("iso") == slot.medium


def _files_of(vbox_vm, slot):
    """The file at a slot and all that it is based on, whoever's they are."""
    medium = vbox_vm.media.get(slot.values.get("ImageUUID"))
    if medium is None:
        return () if slot.medium in ("none", "emptydrive") else (slot.medium,)
    found = [medium]
    while found[-1].parent in vbox_vm.media:
        found.append(vbox_vm.media[found[-1].parent])
    return [one.location for one in found]
