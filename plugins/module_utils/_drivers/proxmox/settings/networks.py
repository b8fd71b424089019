# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network interfaces, and the bridges that they are connected to."""

from __future__ import annotations

import re

from ...._lifecycle.errors import NotFound, Refused
from ...._lifecycle.model import LIVE, Field
from ...._tools import proxmox_values as values
from .base import plugs, unless_suspended

_NETWORK = re.compile(r"net(\d+)")
_BRIDGES_SINCE = (8, 0)


def nics_of(options):
    """{place: sub-keys} of all NICs."""
    return {
        found[1]: values.parse(key, text)
        for key, text in sorted(options.items(), key=lambda item: (len(item[0]), item[0]))
        if (found := _NETWORK.fullmatch(key))
    }


def read(nic):
    reported = {"type": "bridged", "source": nic["bridge"]} if nic.get("bridge") else {"type": "user"}
    return {
        **reported,
        "mac": nic.get("macaddr", "").lower(),
        "model": nic.get("model", "virtio"),
        "vlan": int(nic.get("tag", 0)),
    }


def _add_nic(writing, change):
    writing.merge(f"net{change.key}", {"model": "virtio", **_nic_parts(change.new)})


def _remove_nic(writing, change):
    writing.set(f"net{change.key}", None)


def _change_nic(writing, change):
    key = f"net{change.key}"
    if change.attribute == "type" and change.new == "user":
        writing.merge(key, {"bridge": None})
        return
    writing.merge(key, _nic_parts({change.attribute: change.new}))


def _nic_parts(asked):
    """Sub-keys of what is asked of a NIC."""
    words = {"source": "bridge", "mac": "macaddr", "model": "model"}
    parts = {words[name]: value for name, value in asked.items() if name in words}
    if "vlan" in asked:
        parts["tag"] = asked["vlan"] or None
    return parts


def adjusted(vm, place, nic, bridge):
    adjusted, present = dict(nic), (vm.config.get("networks") or {}).get(place) or {}
    kind = {"nat": "user", "network": "bridged"}.get(nic.get("type"), nic.get("type"))
    if kind == "user" and nic.get("source"):
        raise Refused(f"{vm.name}: networks: a NIC of type {nic['type']} has no source.", "Leave the source out.")
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


def check_bridges(driver, label, node, asked):
    wanted = {bridge for bridge in asked if bridge}
    if not wanted:
        return
    known = driver.places.bridges(node)
    # Whoever may see no bridge at all learns from the server itself.
    if known and wanted - known:
        missing = sorted(wanted - known)[0]
        raise NotFound(
            f"{label}: networks: node '{node}' has no bridge '{missing}'.", f"Its bridges: {', '.join(sorted(known))}."
        )


FIELDS = {
    "networks.add": Field(cost=plugs("network")),
    "networks.remove": Field(cost=plugs("network")),
    "networks.type": Field(cost=unless_suspended(LIVE), choices=("bridged", "user")),
    "networks.source": Field(cost=unless_suspended(LIVE)),
    "networks.vlan": Field(cost=unless_suspended(LIVE)),
    "networks.mac": Field(cost=plugs("network")),
    "networks.model": Field(cost=plugs("network"), choices=values.NICS),
}
WRITES = {"networks.add": _add_nic, "networks.remove": _remove_nic, "networks": _change_nic}
