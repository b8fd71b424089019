# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: disks: what is supported, and how they are read. disks.py changes them."""

from __future__ import annotations

import os
from shlex import quote

from ...._core.errors import Refused
from ...._core.model import ABSENT, NEVER, POWER_OFF
from ...._core.texts import removal
from ...._core.units import MIB, human_size
from ...._kit.settings import DIRECTORY, Setting, check_directories
from ...._ports import files
from ..vbox_vm import FORMATS, NOT_RESIZABLE, bus_for, parse_slot, place_fault, slot_name
from .hardware import while_on

_FORMAT_NAMES = {"RAW": "raw"}


def plain_path(path):
    """A path as VirtualBox stores it: VBoxManage removes parts such as // and /./ from paths."""
    return os.path.normpath(path) if path else path


# Reading ------------------------------------------------------------------------------------------------------------


def disks_of(vbox_vm):
    """{slot: disk}."""
    return {slot_name(slot.controller, slot.port, slot.device): _disk(vbox_vm, slot) for slot in vbox_vm.disks}


def _disk(vbox_vm, slot):
    attached, base = vbox_vm.image_in(slot)
    if attached is None:
        return {"source": slot.medium, "size": None, "format": None}
    size = None if attached.capacity is None else attached.capacity * MIB
    return {"source": base.location, "size": size, "format": _FORMAT_NAMES.get(base.format, base.format.lower())}


# Normalizing --------------------------------------------------------------------------------------------------------


def _normalized(vm, disks, known):
    """The disks by slots as VirtualBox prints them: IDE 0:0 is IDE 0."""
    by_slot = {}
    for requested, disk in disks.items():
        check_slot(vm, "disks", requested, disk, known.controllers.get(vm.id, ()))
        slot = slot_name(*parse_slot(requested))
        if slot in by_slot:
            raise Refused(f"{vm.name}: disks.{requested}: slot {slot} is listed twice.", "List each slot once.")
        _check_growth(vm, slot, disk or {})
        paths = {key: plain_path(disk[key]) for key in ("source", "directory") if disk and disk.get(key)}
        plain = disk and {**disk, **paths}
        # VirtualBox rejects an image that it knows by another path, such as one without symbolic links.
        found = known.media.get(files.identity(plain["source"])) if plain and plain.get("source") else None
        by_slot[slot] = {**plain, "source": found} if found else plain
    check_directories(vm, by_slot, os.path.dirname, os.path.realpath)
    return by_slot


def check_slot(vm, option, slot, entry, controllers):
    """Raise Refused for a slot of ``disks`` or ``cdroms`` that no VM of VirtualBox has, or that a new one lacks."""
    parts = parse_slot(slot)
    used = [*(vm.config.get("disks") or ()), *(vm.config.get("cdroms") or ())]
    present = {parse_slot(one)[0] for one in used}.union(controllers)
    is_gone = entry is None and slot not in (vm.config.get(option) or {})
    if parts is None or (parts[0] not in present and bus_for(parts[0]) is None and not is_gone):
        raise Refused(
            f"{vm.name}: {option}: '{slot}' is not a valid slot.",
            "Use a controller and a port, such as SATA 0, IDE 0 or NVMe 0; IDE 0:1 is the second device of a port.",
        )
    if vm.power == ABSENT and parts[0] not in present:
        fault = place_fault(*bus_for(parts[0]), *parts[1:])
        if fault:
            raise Refused(f"{vm.name}: {option}.{slot}: a controller of this type {fault}.", "Use another slot.")


def _check_growth(vm, slot, disk):
    present = (vm.config.get("disks") or {}).get(slot) or {}
    size = present.get("size")
    if present.get("format") != NOT_RESIZABLE or not size or (disk.get("size") or 0) <= size:
        return
    # The files of a future clone have no path yet.
    path = present.get("source") or f"FILE.{NOT_RESIZABLE}"
    first = "Delete its snapshots first. " if vm.snapshots else ""
    raise Refused(
        f"{vm.name}: disks.{slot}.size: the disk is a {NOT_RESIZABLE} of {human_size(size)}, and VirtualBox cannot"
        " enlarge such a disk.",
        f"{first}Detach it ({removal('disks', slot)}) and attach a VDI copy of it: VBoxManage clonemedium disk"
        f" {quote(path)} {quote(os.path.splitext(path)[0] + '.vdi')} --format VDI.",
    )


# Costs --------------------------------------------------------------------------------------------------------------


def cost_of_adding(known, vm, change):
    """A disk or drive can be added to the SATA controller of a running VM, if it has one."""
    bus = known.controllers.get(vm.id, {}).get(parse_slot(change.key)[0])
    return while_on(vm, change) if bus == "sata" else POWER_OFF


MEDIA = {
    "disks": Setting(read=disks_of, normalize=_normalized),
    "disks.add": Setting(cost_with=cost_of_adding),
    "disks.remove": Setting(cost=POWER_OFF),
    "disks.size": Setting(
        cost=POWER_OFF,
        whole=MIB,
        instead="VirtualBox cannot open its file: VBoxManage list --long hdds shows why. Restore the file.",
    ),
    "disks.format": Setting(cost=NEVER, choices=tuple(FORMATS)),
    "disks.source": Setting(cost=NEVER),
    "disks.directory": DIRECTORY,
}
