# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks of a new VM get their content from its source, such as an image."""

from __future__ import annotations

from ..frozen import replace
from ..options.option import PLACE

#: Settings of which it depends on the firmware whether a new VM can have them.
_OF_FIRMWARE = ("cdroms", "disks", "secure_boot", "skip_boot_prompt")


def contents_of(creation, first):
    """Return {slot: image} of the disks that a creation fills; ``first`` is the slot of an image without one."""
    image = creation.get("image")
    return {image.get("slot") or first: image} if image else dict((creation.get("appliance") or {}).get("disks") or {})


def files_of_appliance(plan):
    """Return the files of an appliance on the host of the task. What is downloaded or copied has a digest instead."""
    creations = [step.arguments["creation"] for step in plan.steps if step.verb == "create"]
    appliance = next((one["appliance"] for one in creations if one.get("appliance")), {})
    disks = [disk for disk in (appliance.get("disks") or {}).values() if "fetch" not in disk]
    pieces = [piece[0] for disk in disks for piece in (disk.get("packed") or {}).get("parts") or ()]
    paths = (appliance.get("source"), *(disk["source"] for disk in disks), *pieces)
    return {path for path in paths if path and "://" not in path}


def has_unread_source(plan):
    """Return whether a plan creates its VM from an image or appliance of which the files are not known yet."""
    creations = [step.arguments["creation"] for step in plan.steps if step.verb == "create"]
    return any(_is_unread(one, "image", "fetch") or _is_unread(one, "appliance", "disks") for one in creations)


def _is_unread(creation, source, key):
    return bool(creation.get(source)) and key not in creation[source]


def warnings_of(creation):
    """Return the warnings about an image or appliance that was looked up."""
    return [text for source in ("image", "appliance") for text in (creation.get(source) or {}).get("warnings") or ()]


def filled_slots(request, traits):
    """Return the slots of the disks that the source of a VM creates, in the terms of the platform."""
    if "clone" in request.creation:
        return [traits.slot(0)]
    return [traits.slot_meant(slot) for slot in contents_of(request.creation, traits.slot(0))]


def with_filled_disks(request, traits):
    """Return a request to create a VM that lists the disk for which its image names a slot, or those of its appliance.

    Entries without a slot are these disks, in their order; a disk that the task lists by its slot is not among them.
    """
    appliance, slot = request.creation.get("appliance") or {}, (request.creation.get("image") or {}).get("slot")
    if appliance and "disks" not in appliance:
        # Its firmware is known when it is read. Then the VM is planned again.
        config = {name: value for name, value in request.config.items() if name not in _OF_FIRMWARE}
        return replace(request, config=config)
    slots = [slot] if slot else list(appliance.get("slots") or ())
    if not slots:
        return request
    disks = request.config.get("disks") or {}
    listed = {traits.slot_meant(one): one for one in disks}
    unnamed = iter([one for one in disks if one.startswith(PLACE)])
    #: The key of each entry that the task has for one of these disks.
    keys = {slot: listed.get(traits.slot_meant(slot)) or next(unnamed, None) for slot in slots}
    own = {slot: appliance["slots"][slot] if appliance else {} for slot in slots}
    own = {slot: _updated(entry, disks.get(keys[slot], {})) for slot, entry in own.items()}
    others = {key: entry for key, entry in disks.items() if key not in keys.values()}
    return replace(request, config={**request.config, "disks": {**own, **others}})


def _updated(entry, asked):
    return None if asked is None else {**entry, **asked}


def creation_of(request, traits):
    """Return the creation options of a request as a driver gets them: slots are in the terms of the platform."""
    image, appliance = request.creation.get("image") or {}, request.creation.get("appliance") or {}
    creation = dict(request.creation)
    if image.get("slot"):
        creation["image"] = {**image, "slot": traits.slot_meant(image["slot"])}
    if appliance.get("disks"):
        disks = {traits.slot_meant(slot): disk for slot, disk in appliance["disks"].items()}
        creation["appliance"] = {**appliance, "disks": disks}
    return creation
