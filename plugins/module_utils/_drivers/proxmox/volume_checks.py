# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes that a plan names: ISO images, sources of disks, images of new VMs."""

from __future__ import annotations

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.units import human_size
from ..._ports import files
from ..._tools import proxmox_values as values
from . import media
from .sight import drives_of
from .traits import iso_name

FIRST = "scsi0"
#: The version from which on disks are made from images.
_IMPORTS_SINCE = (7, 2)


def check_iso(driver, label, node, iso):
    if not iso:
        return
    name = iso_name(iso)
    if name is None:
        media.size_of_volume(driver, label, node, iso)
        return
    driver.places.choose_storage(label, node, "iso", driver.storage)
    if not name.lower().endswith((".iso", ".img")):
        raise Refused(f"{label}: iso '{iso}' has no name that Proxmox VE takes.", "It must end with .iso or .img.")
    if iso.startswith("/") and not files.is_file(iso):
        raise NotFound(f"{label}: iso: there is no file {iso} on the host of the task.", "Correct the path.")


def check_each_once(label, disks):
    slots = {}
    for slot, volume in ((slot, disk["source"]) for slot, disk in disks if disk.get("source")):
        if volume in slots:
            raise Refused(
                f"{label}: disks: '{volume}' is the source of {slots[volume]} and of {slot}.",
                "Give each disk a volume of its own.",
            )
        slots[volume] = slot


def check_source(driver, label, basis, node, slot, disk):
    volume = disk.get("source")
    if not volume:
        return
    owner = values.owner_of(volume)
    # A volume goes with the machine whose number it has, attached or not, whoever uses it.
    user = driver.eyes.name_of(owner)
    if user and owner != basis.vmid:
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' belongs to '{user}', and goes with it.",
            "Detach it there, and give it over first (web interface: Reassign Owner).",
        )
    if any(drive.get("file") == volume for drive in drives_of(basis.sight.stored).values()):
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' is attached to it already.",
            "Detach it there first (state: absent).",
        )
    media.size_of_volume(driver, label, node, volume)


def check_imports(driver, label, image):
    if driver.release() < _IMPORTS_SINCE:
        raise Refused(
            f"{label}: image '{image}': this is Proxmox VE {driver.version()}, which makes no disk from an image;"
            " 7.2 and later do.",
            "Clone a template that was made from the image on the node (qm importdisk).",
        )


def check_image(driver, label, node, image, size):
    if ":" not in image or image.startswith("/"):
        raise Refused(
            f"{label}: image '{image}' is no volume.",
            "Put it on a storage with the content Import (before Proxmox VE 8.3: Disk image), and name it as pvesm list"
            " tells it, such as STORAGE:import/NAME.",
        )
    found = media.size_of_volume(driver, label, node, image)
    if size and size < found:
        raise Refused(
            f"{label}: disk {FIRST} is to have {human_size(size)}, but the image has {human_size(found)}.",
            "Give that size or more.",
        )
