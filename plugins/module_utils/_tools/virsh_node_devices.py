# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices of a libvirt host, as virsh nodedev-dumpxml describes them. Each one is read at most once."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Optional

from .._core.errors import CommandFailed
from .._core.frozen import Frozen
from .._core.pattern import Pattern
from .virsh import is_not_found, raise_for_errors

#: Class of PCI bridges, without its last byte.
_BRIDGE = "0x0604"
_ADDRESS = Pattern(r"(\w{4}):(\w\w):(\w\w)\.(\w)")


class PciDevice(Frozen):
    """A PCI device. ``group`` has the addresses of its IOMMU group; None: it is in none."""

    address: str
    product: str
    driver: str = ""
    is_bridge: bool = False
    group: Optional[tuple] = None


class NodeDevices:
    """Reads the devices of the host of one connection."""

    def __init__(self, virsh):
        self._virsh = virsh
        self._pci, self._all_pci, self._usb = {}, None, None

    def pci(self, addresses):
        """Return {address: PciDevice}; those that do not exist are missing."""
        commands = {one: ("nodedev-dumpxml", _name_of(one)) for one in addresses if one not in self._pci}
        answers = self._virsh.batch(list(commands.values())) if commands else []
        for (address, command), answer in zip(commands.items(), answers):
            if answer.error and not is_not_found(answer.error, "node device"):
                raise CommandFailed(("virsh", *command), 1, answer.error)
            self._pci[address] = None if answer.error else pci_device(answer.stdout)
        return {address: self._pci[address] for address in addresses if self._pci[address] is not None}

    def pci_with(self, product):
        """Return the addresses of all PCI devices with a vendor and product."""
        if self._all_pci is None:
            self._all_pci = [pci_device(text) for text in self._described("pci")]
            self._pci.update({one.address: one for one in self._all_pci})
        return sorted(one.address for one in self._all_pci if one.product == product)

    def usb_with(self, product):
        """Return how many USB devices have a vendor and product."""
        if self._usb is None:
            self._usb = [product_of(ET.fromstring(text).find("capability")) for text in self._described("usb_device")]
        return self._usb.count(product)

    def _described(self, kind):
        command = ("nodedev-list", "--cap", kind)
        listed = self._virsh.batch([command])
        raise_for_errors([command], listed)
        commands = [("nodedev-dumpxml", name) for name in listed[0].stdout.split()]
        answers = self._virsh.batch(commands) if commands else []
        # A device that was unplugged in the meantime is missing.
        found = [one for one in zip(commands, answers) if not is_not_found(one[1].error, "node device")]
        raise_for_errors([command for command, _answer in found], [answer for _command, answer in found])
        return [answer.stdout for _command, answer in found]


def pci_device(text):
    """Return the PciDevice of a description."""
    root = ET.fromstring(text)
    capability = root.find("capability[@type='pci']")
    address = address_of({part: capability.findtext(part) for part in ("domain", "bus", "slot", "function")})
    group = capability.find("iommuGroup")
    return PciDevice(
        address,
        product_of(capability),
        driver=root.findtext("driver/name") or "",
        is_bridge=(capability.findtext("class") or "").startswith(_BRIDGE),
        group=None if group is None else tuple(address_of(one.attrib) for one in group.findall("address")),
    )


def address_of(parts):
    """Return an address such as 0000:01:00.0; ``parts`` are numbers as text, decimal or with 0x."""
    numbers = {part: int(parts.get(part) or "0", 0) for part in ("domain", "bus", "slot", "function")}
    return "{domain:04x}:{bus:02x}:{slot:02x}.{function:x}".format(**numbers)


def product_of(element):
    """Return vendor and product such as 10de:1eb8 of an element that contains both; empty without them."""
    found = [element.find(name) for name in ("vendor", "product")]
    return "" if None in found else ":".join(f"{int(one.get('id') or '0', 0):04x}" for one in found)


def _name_of(address):
    """Return the name that libvirt gives to a PCI device."""
    return "pci_" + "_".join(_ADDRESS.fullmatch(address).groups())
