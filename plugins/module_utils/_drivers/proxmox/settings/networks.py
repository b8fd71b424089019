# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces, the bridges that they are connected to, and the addresses of a running guest.

Addresses are those that its agent reports, else those that cloud-init was given.
"""

from __future__ import annotations

import re

from ...._lifecycle.errors import ApiError, NotFound, Refused
from ...._lifecycle.model import Address
from ...._tools import proxmox_values as values

_NETWORK = re.compile(r"net(\d+)")
_BRIDGES_SINCE = (8, 0)
_NOT_OURS = ("127.", "169.254.", "::1", "fe80:")
_SSH = 22
#: Seconds after a start in which no guest has an agent: a question to it would take the server three.
_NO_AGENT_YET = 4


def nics_of(options):
    """{place: sub-keys} of all NICs."""
    return {
        found[1]: values.parse(key, text)
        for key, text in sorted(options.items(), key=lambda item: (len(item[0]), item[0]))
        if (found := _NETWORK.fullmatch(key))
    }


def _read_nic(nic):
    reported = {"type": "bridged", "source": nic["bridge"]} if nic.get("bridge") else {"type": "user"}
    return {
        **reported,
        "mac": nic.get("macaddr", "").lower(),
        "model": nic.get("model", "virtio"),
        "vlan": int(nic.get("tag", 0)),
    }


def read_nics(options):
    return {place: _read_nic(nic) for place, nic in nics_of(options).items()}


def write_nic(writing, change):
    key = f"net{change.key}"
    if change.kind == "networks.remove":
        writing.set(key, None)
        return
    if change.kind == "networks.add":
        writing.merge(key, {"model": "virtio", **_nic_parts(change.new)})
        return
    if change.attribute == "type" and change.new == "user":
        writing.merge(key, {"bridge": None})
        return
    writing.merge(key, _nic_parts({change.attribute: change.new}))


def _nic_parts(requested):
    """The sub-keys for the requested suboptions of a NIC."""
    words = {"source": "bridge", "mac": "macaddr", "model": "model"}
    parts = {words[name]: value for name, value in requested.items() if name in words}
    if "vlan" in requested:
        parts["tag"] = requested["vlan"] or None
    return parts


def adjusted(vm, place, nic, bridge):
    adjusted, present = dict(nic), (vm.config.get("networks") or {}).get(place) or {}
    kind = {"nat": "user", "network": "bridged"}.get(nic.get("type"), nic.get("type"))
    if kind == "user" and nic.get("source"):
        raise Refused(f"{vm.name}: networks: a NIC of type {nic['type']} has no source.", "Remove the source.")
    if kind:
        adjusted["type"] = kind
    kind = kind or present.get("type") or "bridged"
    if kind == "bridged" and not nic.get("source") and present.get("type") != "bridged":
        adjusted["source"] = bridge
    return {"type": kind, **adjusted} if not present else adjusted


def check_bridge_privilege(driver, label, node, nic):
    """Raise Refused for a bridge that the account may not use. Those of SDN zones are left to the server."""
    bridge, rights = nic.get("bridge"), driver.observer.rights
    if not bridge:
        return
    path = f"/sdn/zones/localnetwork/{bridge}" + (f"/{nic['tag']}" if nic.get("tag") else "")
    if rights.has(path, "SDN.Use", is_visible=False) or driver.release() < _BRIDGES_SINCE:
        return
    known = driver.tool.get(f"/nodes/{node}/network", type="any_bridge")
    if any(one["iface"] == bridge and one.get("type") in ("bridge", "OVSBridge") for one in known):
        rights.check(label, path, "SDN.Use", is_visible=False)


def bridges_in(changes):
    for change in changes:
        if change.kind == "networks.source":
            yield change.new
        elif change.kind == "networks.add":
            yield change.new.get("source")


def check_bridges(driver, label, node, requested):
    wanted = {bridge for bridge in requested if bridge}
    if not wanted:
        return
    known = driver.places.bridges(node)
    # An account that sees no bridge gets the error of the server instead.
    if known and wanted - known:
        missing = sorted(wanted - known)[0]
        raise NotFound(
            f"{label}: networks: node '{node}' has no bridge '{missing}'.", f"Its bridges: {', '.join(sorted(known))}."
        )


def with_addresses(tool, vm, vm_options, uptime):
    """The running VM ``vm`` with its addresses."""
    by_agent = _reported_by_agent(tool, vm_options) if uptime >= _NO_AGENT_YET else ()
    found = by_agent or _given_to_cloud_init(vm_options)
    nics = [nic.get("macaddr", "").lower() for nic in nics_of(vm_options.running).values()]
    # A guest has bridges and tunnels of its own, at whose addresses others answer, or the task's own host.
    reached = [one for one in found if one.mac in nics] or found
    places = {mac: place for place, mac in enumerate(nics)}
    addresses = tuple(sorted(reached, key=lambda one: (":" in one.address, places.get(one.mac, 0), one.address)))
    return vm.having(addresses=addresses, ssh=_ssh(addresses, vm_options))


def _reported_by_agent(tool, vm_options):
    if values.parse("agent", vm_options.running.get("agent", "0")).get("enabled") != "1":
        return []
    try:
        answer = tool.get(f"{vm_options.path}/agent/network-get-interfaces")
    except (ApiError, Refused):
        # Without the privilege, only the addresses of cloud-init are known.
        return []
    nics = answer.get("result") if isinstance(answer, dict) else None
    return list(_of_nics(nics)) if isinstance(nics, list) else []


def _of_nics(nics):
    for nic in nics:
        for one in nic.get("ip-addresses") or ():
            if not one["ip-address"].startswith(_NOT_OURS):
                yield Address(one["ip-address"], "agent", (nic.get("hardware-address") or "").lower() or None)


def _given_to_cloud_init(vm_options):
    found = []
    for key, text in sorted(vm_options.running.items()):
        if values.stem(key) != "ipconfig":
            continue
        nic = values.parse("net0", vm_options.running.get(f"net{key.removeprefix('ipconfig')}", ""))
        reported = values.parse(key, text)
        fixed = [reported[name] for name in ("ip", "ip6") if reported.get(name) not in (None, "dhcp", "auto", "manual")]
        found += [Address(one.partition("/")[0], "ipconfig", nic.get("macaddr", "").lower() or None) for one in fixed]
    return found


def _ssh(addresses, vm_options):
    if not addresses:
        return None
    user = vm_options.stored.get("ciuser") or None
    return {"host": addresses[0].address, "port": _SSH, "user": user, "scope": "network"}
