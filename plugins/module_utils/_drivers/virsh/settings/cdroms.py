# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: optical drives: their slots, reading and writing them in a definition, and their images while a VM runs."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ET
from string import ascii_lowercase

from ...._core.errors import Refused
from ...._core.model import LIVE, NEXT_BOOT
from ...._core.pattern import Pattern
from ...._core.planner.drives import SKIP_PROMPT, drive_with, first_drive
from ...._core.texts import removal
from ...._kit.settings import Setting
from ...._media.prepared import medium_of
from ...._tools.domain_xml import file_of, source_of, target_of
from .architecture import AMD64, row_in, row_of
from .disks import bus_of, slot_name

#: SATA and USB drives have targets like those of SCSI, so their slots begin with the bus.
_ON_BUS = Pattern(r"(sata|usb)([0-9]{1,3})")
_OTHERS = {"sd": "scsi", "hd": "ide"}
_TARGET = Pattern(r"(sd|hd)[a-z]{1,3}")
#: Images are attached as they are: a layer can name any file of the host. Prepared images of this task are layers.
_RAW, _LAYER = "raw", "qcow2"


def target_and_bus(slot):
    """(libvirt's target, bus) of a slot of a drive: sata1 is sdb on SATA. None if it is not valid."""
    numbered = _ON_BUS.fullmatch(slot)
    if numbered:
        return slot_name(int(numbered[2]), "sd"), numbered[1]
    return (slot, _OTHERS[slot[:2]]) if _TARGET.fullmatch(slot) else None


#: How the bus of a slot is known.
BUSES = {"disks": bus_of, "cdroms": lambda slot, _entry: (target_and_bus(slot) or (slot, slot))[1]}


def slot_of(drive):
    """The slot of a drive (the inverse of ``target_and_bus``)."""
    target, bus = target_of(drive), drive.find("target").get("bus")
    if bus not in ("sata", "usb") or not target.startswith("sd"):
        return target
    index = 0
    for letter in target[2:]:
        index = index * 26 + ascii_lowercase.index(letter) + 1
    return f"{bus}{index - 1}"


def _normalized(vm, cdroms):
    """The requested drives; sata00 is sata0. Raises Refused for what is not a slot, and for the target of another."""
    normalized, known = {}, {slot_name_of(slot): slot for slot in vm.config.get("cdroms") or ()}
    for given, entry in cdroms.items():
        place = target_and_bus(given)
        if place is None:
            raise Refused(
                f"{vm.name}: cdroms: '{given}' is not a valid slot of an optical drive.",
                "Use a slot such as sata1 (SATA), usb0 (USB), sda (SCSI), or hda (IDE, only with machine type pc).",
            )
        numbered = _ON_BUS.fullmatch(given)
        slot = f"{numbered[1]}{int(numbered[2])}" if numbered else given
        present = known.setdefault(place[0], slot)
        if present != slot and entry is None:
            continue  # The drive with this target is on another bus, so the one to be removed does not exist.
        if present != slot or slot in normalized:
            raise Refused(
                f"{vm.name}: cdroms: {given} and {present} are the same slot, {place[0]}.", "Use another slot."
            )
        if place[1] == "usb" and entry is not None:
            _check_filled(vm, slot, entry)
        normalized[slot] = entry
    return normalized


def _check_filled(vm, slot, entry):
    """Raise Refused for a USB drive that gets empty: QEMU has only a device that is the image itself."""
    present = (vm.config.get("cdroms") or {}).get(slot, {}).get("source")
    if not entry.get("source", present) and present != "":
        raise Refused(
            f"{vm.name}: cdroms.{slot}: a USB drive cannot be empty.",
            f"Set its source, remove the drive with {removal('cdroms', slot)}, or use a slot such as sdb (SCSI).",
        )


# Costs --------------------------------------------------------------------------------------------------------------


def _is_running_with(vm, slot):
    """Whether the running VM has a drive; what it runs with is not known if it is off."""
    config = vm.config if vm.active is None else vm.active
    return slot in (config.get("cdroms") or ())


def _cost_of_source(vm, change):
    # Drives cannot be added to a running VM.
    return LIVE if _is_running_with(vm, change.key) else NEXT_BOOT


def _cost_of_prompt(vm, change):
    # The running VM gets another image, but not the same one in another file.
    present = vm.config["cdroms"][change.key]["source"]
    return NEXT_BOOT if change.beside.get("source", present) == present else _cost_of_source(vm, change)


CDROMS = {
    "cdroms": Setting(normalize=_normalized),
    "cdroms.add": Setting(cost=NEXT_BOOT),
    "cdroms.remove": Setting(cost=NEXT_BOOT),
    "cdroms.source": Setting(cost=_cost_of_source),
    f"cdroms.{SKIP_PROMPT}": Setting(cost=_cost_of_prompt),
}


def drive_slot(vm, config):
    """The slot of the drive that ``iso`` adds: the first one of its bus with a target that nothing else has."""
    drives = map(slot_name_of, config.get("cdroms") or ())
    return _free_slot({*drives, *(config.get("disks") or ()), *vm.reserved}, row_of({**vm.config, **config}))


def _free_slot(targets, row=AMD64):
    slots = (f"sata{index}" for index in range(len(targets) + 1))
    slot = next(slot for slot in slots if slot_name_of(slot) not in targets)
    return slot if "sata" in row.buses else slot_name_of(slot)


def slot_name_of(slot):
    """The target of a slot, for comparisons with those of disks: sdb for sata1."""
    return (target_and_bus(slot) or (slot,))[0]


# Reading --------------------------------------------------------------------------------------------------------------


