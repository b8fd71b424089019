# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the option devices: how a device of the host is identified, and the one way of writing that. Pure."""

from __future__ import annotations

from ..errors import InvalidInput
from ..pattern import Pattern

PCI, USB = "pci", "usb"
#: A PCI device: domain, bus, slot and function. Some platforms pass a whole device, without a function.
_PCI_ADDRESS = Pattern(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[01][0-9a-f](?:\.[0-7])?)")
_USB_PORT = Pattern(r"[1-9]\d*-[1-9]\d*(\.[1-9]\d*)*")
_PRODUCT = Pattern(r"(?:0x)?([0-9a-f]{4}):(?:0x)?([0-9a-f]{4})")
_FORMS = {
    PCI: "Set an address such as 0000:01:00.0, or the vendor and product such as 10de:1eb8: see lspci -nn.",
    USB: "Set the vendor and product such as 046d:c52b, or the bus and ports such as 1-4.2: see lsusb.",
}


def device_id(text, option):
    """Return an ID in lower case, without 0x and with the domain of a PCI address."""
    text = text.strip().lower()
    product, address = _PRODUCT.fullmatch(text), _PCI_ADDRESS.fullmatch(text)
    if product:
        return f"{product[1]}:{product[2]}"
    return f"{address[1] or '0000'}:{address[2]}" if address else text


def device_of(entry, option):
    """Return (what identifies the device, the entry) of an entry of ``devices``."""
    kind, given = entry["type"], [name for name in ("id", "mapping") if name in entry]
    if len(given) != 1:
        found = "id and mapping are both set" if given else "neither id nor mapping is set"
        raise InvalidInput(f"{option}: {found}.", "Set the id of the device, or a mapping of Proxmox VE.")
    if "id" in entry and not is_valid(kind, entry["id"]):
        what = "PCI" if kind == PCI else "USB"
        raise InvalidInput(f"{option}.id: '{entry['id']}' does not identify a {what} device.", _FORMS[kind])
    return key_of(kind, entry[given[0]]), entry


def is_valid(kind, text):
    """Return whether a text in its canonical form is the ID of a device."""
    return is_product(text) or bool((_PCI_ADDRESS if kind == PCI else _USB_PORT).fullmatch(text))


def is_product(text):
    """Return whether an ID is a vendor and a product, which several devices can have."""
    return bool(_PRODUCT.fullmatch(text))


def key_of(kind, text):
    """Return what identifies a device with an ID or a mapping: the key of its entry."""
    return f"{kind} {text}"


def entry_of(kind, text):
    """Return {what identifies a device: its entry} of a device with an ID."""
    return {key_of(kind, text): {"type": kind, "id": text}}
