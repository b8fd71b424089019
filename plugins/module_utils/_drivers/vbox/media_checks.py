# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs of disk images and media: their files, disks that can grow, and room for copies."""

from __future__ import annotations

import os

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.model import PAUSED, RUNNING
from ..._lifecycle.units import human_size
from ..._ports import files
from ..._tools import disk_header
from . import storage
from .words import place_of, slot_name

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
                _check_growth(plan, _disks_of(listing.sight(source), base=True))
        elif step.verb == "configure" and vm.id in found:
            _check_growth(plan, _disks_of(listing.sight(found[vm.id])))
            _check_drive(listing.sight(found[vm.id]), plan)
            _check_free_ports(listing.sight(found[vm.id]), plan)
        elif step.verb == "start" and vm.id in found:
            _check_attached(listing.sight(found[vm.id]), plan)


def _disks_of(sight, base=False):
    """{slot: image}: the one that is written to, or the first one of its chain, whose variant a full clone takes."""
    images = {slot_name(one.controller, one.port, one.device): sight.image_in(one) for one in sight.disks}
    return {slot: image[1 if base else 0] for slot, image in images.items() if image[0] is not None}


def _check_growth(plan, disks):
    changes = [change for step in plan.steps for change in step.changes if change.kind == "disks.size"]
    for change in changes:
        image = disks.get(change.key)
        if image is not None and (image.variant or "").startswith(_FIXED):
            stem, ending = os.path.splitext(image.location)
            raise Refused(
                f"{plan.after.name}: disks.{change.key}.size: {image.location} is of the variant Fixed, and VirtualBox"
                " cannot grow such a disk.",
                "Detach it (state: absent) and attach a copy that grows: VBoxManage clonemedium disk"
                f" {image.location} {stem}-standard{ending} --variant Standard.",
            )


def _check_twice(plan):
    """VirtualBox attaches one image once, and finds that when other changes are made."""
    slots = {}
    for slot, disk in sorted((plan.after.config.get("disks") or {}).items()):
        source = os.path.realpath(disk["source"]) if disk.get("source") else None
        if source in slots:
            raise Refused(
                f"{plan.after.name}: disks: {disk['source']} would be at {slots[source]} and at {slot}.",
                "Name it at one slot; state: absent detaches it from the other.",
            )
        if source:
            slots[source] = slot


def _check_drive(sight, plan):
    """A VM without an optical drive gets one on its IDE controller, as long as there is a place."""
    if sight.iso_drive is not None or not any(change.kind == "iso" for step in plan.steps for change in step.changes):
        return
    controller, disks = storage.drive_controller(sight), plan.after.config.get("disks") or {}
    drives = {(one.port, one.device) for one in sight.drives if one.controller == controller}
    used = drives | {place_of(slot)[1:] for slot in disks if place_of(slot)[0] == controller}
    if used.issuperset(storage.DRIVE_PLACES):
        raise storage.no_drive_place(plan.after.name)


def _check_free_ports(sight, plan):
    """While a VM is on, its controllers get no more ports."""
    if plan.before.power not in (RUNNING, PAUSED) or any(step.verb in ("stop", "kill") for step in plan.steps):
        return
    ports = {one.name: int(one.values["portcount"]) for one in sight.machine.controllers}
    for change in (change for step in plan.steps for change in step.changes if change.kind == "disks.add"):
        controller, port, _device = place_of(change.key)
        if port >= ports.get(controller, port + 1):
            raise Refused(
                f"{plan.after.name}: disks: {change.key}: '{controller}' has {ports[controller]} ports while it is on.",
                "Name a lower port, or stop the VM first.",
            )


def _check_attached(sight, plan):
    """VirtualBox starts no VM without one of its images, and tells so only when it opens them."""
    for slot in sight.machine.slots:
        option, name = _option_of(sight, slot), slot_name(slot.controller, slot.port, slot.device)
        if not _stays(plan.after.config, option, name, slot):
            continue
        missing = next((path for path in _files_of(sight, slot) if not files.exists(path)), None)
        if missing is not None:
            raise NotFound(
                f"{plan.after.name}: {option}: {missing} at {name} does not exist, so the VM cannot start.",
                f"Put the file back{_REMEDIES[option]}.",
            )


_REMEDIES = {"disks": ", or detach the disk (state: absent)", "iso": ", or set iso: ''", "cloud-init seed": ""}


def _option_of(sight, slot):
    if slot in sight.disks:
        return "disks"
    return "iso" if slot == sight.iso_drive else "cloud-init seed"


def _stays(config, option, name, slot):
    """Whether what is in a slot will be there when the VM starts."""
    if option == "disks":
        return name in (config.get("disks") or {})
    return option != "iso" or config.get("iso") == slot.medium


def _files_of(sight, slot):
    """The file at a slot and all that it is based on, whoever's they are."""
    medium = sight.media.get(slot.values.get("ImageUUID"))
    if medium is None:
        return () if slot.medium in ("none", "emptydrive") else (slot.medium,)
    found = [medium]
    while found[-1].parent in sight.media:
        found.append(sight.media[found[-1].parent])
    return [one.location for one in found]


def check_uuid(name, option, path, media):
    """VirtualBox opens no image with the UUID of another one that it knows, as a copied file has."""
    known = media.get(disk_header.uuid_of(path))
    if known is not None and os.path.realpath(known.location) != os.path.realpath(path):
        raise Refused(
            f"{name}: {option} {path} has the UUID of {known.location}, as if it were copied with cp.",
            f"Give it one of its own: VBoxManage internalcommands sethduuid {path}",
        )


def check_room(name, folder, option, paths):
    """Raise Refused where there is no room for a copy of what ``paths`` hold."""
    needed = sum(files.allocated(path) for path in paths if files.exists(path))
    while not files.is_folder(folder) and os.path.dirname(folder) != folder:
        folder = os.path.dirname(folder)
    free = files.free_space(folder)
    if free < needed:
        raise Refused(
            f"{name}: {option}: the copy takes {human_size(needed)}, and {folder} has {human_size(free)} free.",
            "Free some space there, or name another folder in storage_path.",
        )
