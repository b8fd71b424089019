# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of a running guest: what its additions say, leases of host-only networks, and the host's ARP table."""

from __future__ import annotations

from ..._lifecycle.errors import CommandFailed, PolyvirtError
from ..._lifecycle.model import Address
from ..._ports import files
from ..._tools import arp
from ..._tools import vboxmanage_output as output
from .words import colon_mac

_NET = "/VirtualBox/GuestInfo/Net/"
_BOOTED = "/VirtualBox/HostInfo/VBoxVer"
#: A guest behind NAT has an address that leads nowhere from here.
_REACHABLE = ("bridged", "hostonly")
_AT_ONCE = 4


def with_addresses(tool, vms, thoroughly):
    """The running machines of ``vms`` with their addresses."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        return list(pool.map(lambda vm: _with_addresses(tool, vm, thoroughly), vms))


def _with_addresses(tool, vm, thoroughly):
    found = {}
    sources = (_told, _leased, _seen) if thoroughly else (_told,)
    for source in sources:
        try:
            for one in source(tool, vm):
                found.setdefault(one.address, one)
        except PolyvirtError:
            continue  # A source that fails is only a source less.
    addresses = tuple(sorted(found.values(), key=lambda one: (":" in one.address, one.address)))
    return vm.having(addresses=addresses, ssh=vm.ssh or _ssh(vm, addresses))


def _told(tool, vm):
    """What the guest said since it booted: VirtualBox keeps what it said before, once it was saved and resumed."""
    properties = output.properties(tool.read("guestproperty", "enumerate", vm.id))
    booted = properties.get(_BOOTED)
    for key, said in properties.items():
        if not (key.startswith(_NET) and key.endswith("/V4/IP")) or (booted and said.time < booted.time):
            continue
        card = key[: -len("V4/IP")]
        mac = properties.get(f"{card}MAC")
        if said.value and not said.value.startswith("127."):
            yield Address(said.value, "agent", colon_mac(mac.value) if mac else None)


def _leased(tool, vm):
    for card in (vm.config.get("networks") or {}).values():
        if card["type"] == "hostonly" and card.get("source"):
            lease = _lease(tool, card)
            if lease.get("IP Address") and lease.get("State") == "acked":
                yield Address(lease["IP Address"], "lease", card["mac"])


def _lease(tool, card):
    words = (f"--interface={card['source']}", f"--mac-address={card['mac']}")
    try:
        return next(iter(output.blocks(tool.read("dhcpserver", "findlease", *words))), {})
    except CommandFailed:
        return {}  # Another card may have one.


def _seen(tool, vm):
    macs = {card["mac"] for card in (vm.config.get("networks") or {}).values() if card["type"] in _REACHABLE}
    for address, mac in arp.neighbours(files.read("/proc/net/arp").decode("ascii", "replace")) if macs else ():
        if mac in macs:
            yield Address(address, "arp", mac)


def _ssh(vm, addresses):
    cards = {card["mac"]: card["type"] for card in (vm.config.get("networks") or {}).values()}
    for one in addresses:
        if cards.get(one.mac) in _REACHABLE:
            scope = "network" if cards[one.mac] == "bridged" else "host"
            return {"host": one.address, "port": 22, "user": None, "scope": scope}
    return None
