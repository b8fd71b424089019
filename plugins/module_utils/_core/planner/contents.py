# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which disks of a new VM get their content from its source, such as an image."""

from __future__ import annotations

from ..frozen import replace
from ..options.option import PLACE

#: The first entry of a list, if it has no slot.
FIRST = f"{PLACE}0"


def contents_of(creation, first):
    """Return {slot: image} of the disks that a creation fills; ``first`` is the slot of an image without one."""
    image = creation.get("image")
    return {image.get("slot") or first: image} if image else {}


def filled_slots(request, traits):
    """Return the slots of the disks that the source of a VM creates, in the terms of the platform."""
    if "clone" in request.creation:
        return [traits.slot(0)]
    return [traits.slot_meant(slot) for slot in contents_of(request.creation, traits.slot(0))]


def with_filled_disks(request, traits):
    """Return a request to create a VM that lists the disk for which its image names a slot.

    If no entry has this slot, it is the first one, unless that has a slot of its own.
    """
    slot = (request.creation.get("image") or {}).get("slot")
    disks = request.config.get("disks") or {}
    if not slot or traits.slot_meant(slot) in {traits.slot_meant(one) for one in disks}:
        return request
    disks = {slot if key == FIRST else key: entry for key, entry in disks.items()}
    return replace(request, config={**request.config, "disks": {slot: {}, **disks}})


def creation_of(request, traits):
    """Return the creation options of a request as a driver gets them: slots are in the terms of the platform."""
    image = request.creation.get("image") or {}
    if not image.get("slot"):
        return dict(request.creation)
    return {**request.creation, "image": {**image, "slot": traits.slot_meant(image["slot"])}}
