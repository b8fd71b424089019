# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: check before the first step whether the drives that a plan adds have free slots on existing controllers."""

from __future__ import annotations

from ...._core.errors import Refused
from .cdroms import default_drive, seed_slot
from .disks import drive_slot


def is_new(one):
    """Return whether a planned step creates its VM."""
    return one.step.verb in ("create", "clone")


def controllers_of(raw):
    """Return the numbers of the SCSI controllers that have drives; a VM may also have empty ones."""
    drives = [*(raw.get("HardDrives") or ()), *(raw.get("DVDDrives") or ())]
    return {drive["ControllerNumber"] for drive in drives if drive["ControllerType"] == "SCSI"}


def needed_controllers(one):
    """Return {option: number of the SCSI controller} of the disks and DVD drives that a planned step adds."""
    slots = {f"{option}.{slot}": slot for option in ("disks", "cdroms") for slot in _added_slots(one, option)}
    return {path: int(slot[5:].partition(":")[0]) for path, slot in slots.items() if slot.startswith("SCSI ")}


def _added_slots(one, option):
    if is_new(one) and (option == "cdroms" or one.step.verb == "clone"):
        return list(one.step.arguments["config"].get(option) or {})
    return [change.key for change in one.changes if change.kind == f"{option}.add"]


def check_slots(name, one, raw, controllers, has_new_seed):
    """Raise Refused if a drive that a planned step adds has no free slot.

    ``raw`` is the VM as observed, or None if the task creates it. ``controllers`` are the numbers of its SCSI
    controllers. ``has_new_seed``: the task creates the VM with a cloud-init seed.
    """
    owner = "a new VM" if raw is None else "the VM"
    for path, number in needed_controllers(one).items():
        if number not in controllers:
            raise Refused(
                f"{name}: {path}: {owner} has no SCSI controller {number}.",
                "Use SCSI 0:0 to SCSI 0:61, or add the controller to the VM first: Add-VMScsiController.",
            )
    config = one.step.arguments["config"] if is_new(one) else one.vm.config
    if has_new_seed and one.step.verb == "clone":
        _check_seed_of_clone(name, config)
    if has_new_seed and seed_slot(config) in _added_slots(one, "cdroms"):
        raise Refused(
            f"{name}: cdroms.{seed_slot(config)}: the slot is used by the DVD drive of cloud_init.", "Use another slot."
        )
    dvds = _dvd_slots(one, config, raw, has_new_seed)
    for slot in _added_slots(one, "disks"):
        drive = dvds.get(slot)
        if drive:
            raise Refused(f"{name}: disks.{slot}: the slot is used by {drive}.", "Use another slot.")


def _check_seed_of_clone(name, config):
    """The disks and DVD drives of the source, which the task does not name, keep their slots."""
    slot = seed_slot(config)
    for option, what in (("disks", "disk"), ("cdroms", "DVD drive")):
        if slot in (config.get(option) or ()):
            raise Refused(
                f"{name}: cloud_init: the source has a {what} in the slot of the seed's drive, {slot}.",
                f"Move that {what} to another slot of the source, or omit cloud_init.",
            )


def _dvd_slots(one, config, raw, has_new_seed):
    """Return {slot: what it is used for} of the DVD drives that the VM has after the step."""
    removed = {change.key for change in one.changes if change.kind == "cdroms.remove"}
    if raw is None:
        slots = dict.fromkeys(config.get("cdroms") or (), "a DVD drive")
        if default_drive(config) in slots:
            slots[default_drive(config)] = "the DVD drive of each VM with firmware: bios"
    else:
        slots = {drive_slot(drive): "a DVD drive" for drive in raw.get("DVDDrives") or ()}
    slots = {slot: user for slot, user in slots.items() if slot not in removed}
    slots.update(dict.fromkeys(_added_slots(one, "cdroms") if not is_new(one) else (), "a DVD drive"))
    if has_new_seed:
        slots[seed_slot(config)] = "the DVD drive of cloud_init"
    return slots
