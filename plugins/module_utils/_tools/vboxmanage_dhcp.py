# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of guests: ``VBoxManage list dhcpservers``, reserved addresses, neighbours of this host. Text in, values
out.

VirtualBox names the NIC of a VM by the UUID of the VM and the number of the NIC, which it prints from 0 and reads from
1. It keeps such a reservation when the VM is deleted.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from .._core.frozen import Mutable, field
from .._core.pattern import Pattern

_LINE = Pattern(r"^(?P<space> *)(?P<key>[^:\n]+): +(?P<value>.*)$", re.MULTILINE)
_OF_NIC = Pattern(r"([0-9a-f-]{36}) slot (\d+),.*")
_OF_MAC = Pattern(r"([0-9a-f]{2}(?::[0-9a-f]{2}){5})", re.IGNORECASE)
_DYNAMIC = "dynamic"
#: The options of the server that are addresses in its network: the router.
_ROUTER = "3/legacy"


class DhcpServer(Mutable):
    """The DHCP server of a network.

    ``own``: addresses that are not for guests. ``fixed``: {(UUID, number of the NIC), or MAC: reserved address}.
    """

    network: str
    address: str = ""
    mask: str = ""
    is_enabled: bool = False
    own: list = field(default_factory=list)
    fixed: dict = field(default_factory=dict)

    @property
    def subnet(self):
        return IPv4Network(f"{self.address}/{self.mask}", strict=False)


def servers(text):
    """Return {network: DhcpServer}."""
    found, server, holder = {}, None, None
    for line in _LINE.finditer(text):
        key, value = line["key"].strip(), line["value"]
        if key == "NetworkName":
            server = found[value] = DhcpServer(value)
        elif server is None:
            continue
        elif key == "Individual Config":
            holder = _holder(value)
        elif key == "Fixed Address":
            if holder and value != _DYNAMIC:
                server.fixed[holder] = value
        else:
            _set(server, key, value)
    return found


def _set(server, key, value):
    if key == "Dhcpd IP":
        server.address = value
        server.own.append(value)
    elif key == "NetworkMask":
        server.mask = value
    elif key == "Enabled":
        server.is_enabled = value == "Yes"
    elif key == _ROUTER:
        server.own.append(value)


def _holder(text):
    """Return (UUID, number of the NIC), a MAC, or None for the other kinds of holders."""
    kind, _colon, rest = text.partition(":")
    found = _OF_NIC.fullmatch(rest.strip()) if kind == "VM NIC" else None
    if found:
        return found[1], int(found[2]) + 1
    found = _OF_MAC.fullmatch(text.removeprefix("MAC ")) if text.startswith("MAC ") else None
    return found and found[1].lower()


def reserving(network, holder, address):
    """Return the command that reserves an address for a NIC, or (None) removes its reservation."""
    uuid, number = holder
    setting = ["--fixed-address", address] if address else ["--remove-config"]
    return ["dhcpserver", "modify", "--network", network, "--vm", uuid, "--nic", str(number), *setting]


def removing(network, holder):
    """Return the command that removes the reservation of any holder."""
    if isinstance(holder, tuple):
        return reserving(network, holder, None)
    return ["dhcpserver", "modify", "--network", network, "--mac-address", holder, "--remove-config"]


def restarting(network):
    """Return the command with which a running server reads its reservations again; fails if it is not running."""
    return ["dhcpserver", "restart", "--network", network]


def is_not_running(stderr):
    return "not running" in stderr


#: Flag of a neighbour with a known MAC address (ATF_COM).
_COMPLETE = 0x2


def neighbours(text):
    """``/proc/net/arp`` as [(address, mac)], without neighbours that did not answer."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [(row[0], row[3].lower()) for row in rows if len(row) >= 6 and int(row[2], 16) & _COMPLETE]