def seed_files(mark):
    """The cloud-init seed ISOs that the mark of a VM names: their drives are not among those of ``cdroms``."""
    return frozenset((mark or {}).get("files", ()))


def drives_of(definition, own_files):
    """{slot: drive} of all optical drives without a cloud-init seed of the VM (``own_files``)."""
    drives = definition.drives("cdrom")
    return {slot_of(drive): drive for drive in drives if not file_of(drive) or file_of(drive) not in own_files}


def read_cdroms(definition, own_files):
    """{slot: drive}; the source of an empty drive is an empty string."""
    drives = drives_of(definition, own_files).items()
    return {slot: drive_with(source_of(drive), _medium_in(drive)) for slot, drive in drives}


def _medium_in(drive):
    """The ISO image in a drive. Only a layer can be a prepared one, whatever the name of the file is."""
    path = source_of(drive)
    return medium_of(path) if _type_of(drive) == _LAYER else path


def reserved_targets(definition, own_files):
    """The targets that neither disks nor cdroms have: those of cloud-init seeds, and of floppy drives."""
    known = [*definition.drives("disk", "lun"), *drives_of(definition, own_files).values()]
    return frozenset(target_of(one) for one in definition.devices_named("disk") if one not in known)


def option_of(definition, drive):
    """The option that sets an optical drive: iso, cdroms.SLOT, or cloud_init."""
    own_files = seed_files(definition.mark)
    drives = drives_of(definition, own_files)
    if drive is drives.get(first_drive(drives)):
        return "iso"
    return "cloud_init" if file_of(drive) in own_files else f"cdroms.{slot_of(drive)}"


# Writing --------------------------------------------------------------------------------------------------------------


def drive_element(target, bus, path, image_format=_RAW):
    drive = ET.Element("disk", {"type": "file", "device": "cdrom"})
    ET.SubElement(drive, "driver", {"name": "qemu", "type": image_format})
    if path:
        ET.SubElement(drive, "source", {"file": path})
    ET.SubElement(drive, "target", {"dev": target, "bus": bus})
    ET.SubElement(drive, "readonly")
    return drive


def insert_drives(driver, definition, cdroms):
    """Add drives to a definition."""
    for slot, entry in cdroms.items():
        definition.devices.append(drive_element(*target_and_bus(slot), *_image(driver, entry)))


def _image(driver, entry, present=""):
    """(path, format) of the image that a drive gets. In check mode (no driver), a prepared one may not exist yet."""
    medium = entry.get("source", present)
    is_prepared = driver is not None and medium and entry.get(SKIP_PROMPT)
    return (driver.without_prompt(medium), _LAYER) if is_prepared else (medium, _RAW)


def add_seeds(definition, paths, creation, drives=()):
    """Add drives with seed ISOs on virtio-scsi, because kernels of cloud images have no driver for SATA.

    Windows Setup has none for virtio-scsi, so an answer file is on a drive of the bus that ``iso`` uses.
    ``drives`` are the slots of drives that the VM does not have yet.
    """
    has_answers = bool((creation.get("cloud_init") or {}).get("answer_file"))
    for path in paths:
        taken = {target_of(disk) for disk in definition.devices_named("disk")} | {*map(slot_name_of, drives)}
        slot = _free_slot(taken, row_in(definition))
        place = target_and_bus(slot) if has_answers else (slot_name_of(slot), "scsi")
        definition.devices.append(drive_element(*place, path))


def remove_seed_drives(definition, own_files):
    """Remove the drives with these cloud-init seed ISOs, such as that of a clone's source, which has its identity."""
    for drive in definition.drives("cdrom"):
        if file_of(drive) in own_files:
            definition.devices.remove(drive)


def set_drive(driver, vm, definition, running, change, created):
    """Insert the image that the drive has after all changes of its entry; the first one of them does it."""
    own_files = seed_files(vm.mark)
    drive = drives_of(definition, own_files)[change.key]
    image = _image(driver, {**change.beside, change.attribute: change.new}, _medium_in(drive))
    if image == (source_of(drive), _type_of(drive)):
        return
    present = drives_of(running, own_files).get(change.key) if running is not None else None
    if present is not None:
        _change_media(driver, vm, present, *image)
    _set_source(drive, *image)


def _set_source(drive, path, image_format):
    source = drive.find("source")
    if source is not None:
        drive.remove(source)
    if path:
        drive.set("type", "file")
        drive.insert(0, ET.Element("source", {"file": path}))
    driver = drive.find("driver")
    if _type_of(drive) != image_format:
        driver = ET.SubElement(drive, "driver", {"name": "qemu"}) if driver is None else driver
        driver.set("type", image_format)


def _type_of(drive):
    driver = drive.find("driver")
    return "raw" if driver is None else driver.get("type", "raw")


def _change_media(driver, vm, drive, path, image_format):
    current = source_of(drive)
    if current == path:
        return
    if path and image_format != _type_of(drive):
        # change-media keeps the format.
        changed = copy.deepcopy(drive)
        _set_source(changed, path, image_format)
        text = ET.tostring(changed, encoding="unicode")
        driver.virsh.run("update-device", vm.id, "/dev/stdin", "--live", stdin=text)
        return
    action = (path, "--update" if current else "--insert") if path else ("--eject",)
    driver.virsh.run("change-media", vm.id, target_of(drive), *action, "--live")


def add_drive(driver, vm, definition, running, change, created):
    insert_drives(driver, definition, {change.key: change.new})


def remove_drive(driver, vm, definition, running, change, created):
    """Remove a drive from the next start on; its image is a file of its own, and remains."""
    drive = drives_of(definition, seed_files(vm.mark)).get(change.key)
    if drive is not None:
        definition.devices.remove(drive)
