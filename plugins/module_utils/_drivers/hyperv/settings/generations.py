# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the drives of a VM are after it was created again with the other generation.

A generation 2 VM has no IDE controllers. A generation 1 VM boots from IDE only, and has its DVD drives there.
"""

from __future__ import annotations

from ...._core.planner.drives import in_order
from .cdroms import first_slot
from .disks import slot_name

#: More than the disks that a VM has.
_SLOTS = range(64)


def slots_after(before, after):
    """Return {option: {slot: slot in the new VM, or None}}; nothing if the generation remains.

    The order of the disks remains, and the first DVD drive is where a new VM has its own. No other one has a slot.
    """
    was, becomes = (config.get("firmware") == "bios" for config in (before, after))
    if was == becomes:
        return {}
    names = {slot_name(index, was): slot_name(index, becomes) for index in _SLOTS}
    first, *others = in_order(before.get("cdroms") or ()) or [None]
    drives = {first: first_slot(becomes), **dict.fromkeys(others)} if first else {}
    return {"disks": {slot: names.get(slot, slot) for slot in before.get("disks") or ()}, "cdroms": drives}
