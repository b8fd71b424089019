# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk of a box: Vagrant can only set its size."""

from __future__ import annotations

from ...._core.errors import Refused
from ...._core.units import MIB

#: Vagrant's own name for it.
PRIMARY = "primary"


def read_disks(described):
    return {PRIMARY: {"size": described["disk"] * MIB} if described.get("disk") else {}}


def write_disks(disks):
    size = ((disks or {}).get(PRIMARY) or {}).get("size")
    return size // MIB if size else None


def check_slots(vm, disks):
    for slot in disks:
        if slot != PRIMARY:
            raise Refused(
                f"{vm.name}: disks: '{slot}' does not exist: a box has one disk, {PRIMARY}, and only its size can be"
                " set.",
                "Add other disks with native: vm.disk, or storage for libvirt.",
            )
    return disks
