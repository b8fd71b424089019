# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What could be sent and would not be reached: a task that asks for it would want it again at each run."""

from __future__ import annotations

from ..._lifecycle.errors import Refused
from ..._tools import proxmox_values as values
from .fields import NEW_KEYS
from .sight import has_keys


def check_reachable(driver, label, node, options, changes):
    """``options`` are what the machine has, or what a clone will have."""
    for change in changes:
        if change.kind == "disks.add":
            _check_slot(label, change.key, options)
        elif change.kind == "firmware":
            _check_keys(label, options, change)
    check_formats(driver, label, node, {change.key: change.new for change in changes if change.kind == "disks.add"})


def _check_slot(label, slot, options):
    """What is no disk is no part of the disks that were compared."""
    if slot in options:
        is_seed = values.is_seed(values.parse(slot, options[slot]))
        held = "the drive of cloud-init" if is_seed else "an optical drive"
        raise Refused(f"{label}: disks: {slot} is {held}, so no disk can be there.", "Name another slot.")


def check_formats(driver, label, node, disks):
    """A disk stays in its format, so another one would be refused when it is compared the next time."""
    for slot, disk in disks.items():
        asked, volume = disk.get("format"), disk.get("source")
        if asked and volume:
            _check_format_of_volume(label, slot, asked, volume)
        elif asked and asked != "raw":
            storage = driver.places.choose_storage(label, node, "images", disk.get("storage") or driver.storage)
            _check_holds_files(driver, label, slot, asked, storage)


def _check_format_of_volume(label, slot, asked, volume):
    found = values.format_of(volume)
    if asked != found:
        raise Refused(
            f"{label}: disks: format of {slot} is '{asked}', and '{volume}' is {found}.", "Leave the format out."
        )


def _check_holds_files(driver, label, slot, asked, storage):
    if not driver.places.holds_files(storage):
        raise Refused(
            f"{label}: disks: format of {slot} is '{asked}', but storage '{storage}' holds no files, only raw data.",
            "Leave the format out, or name a storage that holds files.",
        )


def _check_keys(label, options, change):
    """An EFI disk stays while its machine has no UEFI, and with it the keys that it was made with."""
    asked = change.beside.get("secure_boot")
    if change.new == "uefi" and asked is not None and "efidisk0" in options and asked != has_keys(options):
        held = "without" if asked else "with"
        raise Refused(
            f"{label}: secure_boot cannot become '{asked}': it has an EFI disk, which was made {held} its keys.",
            NEW_KEYS,
        )
