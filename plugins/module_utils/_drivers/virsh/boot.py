# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which a machine tries its devices: written as kinds of devices, read from single devices too."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from ..._lifecycle.errors import Refused

#: libvirt's words for the vocabulary's.
_KINDS = {"disk": "hd", "cdrom": "cdrom", "network": "network"}
_WORDS = {kind: word for word, kind in _KINDS.items()}


def read_boot_order(definition):
    """Kinds of devices in their order; a kind that has no word here keeps libvirt's."""
    numbered = [device for device in definition.root.findall("devices/*") if device.find("boot") is not None]
    if numbered:
        numbered.sort(key=lambda device: int(device.find("boot").get("order")))
        return tuple(dict.fromkeys(_kind_of(device) for device in numbered))
    kinds = (boot.get("dev") for boot in definition.root.findall("os/boot"))
    return tuple(_WORDS.get(kind, kind) for kind in kinds)


def _kind_of(device):
    if device.tag == "interface":
        return "network"
    kind = device.get("device", "disk") if device.tag == "disk" else device.tag
    return "disk" if kind == "lun" else kind


def write_boot_order(definition, change):
    """libvirt refuses an order of kinds beside numbers on single devices, so these go."""
    for holder in (definition.root.find("os"), *definition.root.findall("devices/*")):
        for boot in holder.findall("boot"):
            holder.remove(boot)
    for word in change.new:
        ET.SubElement(definition.root.find("os"), "boot", {"dev": _KINDS[word]})


def check_boot_order(vm, order):
    if not order:
        raise Refused(f"{vm.name}: boot_order is empty.", f"Name at least one of {', '.join(_KINDS)}.")
    twice = sorted({word for word in order if order.count(word) > 1})
    if twice:
        raise Refused(f"{vm.name}: boot_order: {', '.join(twice)} is given twice.", "Give each once.")
