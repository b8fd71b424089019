# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks, drives and network cards of a definition: read into the vocabulary, and written from it."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from string import ascii_lowercase

from ..._ports import files
from .definition import file_of, source_of, target_of

# Disks --------------------------------------------------------------------------------------------------------------


def read_disks(definition, sizes):
    """``disks`` by slot; a size that could not be read is None."""
    return {target_of(disk): _read_disk(disk, sizes) for disk in definition.drives("disk", "lun")}


def _read_disk(disk, sizes):
    driver = disk.find("driver")
    return {
        "size": sizes.get(target_of(disk)),
        "format": driver.get("type", "raw") if driver is not None else "raw",
        "source": source_of(disk),
        "bus": disk.find("target").get("bus"),
    }


def disk_element(slot, path, image_format, bus):
    kind, attribute = ("block", "dev") if files.is_block_device(path) else ("file", "file")
    disk = ET.Element("disk", {"type": kind, "device": "disk"})
    ET.SubElement(disk, "driver", {"name": "qemu", "type": image_format, "discard": "unmap"})
    ET.SubElement(disk, "source", {attribute: path})
    ET.SubElement(disk, "target", {"dev": slot, "bus": bus})
    return disk


def set_disk_file(disk, path, image_format):
    """Let a disk lie in another file, and know nothing of what that file stands on."""
    for tag in ("source", "backingStore"):
        child = disk.find(tag)
        if child is not None:
            disk.remove(child)
    disk.set("type", "file")
    disk.append(ET.Element("source", {"file": path}))
    _child(disk, "driver").set("type", image_format)


def add_disk(definition, element):
    definition.devices.append(element)


def remove_disk(definition, slot):
    for disk in definition.drives("disk", "lun"):
        if target_of(disk) == slot:
            definition.devices.remove(disk)


# Optical drives -----------------------------------------------------------------------------------------------------


def iso_drive(definition, own_files):
    """The first optical drive that does not hold our seed, or None."""
    drives = definition.drives("cdrom")
    return next((drive for drive in drives if not file_of(drive) or file_of(drive) not in own_files), None)


def read_iso(definition, own_files):
    """The medium in the first drive: empty for an empty drive, None where there is no drive."""
    drive = iso_drive(definition, own_files)
    return None if drive is None else source_of(drive)


def drive_element(slot, bus, path):
    drive = ET.Element("disk", {"type": "file", "device": "cdrom"})
    ET.SubElement(drive, "driver", {"name": "qemu", "type": "raw"})
    if path:
        ET.SubElement(drive, "source", {"file": path})
    ET.SubElement(drive, "target", {"dev": slot, "bus": bus})
    ET.SubElement(drive, "readonly")
    return drive


def set_iso(definition, own_files, path):
    drive = iso_drive(definition, own_files)
    if drive is None:
        definition.devices.append(drive_element(free_slot(definition), "sata", path))
        return
    source = drive.find("source")
    if source is not None:
        drive.remove(source)
    if path:
        drive.set("type", "file")
        drive.insert(0, ET.Element("source", {"file": path}))


def add_seeds(definition, paths):
    """On virtio-scsi: a cloud kernel has no driver for SATA and would not find its seed there."""
    for path in paths:
        definition.devices.append(drive_element(free_slot(definition), "scsi", path))


def free_slot(definition):
    """The first slot sda, sdb ... that no disk and no drive has."""
    taken = {target_of(disk) for disk in definition.root.findall("devices/disk")}
    slots = (f"sd{first}{second}" for first in ("", *ascii_lowercase) for second in ascii_lowercase)
    return next(slot for slot in slots if slot not in taken)


# Network cards ------------------------------------------------------------------------------------------------------

_TYPES = {"network": "network", "bridge": "bridged", "direct": "bridged", "user": "user"}


def read_networks(definition):
    """``networks`` by place; keys that a card does not have are left out."""
    return {str(place): read_card(card) for place, card in enumerate(definition.interfaces())}


def read_card(card):
    source = card.find("source")
    model = card.find("model")
    # A running card of a network that lies on a bridge says bridge, and still names its network.
    of_network = source is not None and source.get("network")
    found = {
        "type": "network" if of_network else _TYPES.get(card.get("type"), card.get("type")),
        "source": of_network or source_of(card) or None,
        "mac": card.find("mac").get("address").lower() if card.find("mac") is not None else None,
        "model": model.get("type") if model is not None else None,
    }
    return {key: value for key, value in found.items() if value is not None}


def card_element(entry, is_bridge):
    """A new network card. ``is_bridge`` tells whether a host interface is a bridge; else the card sits right on it."""
    card = ET.Element("interface")
    ET.SubElement(card, "model", {"type": entry.get("model", "virtio")})
    set_card(card, entry, is_bridge)
    return card


def set_card(card, entry, is_bridge):
    """Change only what ``entry`` names; the MAC and the place on the bus stay."""
    if "type" in entry or "source" in entry:
        _set_connection(card, entry, is_bridge)
    if entry.get("mac"):
        _child(card, "mac").set("address", entry["mac"])
    if entry.get("model"):
        _child(card, "model").set("type", entry["model"])


def _set_connection(card, entry, is_bridge):
    kind = entry.get("type") or _TYPES.get(card.get("type"), "network")
    old = card.find("source")
    source = entry.get("source") or (source_of(card) if old is not None else "")
    if old is not None:
        card.remove(old)
    if kind != "user":
        _take_passt_away(card)
    if kind == "user":
        card.set("type", "user")
    elif kind == "network":
        card.set("type", "network")
        ET.SubElement(card, "source", {"network": source})
    elif is_bridge(source):
        card.set("type", "bridge")
        ET.SubElement(card, "source", {"bridge": source})
    else:
        card.set("type", "direct")
        ET.SubElement(card, "source", {"dev": source, "mode": "bridge"})


def _take_passt_away(card):
    """Only a card of type user may have this backend and the ports that it forwards."""
    for element in (*card.findall("backend[@type='passt']"), *card.findall("portForward")):
        card.remove(element)


def _child(element, tag):
    child = element.find(tag)
    return ET.SubElement(element, tag) if child is None else child
