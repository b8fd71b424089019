# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks: their volumes, and what is checked before one is added, grown or moved."""

from __future__ import annotations

import re

from ...._lifecycle.errors import ApiError, NotFound, Refused
from ...._lifecycle.model import LIVE, NEVER, NEXT_BOOT, POWER_OFF, SUSPENDED, Field
from ...._tools import proxmox_values as values
from .base import plugs

_UNUSED = re.compile(r"unused\d+")
#: Drives that hold what a VM is, and no data of the guest's.
_STATE_VOLUMES = ("efidisk0", "tpmstate0")
_DETACH = "Detach it (state: absent) and attach another."
#: Buses whose disks come and go while a VM runs.
_PLUGGED = ("scsi", "virtio")
VOLUME = re.compile(r"[A-Za-z][\w.-]*:[^\s,]+")
FIRST = "scsi0"


def drives_of(options):
    """{slot: sub-keys} of all drives on a bus."""
    return {key: values.parse(key, text) for key, text in sorted(options.items()) if values.bus_of(key)}


def disks_of(options):
    return {slot: drive for slot, drive in drives_of(options).items() if not values.is_cdrom(drive) and drive}


def volumes_of(options):
    """{option: volume} of all that is no medium: disks, states, the seed, and what is detached."""
    found = {}
    for key, text in options.items():
        if values.bus_of(key) or key in _STATE_VOLUMES or _UNUSED.fullmatch(key):
            drive = values.parse(key, text)
            if ":" in drive.get("file", "") and (not values.is_cdrom(drive) or values.is_seed(drive)):
                found[key] = drive["file"]
        elif key == "vmstate":
            found[key] = text
    return found


def read(drive):
    volume = drive.get("file", "")
    return {
        "size": values.size_of(drive.get("size")),
        "format": values.format_of(volume),
        "storage": storage_of(volume),
        "source": volume,
    }


def storage_of(volume):
    """The storage of a volume; None for a path on the node."""
    storage, colon, _name = volume.partition(":")
    return storage if colon and not volume.startswith("/") else None


def _add_disk(writing, change):
    if change.key in writing.now:
        return
    asked = change.new
    if asked.get("source"):
        writing.put[change.key] = asked["source"]
        return
    parts = {"file": f"{asked.get('storage') or writing.storage}:{values.gibibytes(asked['size'])}"}
    if asked.get("format") and asked["format"] != "raw":
        parts["format"] = asked["format"]
    writing.put[change.key] = values.printed(change.key, parts)


def _remove_disk(writing, change):
    if change.key in writing.now:
        writing.gone.append(change.key)


def _grow_disk(writing, change):
    present = values.size_of(values.parse(change.key, writing.now.get(change.key, "")).get("size"))
    if present is None or present < change.new:
        writing.grown[change.key] = change.new


def _cost_of_disk(vm, change):
    if vm.power == SUSPENDED:
        return POWER_OFF
    return plugs("disk")(vm, change) if values.bus_of(change.key) in _PLUGGED else NEXT_BOOT


def _cost_of_growth(vm, change):
    """The server grows and moves what runs; what waits for the next start has to become the VM's first."""
    waits = vm.on and vm.active is not None and _source_of(vm.active, change.key) != _source_of(vm.config, change.key)
    return POWER_OFF if vm.power == SUSPENDED or waits else LIVE


def _source_of(config, slot):
    return (config["disks"].get(slot) or {}).get("source")


def check_disk(vm, slot, disk):
    if values.bus_of(slot) is None:
        buses = ", ".join(f"{bus}0 to {bus}{count - 1}" for bus, count in values.BUSES.items())
        raise Refused(f"{vm.name}: disks: '{slot}' is no slot.", f"There are {buses}.")
    if disk.get("source") and not VOLUME.fullmatch(disk["source"]):
        raise Refused(
            f"{vm.name}: disks: source of {slot} is '{disk['source']}', which is no volume.",
            "Write STORAGE:VOLUME, as pvesm list shows it.",
        )


def check_storage(vm, slot, disk, storage):
    """The option storage is for new disks; it does not move one that exists. A clone's are not there yet."""
    found = ((vm.config.get("disks") or {}).get(slot) or {}) if disk is not None else {}
    source, own = (disk or {}).get("source"), (disk or {}).get("storage")
    if source and own and storage_of(source) != own:
        raise Refused(f"{vm.name}: disks: storage of {slot} is '{own}', but its source is '{source}'.", "Remove one.")
    if storage and found.get("source") and not (own or source) and found["storage"] not in (None, storage):
        raise Refused(
            f"{vm.name}: storage: disk {slot} is on '{found['storage']}', not on '{storage}'; the option storage is for"
            " new disks only.",
            f"To move the disk set disks: [{{slot: {slot}, storage: {storage}}}]; to leave it set its storage to"
            f" '{found['storage']}' there.",
        )


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
    # A volume goes with the VM whose number it has, attached or not, whoever uses it.
    user = driver.observer.name_of(owner)
    if user and owner != basis.vmid:
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' belongs to '{user}', and goes with it.",
            "Detach it there, and give it over first (web interface: Reassign Owner).",
        )
    if any(drive.get("file") == volume for drive in drives_of(basis.vm_options.stored).values()):
        raise Refused(
            f"{label}: disks: source of {slot}: '{volume}' is attached to it already.",
            "Detach it there first (state: absent).",
        )
    size_of_volume(driver, label, node, volume)


def check_slot(label, slot, options):
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


def size_of_volume(driver, label, node, volume):
    """Bytes of a volume. Raises NotFound where it is not on the node."""
    storage = volume.partition(":")[0]
    try:
        return driver.tool.get(f"/nodes/{node}/storage/{storage}/content/{volume}")["size"]
    except ApiError as error:
        raise NotFound(
            f"{label}: node '{node}' has no volume '{volume}' ({error.message})",
            f"See what there is: pvesm list {storage}.",
        ) from error


FIELDS = {
    "disks.add": Field(cost=_cost_of_disk),
    "disks.remove": Field(cost=_cost_of_disk),
    "disks.size": Field(cost=_cost_of_growth),
    "disks.format": Field(cost=NEVER, choices=("raw", "qcow2", "vmdk"), instead=_DETACH),
    "disks.storage": Field(cost=_cost_of_growth),
    "disks.source": Field(cost=NEVER, instead=_DETACH),
}
WRITES = {"disks.add": _add_disk, "disks.remove": _remove_disk, "disks.size": _grow_disk}
