# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system databases that pfctl reads: interfaces, services, protocols, users, groups."""

from __future__ import annotations

from dataclasses import dataclass

from ..host import Host
from .addresses import Address, host_bits, number_of

_SERVICES = """
ssh tcp 22, ssh udp 22, smtp tcp 25, mail tcp 25, domain tcp 53, domain udp 53, bootps tcp 67, bootps udp 67,
bootpc tcp 68, bootpc udp 68, www tcp 80, www udp 80, tap tcp 113, ntp tcp 123, ntp udp 123, https tcp 443,
https udp 443, route udp 520, spamd tcp 8025
"""
#: The first name of a number is the one that is printed.
_PROTOCOLS = """
ip 0, icmp 1, igmp 2, ipencap 4, tcp 6, udp 17, ipv6 41, rsvp 46, gre 47, esp 50, ah 51, mobileip 55, skip 57,
ipv6-icmp 58, icmp6 58, any 61, ospf 89, etherip 97, pim 103, ipcomp 108, carp 112, sctp 132, pfsync 240, reserved 255
"""
_USERS = {"root": 0, "_pbuild": 55, "www": 67, "alice": 1000}
_GROUPS = {"wheel": 0, "_pbuild": 55, "www": 67, "network": 69}
_LOOPBACK = {"name": "lo0", "addresses": ["::1/128", "fe80::1/64", "127.0.0.1/8"], "groups": ["all", "lo"]}


@dataclass(frozen=True)
class Assigned:
    """An address of an interface. ``index``: of the interface, for a link-local address, which is valid only there."""

    interface: str
    flag: str
    af: int
    number: int
    bits: int
    index: int


class System:
    """``interfaces``: name, addresses (with prefix length), groups and flag of each. ``read(path)``: text of a file."""

    def __init__(self, interfaces=(_LOOPBACK,), read=None):
        self.interfaces = list(interfaces)
        self.read = read or Host().read
        self.users, self.groups = dict(_USERS), dict(_GROUPS)
        self._services = {(name, kind): int(port) for name, kind, port in map(str.split, _SERVICES.split(","))}
        self.protocols = {name: int(number) for name, number in map(str.split, _PROTOCOLS.split(","))}
        self.assigned = list(self._assigned())

    def _assigned(self):
        for index, interface in enumerate(self.interfaces, 1):
            for text in interface["addresses"]:
                address, bits = text.split("/")
                af, number = number_of(address)
                local = af == Address.INET6 and number >> 118 == 0xFE80 >> 6
                flag = interface.get("flag") or ("LOOPBACK" if interface["name"].startswith("lo") else "BROADCAST")
                yield Assigned(interface["name"], flag, af, number, int(bits), index if local else 0)

    def is_interface(self, name):
        return any(interface["name"] == name for interface in self.interfaces)

    def members(self, group):
        return [interface["name"] for interface in self.interfaces if group in interface["groups"]]

    def exists(self, name):
        return bool(self.members(name)) or self.is_interface(name)

    def is_loopback(self, name):
        return not self.members(name) and any(one.flag == "LOOPBACK" for one in self.assigned if one.interface == name)

    def name_of(self, index):
        return self.interfaces[index - 1]["name"] if 0 < index <= len(self.interfaces) else ""

    def index_of(self, name):
        return next((index for index, one in enumerate(self.interfaces, 1) if one["name"] == name), 0)

    def service(self, name):
        return self._services.get((name, "tcp"), self._services.get((name, "udp")))

    def protocol_name(self, number):
        return next((name for name, known in self.protocols.items() if known == number), str(number))

    def addresses(self, name, modifiers=()):
        """The addresses of an interface, of a group, of all (``self``), as (af, number, bits, index)."""
        found = [one for member in self.members(name) for one in self.addresses(member, modifiers)]
        if found:
            return found
        matching = [one for one in self.assigned if name == "self" or _matches(name, one.interface)]
        return list(_selected(matching, modifiers))


def _matches(name, interface):
    """True for the name of an interface, and for the name without its number."""
    if interface == name:
        return True
    rest = interface[len(name) :]
    return interface.startswith(name) and not name[-1:].isdigit() and rest[:1].isdigit() and name != ""


def _selected(assigned, modifiers):
    seen = set()
    for one in assigned:
        if "broadcast" in modifiers and (one.af != Address.INET or one.flag != "BROADCAST"):
            continue
        if "peer" in modifiers or ("network" in modifiers and one.index):
            continue
        if "0" in modifiers and (one.interface, one.af) in seen:
            continue
        seen.add((one.interface, one.af))
        number = one.number
        if "broadcast" in modifiers:
            number |= (1 << (128 - one.bits)) - 1 & ~((1 << 96) - 1)
        yield one.af, number, one.bits if "network" in modifiers else host_bits(one.af), one.index
