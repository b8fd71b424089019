# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: network interfaces, their bridges, and the addresses of a running guest.

Addresses are those that the guest agent reports, else the fixed ones that cloud-init configures.
"""

from __future__ import annotations

from functools import partial

from ...._core.errors import ApiError, NotFound, Refused
from ...._core.model import LIVE, Address
from ...._core.pattern import Pattern
from ...._core.units import known_vlans
from ...._kit.settings import Setting
from ...._tools import proxmox_values as values
from .hardware import cost_by_hotplug

_NETWORK = Pattern(r"net(\d+)")
#: A VM has net0 to net31 (API schema).
_MOST_NICS = 32
#: The first version that has privileges for bridges.
_BRIDGES_SINCE = (8, 0)
#: Prefixes of addresses that cannot be reached from outside.
_LOCAL_ADDRESSES = ("127.", "169.254.", "::1", "fe80:")
_SSH = 22
#: Seconds after a start in which no guest has a running agent yet. A call to a missing agent takes three seconds.
_SECONDS_WITHOUT_AGENT = 4


def nics_of(options):
    """{position: sub-keys} of all NICs; positions are "0", "1" ..."""
    return {
        found[1]: values.parse(key, text)
        for key, text in sorted(options.items(), key=lambda item: (len(item[0]), item[0]))
        if (found := _NETWORK.fullmatch(key))
    }


def _read_nic(nic):
    connection = {"type": "bridged", "source": nic["bridge"]} if nic.get("bridge") else {"type": "user"}
    return {
        **connection,
        "mac": nic.get("macaddr", "").lower(),
        "model": nic.get("model", "virtio"),
        "vlan": int(nic.get("tag", 0)),
        "trunk": _trunk_of(nic),
    }


def _trunk_of(nic):
    return known_vlans(nic["trunks"].split(";")) if nic.get("trunks") else ()


def read_nics(options):
    return {place: _read_nic(nic) for place, nic in nics_of(options).items()}


def _add_nic(update, change):
    update.merge(f"net{change.key}", {"model": "virtio", **_nic_parts(change.new)})


def _write_type(update, change):
    if change.new == "user":
        update.merge(f"net{change.key}", {"bridge": None})


def _write_part(update, change):
    update.merge(f"net{change.key}", _nic_parts({change.attribute: change.new}))


def _nic_parts(requested):
    """The sub-keys for the requested suboptions of a NIC."""
    sub_keys = {"source": "bridge", "mac": "macaddr", "model": "model"}
    parts = {sub_keys[name]: value for name, value in requested.items() if name in sub_keys}
    if "vlan" in requested:
        parts["tag"] = requested["vlan"] or None
    if "trunk" in requested:
        parts["trunks"] = ";".join(requested["trunk"]) or None
    return parts


def _all_normalized(vm, requested, known):
    return {
        place: nic if nic is None else _normalized(vm, place, nic, known.bridge) for place, nic in requested.items()
    }


def _normalized(vm, place, nic, bridge):
    """The requested NIC as Proxmox VE stores it; ``bridge`` is the default bridge."""
    if int(place) >= _MOST_NICS:
        raise Refused(f"{vm.name}: networks: a VM has at most {_MOST_NICS} NICs.", "Remove the others.")
    normalized, current = dict(nic), (vm.config.get("networks") or {}).get(place) or {}
    kind = {"nat": "user", "network": "bridged"}.get(nic.get("type"), nic.get("type"))
    if kind == "user" and nic.get("source"):
        raise Refused(f"{vm.name}: networks: a NIC of type {nic['type']} has no source.", "Remove the source.")
    if kind:
        normalized["type"] = kind
    kind = kind or current.get("type") or "bridged"
    if kind == "bridged" and not nic.get("source") and current.get("type") != "bridged":
        normalized["source"] = bridge
    return {"type": kind, **normalized} if not current else normalized


def check_bridge_privilege(driver, label, node, nic):
    """Raise Refused if the account may not use the bridge of a NIC. Bridges of SDN zones are checked by the server."""
    found = driver.resources.bridges(node).get(nic.get("bridge"), {})
    if nic.get("bridge") and found.get("type") != "vnet" and not _may_use(driver, nic):
        for path, is_visible in _paths_of(nic):
            driver.permissions.check(label, path, "SDN.Use", is_visible=is_visible)


def _may_use(driver, nic):
    has_privilege = all(driver.permissions.has(path, "SDN.Use", is_visible) for path, is_visible in _paths_of(nic))
    return has_privilege or driver.release() < _BRIDGES_SINCE


def _paths_of(nic):
    """Yield (path, whether it may inherit without a call) of the privileges for a NIC: on its VLANs, or the bridge.

    A trunk has too many VLANs for a call for each.
    """
    bridge, trunk = f"/sdn/zones/localnetwork/{nic['bridge']}", _trunk_of(nic)
    if nic.get("tag") or not trunk:
        yield (f"{bridge}/{nic['tag']}" if nic.get("tag") else bridge), False
    for text in trunk:
        first, _dash, last = text.partition("-")
        yield from ((f"{bridge}/{vlan}", True) for vlan in range(int(first), int(last or first) + 1))


def check_bridge(driver, label, node, nic):
    """Raise NotFound if a node lacks the bridge of a NIC, and Refused if no VM with this NIC starts there.

    Nodes do not list the bridges on which the account has no privilege.
    """
    bridge, known = nic.get("bridge"), driver.resources.bridges(node) if nic.get("bridge") else {}
    found = known.get(bridge)
    if known and found is None and _may_use(driver, nic):
        raise NotFound(
            f"{label}: networks: node '{node}' has no bridge '{bridge}'.", f"Its bridges: {', '.join(sorted(known))}."
        )
    is_plain = bool(found) and found.get("type") == "bridge" and not found.get("bridge_vlan_aware")
    if nic.get("trunks") and is_plain:
        raise Refused(
            f"{label}: networks: bridge '{bridge}' of node '{node}' is not VLAN aware, so no VM with a trunk on it"
            " starts.",
            "Make the bridge VLAN aware, use another one, or set trunk: [].",
        )
    if nic.get("tag") and is_plain and found.get("bridge_ports") == "":
        raise Refused(
            f"{label}: networks: bridge '{bridge}' of node '{node}' has no port, so no VM with a NIC in VLAN"
            f" {nic['tag']} of it starts.",
            "Remove the vlan, use another bridge, or make this one VLAN aware.",
        )


def check_nic(driver, label, node, nic):
    """Raise if the account may not use the bridge of a NIC, or if no VM with this NIC starts on a node."""
    check_bridge_privilege(driver, label, node, nic)
    check_bridge(driver, label, node, nic)


def connected_nics(changes):
    """The NICs, as far as they are known, that changes connect to bridges."""
    for change in changes:
        if change.kind == "networks.source":
            yield {"bridge": change.new}
        elif change.kind == "networks.add":
            yield as_nic(change.new)


def as_nic(setting):
    """The bridge and the VLANs of a NIC in the settings, as sub-keys."""
    vlans = {name: value for name, value in setting.items() if name in ("vlan", "trunk")}
    return {"bridge": setting.get("source"), **_nic_parts(vlans)}


def with_addresses(tool, vm, vm_options, uptime):
    """The running VM ``vm`` with its addresses; ``uptime`` is in seconds."""
    from_agent = _agent_addresses(tool, vm_options) if uptime >= _SECONDS_WITHOUT_AGENT else ()
    found = from_agent or _cloud_init_addresses(vm_options)
    nics = [nic.get("macaddr", "").lower() for nic in nics_of(vm_options.running).values()]
    # Addresses of bridges and tunnels inside the guest may belong to other hosts outside, even to that of the task.
    of_nics = [address for address in found if address.mac in nics] or found
    positions = {mac: position for position, mac in enumerate(nics)}

    def sort_key(address):
        """IPv4 first, then the order of NICs."""
        return ":" in address.address, positions.get(address.mac, 0), address.address

    addresses = tuple(sorted(of_nics, key=sort_key))
    return vm.having(addresses=addresses, ssh=_ssh(addresses, vm_options))


def _agent_addresses(tool, vm_options):
    if values.parse("agent", vm_options.running.get("agent", "0")).get("enabled") != "1":
        return []
    try:
        answer = tool.get(f"{vm_options.path}/agent/network-get-interfaces")
    except (ApiError, Refused):
        # The account may lack the privilege: then only the addresses of cloud-init are known.
        return []
    nics = answer.get("result") if isinstance(answer, dict) else None
    return list(_addresses_of_nics(nics)) if isinstance(nics, list) else []


def _addresses_of_nics(nics):
    for nic in nics:
        for entry in nic.get("ip-addresses") or ():
            if not entry["ip-address"].startswith(_LOCAL_ADDRESSES):
                yield Address(entry["ip-address"], "agent", (nic.get("hardware-address") or "").lower() or None)


def _cloud_init_addresses(vm_options):
    found = []
    for key, text in sorted(vm_options.running.items()):
        if values.stem(key) != "ipconfig":
            continue
        nic = values.parse("net0", vm_options.running.get(f"net{key.removeprefix('ipconfig')}", ""))
        mac = nic.get("macaddr", "").lower() or None
        found += [Address(address, "ipconfig", mac) for address in fixed_addresses(key, text)]
    return found


def fixed_addresses(key, text):
    """The addresses in an option such as ipconfig0, without their prefix lengths."""
    parts = values.parse(key, text)
    fixed = [parts[name] for name in ("ip", "ip6") if parts.get(name) not in (None, "dhcp", "auto", "manual")]
    return [address.partition("/")[0] for address in fixed]


def _ssh(addresses, vm_options):
    if not addresses:
        return None
    user = vm_options.stored.get("ciuser") or None
    return {"host": addresses[0].address, "port": _SSH, "user": user, "scope": "network"}


_BY_HOTPLUG = partial(cost_by_hotplug, "network")
NICS = {
    "networks": Setting(read=read_nics, normalize=_all_normalized),
    "networks.add": Setting(cost=_BY_HOTPLUG, write=_add_nic),
    "networks.remove": Setting(cost=_BY_HOTPLUG, write=lambda update, change: update.set(f"net{change.key}", None)),
    "networks.type": Setting(cost=LIVE, choices=("bridged", "user"), write=_write_type),
    "networks.source": Setting(cost=LIVE, write=_write_part),
    "networks.vlan": Setting(cost=LIVE, write=_write_part),
    "networks.trunk": Setting(cost=LIVE, write=_write_part),
    "networks.mac": Setting(cost=_BY_HOTPLUG, write=_write_part),
    "networks.model": Setting(cost=_BY_HOTPLUG, choices=values.NICS, write=_write_part),
}
