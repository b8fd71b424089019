# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses OpenBSD's ifconfig, netstat and pfctl output about networks, and calculates with subnets. Pure."""

from __future__ import annotations

import ipaddress
import re

from .._core.frozen import Frozen
from .._core.pattern import Pattern

_GROUPS = Pattern(r"^\tgroups: (.*)$", re.MULTILINE)
_DESCRIPTION = Pattern(r"^\tdescription: (.*)$", re.MULTILINE)
_ADDRESS = Pattern(r"^\tinet (\S+)(?: --> \S+)? netmask (0x[0-9a-f]{8})", re.MULTILINE)
_MEMBER = Pattern(r"^\t(\w+) flags=", re.MULTILINE)
_HEAD = Pattern(r"^(\w+): flags=\w+<([^>]*)>")
_BITS, _OCTETS, _LARGE = 32, 4, 256
#: The subnets that are tried for ``auto``, in this order.
_AUTO = (
    *(f"10.{number}.0.0/24" for number in range(50, 250)),
    *(f"192.168.{number}.0/24" for number in range(100, 250)),
    *(f"172.{number}.50.0/24" for number in range(16, 32)),
)


class Interface(Frozen):
    """A network interface. ``addresses`` are its IPv4 addresses with their prefix, ``members`` those of a bridge."""

    name: str
    flags: tuple = ()
    groups: tuple = ()
    description: str = ""
    addresses: tuple = ()
    members: tuple = ()

    @property
    def is_up(self):
        return "UP" in self.flags


def network(text, strict=False):
    """The IPv4Network of a text such as 10.0.0.0/24; None if it is not one. ``strict``: no bits of a host."""
    try:
        return ipaddress.IPv4Network(text, strict=strict)
    except ValueError:
        return None


def address(text):
    """The IPv4Address of a text; that of the text 0.0.0.0, which is in no subnet, if it is not one."""
    try:
        return ipaddress.IPv4Address(text)
    except ValueError:
        return ipaddress.IPv4Address(0)


def is_host_of(subnet, one):
    """Whether an address is in a subnet, and is neither that of the subnet itself nor its broadcast address."""
    return one in subnet and one not in (subnet.network_address, subnet.broadcast_address)


def values_of(subnet):
    """The values of a subnet for the host's files. The host has the first address; DHCP leases some of the others."""
    first, size = subnet.network_address, subnet.num_addresses
    leased = (100, 199) if size >= _LARGE else (size // 2, size - 2)
    return {
        "subnet": str(subnet),
        "network": str(first),
        "netmask": str(subnet.netmask),
        "prefix_length": subnet.prefixlen,
        "gateway": str(first + 1),
        "dhcp_first": str(first + leased[0]),
        "dhcp_last": str(first + leased[1]),
    }


def interfaces(stdout):
    """{name: Interface} of the output of ``ifconfig``."""
    found = (_interface(block) for block in re.split(r"^(?=\S)", stdout, flags=re.MULTILINE))
    return {one.name: one for one in found if one}


def _interface(block):
    head = _HEAD.match(block)
    if head is None:
        return None
    addresses = tuple(f"{address}/{bin(int(mask, 16)).count('1')}" for address, mask in _ADDRESS.findall(block))
    return Interface(
        head[1],
        tuple(head[2].split(",")),
        tuple(_first(_GROUPS, block).split()),
        _first(_DESCRIPTION, block),
        addresses,
        tuple(_MEMBER.findall(block)),
    )


def _first(pattern, text):
    match = pattern.search(text)
    return match[1] if match else ""


def routes(stdout):
    """[(network, interface)] of the output of ``netstat -rnf inet``, without the default route."""
    found = []
    for line in stdout.splitlines():
        words = line.split()
        network = _destination(words[0]) if len(words) > _OCTETS else None
        if network is not None and network.prefixlen:
            found.append((network, words[-1]))
    return found


def _destination(text):
    """A network as netstat shortens it: 10.50/16, 192.168.1.7; None for anything else."""
    return padded_network(text, _BITS) if "/" in text or text.count(".") == _OCTETS - 1 else None


def padded_network(text, default_length):
    """The IPv4Network of a text that may lack octets at its end and the length, such as 10.50/16; None for others."""
    address, _slash, length = text.partition("/")
    octets = [octet.lstrip("0") or octet[:1] for octet in address.split(".")]
    return network(f"{'.'.join([*octets, *['0'] * (_OCTETS - len(octets))])}/{length or default_length}")


def overlaps(subnet, used):
    """Those of ``used``, [(network, where)], that share an address with a subnet."""
    return [(network, where) for network, where in used if network.overlaps(subnet)]


def free_subnet(used):
    """The first subnet that overlaps with none of ``used``; None if all of them do."""
    tried = map(ipaddress.ip_network, _AUTO)
    return next((subnet for subnet in tried if not overlaps(subnet, used)), None)


def is_enabled(stdout):
    """Whether pf is enabled, from the output of ``pfctl -s info``; None if the output has no status."""
    match = re.search(r"^Status: (Enabled|Disabled)", stdout, re.MULTILINE)
    return match[1] == "Enabled" if match else None


def calls_anchor(stdout, name):
    """Whether the main ruleset, as ``pfctl -s rules`` prints it, calls an anchor."""
    return re.search(rf'^anchor "{re.escape(name)}"', stdout, re.MULTILINE) is not None
