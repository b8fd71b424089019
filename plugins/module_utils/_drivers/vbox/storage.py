# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers, disks and optical drives.

An image is announced in the mark before it is made: what a run that was cut off left at that place is made anew,
anything else there is somebody's.
"""

from __future__ import annotations

import os

from ..._lifecycle.errors import Refused
from ..._lifecycle.units import MIB
from ..._ports import files
from ..._tools import vboxmanage_output as output
from . import images
from .mark import own_mark, write_mark
from .words import FORMATS, bus_for, place_of, slot_name

#: Where optical drives are: off the disks' bus, and the first of them is the option iso's.
_DRIVE_CONTROLLER = "IDE"
DRIVE_PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
_PORTS_OF_NEW = 8
_SEED_SUFFIX = ".polyvirt-seed.iso"


def disk_path(folder, name, slot, image_format):
    return os.path.join(folder, f"{name}-{slot.replace(' ', '-').replace(':', '-')}.{image_format or 'vdi'}")


def base_name(sight):
    """The machine's name as files have it."""
    return os.path.splitext(os.path.basename(sight.values["CfgFile"]))[0]


def seed_path(sight):
    return seed_path_in(sight.folder, base_name(sight))


def seed_path_in(folder, name):
    return os.path.join(folder, f"{name}{_SEED_SUFFIX}")


# Controllers ------------------------------------------------------------------------------------------------------


def ensure_place(driver, sight, slot):
    """See that there is a controller with a port for ``slot``; (controller, port, device)."""
    controller, port, device = place_of(slot)
    present = next((one for one in sight.machine.controllers if one.name == controller), None)
    if present is None:
        bus, ports = bus_for(controller)
        count = ["--portcount", str(min(ports, max(port + 1, _PORTS_OF_NEW)))] if bus in ("sata", "sas") else []
        driver.run(sight.uuid, "storagectl", sight.uuid, "--name", controller, "--add", bus, *count)
    elif port >= int(present.values["portcount"]) and port < int(present.values["maxportcount"]):
        driver.run(sight.uuid, "storagectl", sight.uuid, "--name", controller, "--portcount", str(port + 1))
    return controller, port, device


def attach(driver, uuid, place, kind, medium):
    controller, port, device = place
    slot = ["--storagectl", controller, "--port", str(port), "--device", str(device)]
    driver.run(uuid, "storageattach", uuid, *slot, "--type", kind, "--medium", medium)


# Disks ------------------------------------------------------------------------------------------------------------


def add_disk(driver, vm, sight, slot, entry, image=None):
    """Attach a disk; where it is new, the file is made first. Returns the mark with it."""
    mark = own_mark(vm)
    place = ensure_place(driver, sight, slot)
    if entry.get("source"):
        attach(driver, vm.id, place, "hdd", _as_detached(sight, entry["source"]))
        return mark
    path = disk_path(sight.folder, base_name(sight), slot, entry.get("format"))
    announced = list(mark.get("making", ()))
    if files.exists(path):
        _remove_leftover(driver, sight, path, announced)
    mark["making"] = announced if path in announced else [*announced, path]
    borrowed = mark.get("borrowed") or images.to_give_back(driver, image)
    mark = {**mark, "borrowed": borrowed} if borrowed else mark
    if mark != vm.mark:
        write_mark(driver, vm.id, mark)
    images.make(driver, path, FORMATS[entry.get("format") or "vdi"], entry.get("size"), image)
    images.give_back(driver, borrowed)
    attach(driver, vm.id, place, "hdd", path)
    (medium,) = output.media(driver.tool.read("showmediuminfo", "disk", path))
    kept = {key: value for key, value in mark.items() if key not in ("making", "borrowed")}
    left = [one for one in mark["making"] if one != path]
    return {**kept, "disks": [*mark["disks"], medium.uuid], **({"making": left} if left else {})}


def _as_detached(sight, path):
    """What a disk of the machine's own went on in since a snapshot, until it was detached."""
    real = os.path.realpath(path)
    left = [one for one in sight.left_behind() if os.path.realpath(sight.chain(one.parent)[-1].location) == real]
    return left[0].uuid if len(left) == 1 else path


def _remove_leftover(driver, sight, path, announced):
    if path not in announced:
        raise taken(path)
    known = next((medium for medium in sight.media.values() if medium.location == path), None)
    if known and known.users:
        raise taken(path)
    if known:
        driver.run(sight.uuid, "closemedium", "disk", known.uuid, "--delete")
    files.remove(path)


def taken(path):
    return Refused(f"{path} exists already.", "Move it away, or attach it as a disk's source.")


def remove_disk(driver, sight, slot):
    attach(driver, sight.uuid, place_of(slot), "hdd", "none")


def grow_disk(driver, sight, slot, size):
    """With snapshots it is the image on top that grows: VirtualBox would grow the one below to no effect."""
    found = next(one for one in sight.disks if slot_name(one.controller, one.port, one.device) == slot)
    driver.run(sight.uuid, "modifymedium", "disk", found.values["ImageUUID"], "--resize", str(size // MIB))
    # VirtualBox notices the new size when it is asked, and once the machine runs it would go on telling the old one.
    driver.tool.read("showmediuminfo", "disk", found.values["ImageUUID"])


# Optical drives ---------------------------------------------------------------------------------------------------


def set_iso(driver, sight, path):
    drive = sight.iso_drive
    place = (drive.controller, drive.port, drive.device) if drive else _free_drive_place(driver, sight)
    attach(driver, sight.uuid, place, "dvddrive", path or "emptydrive")


def add_seed(driver, sight, path):
    """A drive of its own for the seed, behind the one of the option iso."""
    if any(slot.medium == path for slot in sight.drives):
        return
    attach(driver, sight.uuid, _free_drive_place(driver, sight), "dvddrive", path)


def _free_drive_place(driver, sight):
    controller = drive_controller(sight)
    used = {(slot.port, slot.device) for slot in sight.machine.slots if slot.controller == controller}
    free = next((place for place in DRIVE_PLACES if place not in used), None)
    if free is None:
        raise no_drive_place(sight.values["name"])
    return ensure_place(driver, sight, slot_name(controller, *free))


def drive_controller(sight):
    """The name of the IDE controller, of which a VM has one at most."""
    return next((name for name, bus in sight.controllers.items() if bus == "ide"), _DRIVE_CONTROLLER)


def no_drive_place(name):
    return Refused(f"{name}: no place is free for an optical drive.", "Take a disk off the IDE bus.")


def remove_drive(driver, sight, slot):
    attach(driver, sight.uuid, (slot.controller, slot.port, slot.device), "dvddrive", "none")
