# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed addresses of NICs, and forwarded ports."""

from __future__ import annotations

import ipaddress

from .._core.errors import Refused
from .._core.model import PAUSED, RUNNING
from .._core.options.guest_conditions import forwarded

#: The key of the mark with the addresses that a network reserves for the VM.
RESERVATIONS = "reservations"
_IN_GUEST = "Set the address in the guest (cloud_init.ip_config)"


def normalized_address(vm, address):
    """Return the address in normalized form, because an IPv6 address can be written in several ways."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError as error:
        raise Refused(
            f"{vm.name}: networks: '{address}' is not an IP address.",
            "Set one such as 192.168.56.10, without a prefix length.",
        ) from error


def address_effects(verb, vm, changes):
    """Part of the ``side_effects`` of the traits: a guest keeps its address until it asks for one again."""
    if verb != "configure" or vm.power not in (RUNNING, PAUSED):
        return ()
    keys = sorted(change.key for change in changes if change.kind == "networks.address" and change.new)
    return tuple(f"the guest uses the address of NIC {key} after it renews its DHCP lease or restarts" for key in keys)


def with_address(vm, place, entry, existing, types, rejection):
    """Return an entry of ``networks`` with its address in normalized form; a NIC that is moved loses its address.

    ``types``: those whose networks have a DHCP server; of others, ``rejection(type)`` is the error.
    """
    if not entry.get("address"):
        is_moved = any(key in entry and entry[key] != (existing or {}).get(key) for key in ("type", "source"))
        return {**entry, "address": None} if is_moved and (existing or {}).get("address") else entry
    kind = entry.get("type") or (existing or {}).get("type")
    if kind not in types:
        raise rejection(kind)
    address = normalized_address(vm, entry["address"])
    if ipaddress.ip_address(address).version != 4:
        path = f"{vm.name}: networks.{place}.address"
        raise Refused(f"{path}: only an IPv4 address can be reserved for a NIC.", f"{_IN_GUEST}.")
    return {**entry, "address": address}


def check_subnet(path, address, network, subnets):
    """Reject an address that a network cannot give to a guest; ``subnets``: {IPv4Network: addresses of the host}."""
    if not subnets:
        raise Refused(
            f"{path}: the network '{network}' has no DHCP server for IPv4.", f"{_IN_GUEST}, or use another network."
        )
    one = ipaddress.ip_address(address)
    subnet = next((subnet for subnet in subnets if one in subnet), None)
    if subnet is None:
        texts = ", ".join(map(str, subnets))
        raise Refused(f"{path}: {address} is not in the subnet of the network '{network}'.", f"Set one in {texts}.")
    if address in subnets[subnet] or one in (subnet.network_address, subnet.broadcast_address):
        what = "the address of the host" if address in subnets[subnet] else "not an address for a guest"
        raise Refused(f"{path}: {address} is {what} in the network '{network}'.", f"Set another one in {subnet}.")


def recorded(mark, vm_id):
    """Return the reservations {(network, MAC, address)} in the mark of a VM."""
    is_own = bool(mark) and mark.get("id") == vm_id
    return {tuple(text.rsplit(" ", 2)) for text in mark.get(RESERVATIONS, ())} if is_own else set()


def check_host_ports(vm, forwards):
    """Reject a new forward without host_port, on platforms that do not choose a free port.

    ``forwards`` are {name: requested entry, or None to remove it}.
    """
    known = vm.config.get("port_forwards") or {}
    for name, entry in sorted(forwards.items()):
        if entry is not None and not entry.get("host_port") and name not in known:
            raise Refused(
                f"{vm.name}: port_forwards.{name}: host_port is not set, and this platform chooses no free port.",
                "Set host_port to a port of the host.",
            )


def ssh_through(forwards):
    """The connection to the guest's SSH port as {host, port, user, scope}; None if no forward leads there."""
    found = forwarded(forwards, 22)
    return None if found is None else {"host": found[0], "port": found[1], "user": None, "scope": "host"}
