# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check before the first step whether the drives that a plan adds have free slots on controllers that exist."""

from __future__ import annotations

from ...._core.errors import Refused
from ..mark import own_mark
from .disks import DVD_LOCATION, SEED_LOCATION, drive_slot, dvd_drives

#: SCSI controllers of a new VM, of both generations.
OF_NEW_VM = frozenset({0})
#: Slots of the DVD drives for (iso, cloud_init).
_IDE_DVDS = ("IDE 1:0", "IDE 1:1")
_SCSI_DVDS = (f"SCSI 0:{DVD_LOCATION}", f"SCSI 0:{SEED_LOCATION}")


def is_new(one):
    """Return whether a planned step creates its VM."""
    return one.step.verb in ("create", "clone")


def controllers_of(raw):
    """Return the numbers of the SCSI controllers that have drives; a VM may also have empty ones."""
    drives = [*(raw.get("HardDrives") or ()), *(raw.get("DVDDrives") or ())]
    return {drive["ControllerNumber"] for drive in drives if drive["ControllerType"] == "SCSI"}


def needed_controllers(one):
    """Return {slot: number of the SCSI controller} of the disks that a planned step adds."""
    return {slot: int(slot[5:].partition(":")[0]) for slot in _added_slots(one) if slot.startswith("SCSI ")}


def _added_slots(one):
    if one.step.verb == "clone":
        return list(one.step.arguments["config"].get("disks") or {})
    return [change.key for change in one.changes if change.kind == "disks.add"]


def check_slots(name, one, raw, controllers):
    """Raise Refused if a drive that a planned step adds has no free slot.

    ``raw`` is the VM as observed, or None if the task creates it. ``controllers`` are the numbers of its SCSI
    controllers.
    """
    owner = "a new VM" if raw is None else "the VM"
    for slot, number in needed_controllers(one).items():
        if number not in controllers:
            raise Refused(
                f"{name}: disks.{slot}: {owner} has no SCSI controller {number}.",
                "Use SCSI 0:0 to SCSI 0:61, or add the controller to the VM first: Add-VMScsiController.",
            )
    dvds, added = _dvd_slots(one, raw), _added_slots(one)
    for slot in added:
        drive = dvds.get(slot)
        if drive:
            raise Refused(f"{name}: disks.{slot}: the slot is used by {drive}.", "Use another slot.")
    removed = {change.key for change in one.changes if change.kind == "disks.remove"}
    for slot in set(one.vm.config.get("disks") or {}) - removed - set(added):
        if slot in dvds:
            raise Refused(
                f"{name}: iso: the VM has no DVD drive, and a disk has the slot of a new one, {slot}.",
                "Detach the disk, or add a DVD drive to the VM: Add-VMDvdDrive.",
            )


def _dvd_slots(one, raw):
    """Return {slot: what it is used for} of the DVD drives that the VM has after the step."""
    config = one.step.arguments["config"] if is_new(one) else one.vm.config
    iso_slot, seed_slot = _IDE_DVDS if config.get("firmware") == "bios" else _SCSI_DVDS
    requested = config.get("iso") or any(change.kind == "iso" and change.new for change in one.changes)
    if raw is not None:
        slots = {drive_slot(drive): "a DVD drive" for drive in raw.get("DVDDrives") or ()}
        has_drive = bool(dvd_drives(raw, own_mark(raw)["files"]))
    else:
        # New-VM creates a generation 1 VM with a DVD drive.
        has_drive = config.get("firmware") == "bios"
        slots = {iso_slot: "the DVD drive of each VM with firmware: bios"} if has_drive else {}
    if requested and not has_drive:
        slots[iso_slot] = "the DVD drive of iso"
    if is_new(one) and one.step.arguments["creation"].get("cloud_init") is not None:
        slots[seed_slot] = "the DVD drive of cloud_init"
    return slots
