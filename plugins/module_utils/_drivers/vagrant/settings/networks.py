# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: NICs: the first one is its own, and not in the description; others are private or public networks."""

from __future__ import annotations

from ...._core.errors import Refused
from ...._kit.addresses import normalized_address

#: The key of the NIC through which Vagrant connects.
FIRST_NIC = "0"
_NETWORKS = {"hostonly": "private", "bridged": "public"}
#: {suboption: key of a described network}
_NAMES = {"address": "address", "mac": "mac", "source": "bridge"}
_TYPES = {network: kind for kind, network in _NETWORKS.items()}


def read_networks(described):
    nics = {str(place): _nic(network) for place, network in enumerate(described.get("networks") or (), 1)}
    return {FIRST_NIC: {"type": "nat"}, **nics}


def _nic(network):
    nic = {"type": _TYPES[network["type"]], **{key: network.get(name) for key, name in _NAMES.items()}}
    return {key: value for key, value in nic.items() if value is not None}


def write_networks(nics):
    in_order = sorted((nics or {}).items(), key=lambda item: int(item[0]))
    return [_network(nic) for place, nic in in_order if place != FIRST_NIC]


def _network(nic):
    network = {"type": _NETWORKS[nic["type"]], **{name: nic.get(key) for key, name in _NAMES.items()}}
    # As it is read again: a creation that is sent twice compares both.
    return {key: value for key, value in network.items() if value is not None}


def normalized_networks(vm, networks):
    return {place: _normalized(vm, place, nic) for place, nic in networks.items()}


def _normalized(vm, place, nic):
    """A requested NIC with its type, which decides what else it may have."""
    if nic is None:
        return None
    is_first = place == FIRST_NIC
    kind = nic.get("type") or ((vm.config.get("networks") or {}).get(place) or {}).get("type")
    kind = kind or ("nat" if is_first else "hostonly")
    if (kind == "nat") != is_first:
        raise Refused(
            f"{vm.name}: networks: NIC {place} cannot be of type {kind}: the first NIC, and only that, is Vagrant's own"
            " of type nat.",
            "Begin the list with {type: nat}; the others are of type hostonly or bridged.",
        )
    if is_first and set(nic) - {"type"}:
        raise Refused(f"{vm.name}: networks: the first NIC is Vagrant's own.", "Set nothing but its type.")
    if nic.get("source") and kind != "bridged":
        raise Refused(f"{vm.name}: networks: a NIC of type {kind} has no source.", "Remove source.")
    nic = {**nic, **({"address": normalized_address(vm, nic["address"])} if "address" in nic else {})}
    present = (vm.config.get("networks") or {}).get(place)
    return {"type": kind, **nic} if present is None else {**_removed_with_type(present, kind), **nic}


def _removed_with_type(present, kind):
    """Values that a new type removes: address and source belong to the former network; the MAC is kept."""
    if present["type"] == kind:
        return {}
    return {key: None for key in ("address", "source") if present.get(key) is not None}
