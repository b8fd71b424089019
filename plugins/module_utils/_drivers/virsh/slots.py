# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of disks' places: vda is on virtio, sda on SCSI, hda on IDE, and sata0 is the target sda on SATA."""

from __future__ import annotations

import re

from ..._lifecycle.errors import Refused
from ..._lifecycle.model import LIVE, NEVER, NEXT_BOOT, Field

_BUSES = {"vd": "virtio", "sd": "scsi", "hd": "ide"}
_HOT_PLUGGABLE = ("virtio", "scsi")
_TARGET = re.compile(r"(vd|sd|hd)[a-z]{1,3}")
_SECTOR = 512
_SATA = re.compile(r"sata([0-9]{1,3})")


def bus_of(slot, entry=None):
    """The bus of a disk: what its entry says, else what its slot's name implies."""
    return (entry or {}).get("bus") or _BUSES.get(slot[:2], "virtio")


def slot_name(place, prefix="vd"):
    """The target at a place on a bus: vda, vdb ... vdz, vdaa (libvirt's virDiskNameToIndex counts so)."""
    letters, number = "", place + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("a") + rest) + letters
    return prefix + letters


def settle_slots(vm, disks):
    """``disks`` by libvirt's targets. SATA and SCSI share the names sda, sdb ...: an entry keeps its bus in mind."""
    settled = {}
    for slot, entry in disks.items():
        target, given = _target(vm, slot), entry
        if target != slot:
            present = (vm.config.get("disks") or {}).get(target)
            if entry is None and present and present["bus"] != "sata":
                continue  # That disk is on another bus; the one to be gone is not there.
            given = None if entry is None else {**entry, "bus": "sata"}
        if target in settled:
            raise Refused(f"{vm.name}: disks: {slot} is the target {target}, which is given too.", "Give it once.")
        settled[target] = _in_sectors(given)
    return settled


def _in_sectors(entry):
    """An entry with the size that the disk will have: QEMU's disks consist of whole sectors."""
    if entry is None or not entry.get("size"):
        return entry
    return {**entry, "size": -(-entry["size"] // _SECTOR) * _SECTOR}


def _target(vm, slot):
    sata = _SATA.fullmatch(slot)
    if sata:
        return slot_name(int(sata[1]), "sd")
    if not _TARGET.fullmatch(slot):
        raise Refused(
            f"{vm.name}: disks: '{slot}' is no slot.",
            "Name one such as vda (virtio), sda (SCSI), sata0 (SATA) or hda (IDE).",
        )
    return slot


def cost_of_plugging(vm, change):
    return LIVE if bus_of(change.key, change.new or change.old) in _HOT_PLUGGABLE else NEXT_BOOT


BUS = Field(
    cost=NEVER, instead="SATA and SCSI share the targets: sata0 is sda. Name another slot, or detach the disk first."
)
