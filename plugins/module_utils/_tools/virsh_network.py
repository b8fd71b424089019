# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's networks: their subnets, and the addresses that their DHCP servers reserve for MACs. Pure.

A network has up to two sides: ``--live``, the running one, and ``--config``, the stored one. ``net-update`` for both at
once fails as a whole if one of them has the entry already, so each side is changed separately.
"""

from __future__ import annotations

import ipaddress
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from .._core.frozen import Frozen
from .virsh_output import key_values

LIVE, CONFIG = "--live", "--config"


class Network(Frozen):
    """One network. ``sides`` is {option of net-update: root element of its definition}."""

    name: str
    sides: Mapping

    def subnets(self):
        """Return {IPv4 subnet with a DHCP server: address of the host in it}."""
        found = {}
        for root in self.sides.values():
            for element in root.findall("ip"):
                address, mask = element.get("address"), element.get("netmask") or element.get("prefix")
                if element.get("family", "ipv4") == "ipv4" and element.find("dhcp") is not None and address and mask:
                    interface = ipaddress.ip_interface(f"{address}/{mask}")
                    found[interface.network] = str(interface.ip)
        return found

    def reservations(self):
        """Return [{MAC: address}], one mapping for each side."""
        return [
            {(host.get("mac") or "").lower(): host.get("ip") for host in _hosts(root)} for root in self.sides.values()
        ]

    def reserved_for(self, mac):
        """Return the address that all sides reserve for a MAC, or None."""
        found = {one.get(mac) for one in self.reservations()}
        return found.pop() if len(found) == 1 else None

    def holders(self, address):
        """Return what an address is reserved for on any side: MACs, or names of hosts."""
        hosts = [host for root in self.sides.values() for host in _hosts(root) if host.get("ip") == address]
        return {(host.get("mac") or host.get("name") or "").lower() for host in hosts}


def _hosts(root):
    return root.findall("ip/dhcp/host")


def questions(name):
    """Return the commands that read a network."""
    return [("net-info", name), ("net-dumpxml", name), ("net-dumpxml", name, "--inactive")]


def parsed(name, answers):
    """Return the Network from the answers to ``questions``, or None if there is no such network."""
    information, current, stored = answers
    if information.error or current.error:
        return None
    properties = key_values(information.stdout)
    sides = {LIVE: current.stdout} if properties.get("Active") == "yes" else {CONFIG: current.stdout}
    # libvirt's test driver has only one definition, and does not know --inactive.
    if properties.get("Persistent") == "yes" and not stored.error:
        sides[CONFIG] = stored.stdout
    return Network(name, {side: ET.fromstring(text) for side, text in sides.items()})


def updates(network, gone, wanted):
    """Return the commands that remove the reservations ``gone`` and add ``wanted``, both sets of (MAC, address).

    Only what differs is changed. An entry of a wanted MAC with another address is replaced; its other values remain.
    """
    removals, additions = [], []
    for side, root in network.sides.items():
        present = {(host.get("mac") or "").lower(): host for host in _hosts(root)}
        for mac, host in present.items():
            is_replaced = any(mac == one and host.get("ip") != address for one, address in wanted)
            if is_replaced or ((mac, host.get("ip")) in gone - wanted):
                removals.append(_update(network.name, "delete", {"mac": mac, "ip": host.get("ip")}, side))
        for mac, address in sorted(wanted):
            host = present.get(mac)
            if host is None or host.get("ip") != address:
                others = {} if host is None else host.attrib
                additions.append(_update(network.name, "add", {**others, "mac": mac, "ip": address}, side))
    return [*removals, *additions]


def _update(name, command, attributes, side):
    element = ET.tostring(ET.Element("host", attributes), encoding="unicode")
    return "net-update", name, command, "ip-dhcp-host", element, side
