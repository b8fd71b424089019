# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs: by the switch that they are connected to. NICs and switches are addressed by their ids."""

from __future__ import annotations

import re

from ...._lifecycle.errors import NotFound, Refused
from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import DEFAULT_SWITCH, NO_MAC, VM, hyperv

#: A NIC at the default switch, and one at a switch that is named. Without a name it is not connected.
NAT, SWITCH = "nat", "network"


def networks_of(raw):
    return {str(place): _network(nic) for place, nic in enumerate(raw.get("NetworkAdapters") or ())}


def _network(nic):
    is_default = (nic.get("SwitchId") or "").lower() == DEFAULT_SWITCH
    found = {"type": NAT} if is_default else {"type": SWITCH, "source": nic.get("SwitchName") or ""}
    vlan = nic.get("VlanSetting") or {}
    if vlan.get("OperationMode", "Untagged") in ("Untagged", "Access"):
        found["vlan"] = vlan.get("AccessVlanId") or 0
    mac = nic.get("MacAddress") or NO_MAC
    return {**found, "mac": ":".join(re.findall("..", mac)).lower()} if mac != NO_MAC else found


def normalized_networks(vm, networks, switches):
    """The entries in Hyper-V's terms. ``switches`` None: they are not known yet."""
    return {
        place: None if entry is None else _normalized(vm, place, entry, switches) for place, entry in networks.items()
    }


def _normalized(vm, place, entry, switches):
    entry, present = dict(entry), (vm.config.get("networks") or {}).get(place)
    where = f"{vm.name}: networks[{place}]"
    if entry.get("type") == NAT:
        if entry.pop("source", None):
            raise Refused(f"{where}.source: a NIC of type nat is at the default switch.", "Omit source.")
        if switches is not None and find_switch(switches, DEFAULT_SWITCH) is None:
            raise NotFound(
                f"{where}.type: the host has no default switch; only Windows clients have one.",
                f"Use type: network. {known_switches(switches)}",
            )
        return entry
    if "source" in entry:
        entry.setdefault("type", SWITCH)
        entry["source"] = _switch_name(where, entry["source"], switches)
    elif entry.get("type") == SWITCH or present is None:
        entry.setdefault("type", SWITCH)
        if present is None or present["type"] != SWITCH:
            entry["source"] = ""
    return entry


def _switch_name(where, source, switches):
    if not source or switches is None:
        return source
    found = [one for one in switches if source.lower() in (one["Name"].lower(), one["Id"].lower())]
    if not found:
        raise NotFound(f"{where}.source: the host has no switch '{source}'.", known_switches(switches))
    if len(found) > 1:
        ids = ", ".join(sorted(one["Id"] for one in found))
        raise Refused(f"{where}.source: {len(found)} switches are named '{source}'.", f"Set one of their IDs: {ids}.")
    is_shared = sum(one["Name"] == found[0]["Name"] for one in switches) > 1
    return found[0]["Id"] if is_shared else found[0]["Name"]


def known_switches(switches):
    return f"Switches of this host: {', '.join(sorted(one['Name'] for one in switches)) or 'none'}."


def find_switch(switches, word):
    """The switch of a name or id, or None."""
    return next((one for one in switches if word.lower() in (one["Id"].lower(), one["Name"].lower())), None)


def same_source(found, requested):
    return (found or "").lower() == (requested or "").lower()


# Calls ----------------------------------------------------------------------------------------------------------------


def add_nic_calls(place, entry, switches):
    """A new NIC with all of its settings."""
    kept = f"nic{place}"
    mac = {"StaticMacAddress": entry["mac"].replace(":", "").upper()} if entry.get("mac") else {}
    given = {"VM": VM, "Name": f"Network Adapter {int(place) + 1}", **mac, "Passthru": True}
    return [
        hyperv("Add-VMNetworkAdapter", given, keep=kept),
        *(connect_calls(kept, entry, switches) if entry.get("source") or entry.get("type") == NAT else ()),
        *(vlan_calls(kept, entry["vlan"]) if entry.get("vlan") else ()),
    ]


def pick_nic(place, nic):
    return pick("vm", f"nic{place}", path=["NetworkAdapters"], conditions={"Id": nic["Id"]})


def connect_calls(kept, entry, switches):
    """Connect a kept NIC to a switch, or disconnect it."""
    word = DEFAULT_SWITCH if entry.get("type") == NAT else entry.get("source")
    if not word:
        return [hyperv("Disconnect-VMNetworkAdapter", {"VMNetworkAdapter": Ref(kept)})]
    found = find_switch(switches, word)
    switch = hyperv("Get-VMSwitch", {"Id": [found["Id"]]}, keep="switch")
    return [
        switch,
        hyperv("Connect-VMNetworkAdapter", {"VMNetworkAdapter": Ref(kept), "VMSwitch": Ref("switch")}),
    ]


def vlan_calls(kept, vlan):
    mode = {"Access": True, "VlanId": vlan} if vlan else {"Untagged": True}
    return [hyperv("Set-VMNetworkAdapterVlan", {"VMNetworkAdapter": Ref(kept), **mode})]


def change_calls(place, nic, wanted, attributes, switches):
    """Calls that change ``attributes`` of a NIC to those of the entry ``wanted``."""
    kept, calls = f"nic{place}", [pick_nic(place, nic)]
    if {"type", "source"} & set(attributes):
        calls += connect_calls(kept, wanted, switches)
    if "vlan" in attributes:
        calls += vlan_calls(kept, wanted.get("vlan"))
    if "mac" in attributes:
        static = {"StaticMacAddress": wanted["mac"].replace(":", "").upper()}
        calls.append(hyperv("Set-VMNetworkAdapter", {"VMNetworkAdapter": Ref(kept), **static}))
    return calls


def remove_calls(place, nic):
    return [pick_nic(place, nic), hyperv("Remove-VMNetworkAdapter", {"VMNetworkAdapter": Ref(f"nic{place}")})]


def spoofing_calls(places):
    """MAC spoofing, so that VMs within the VM can reach the network; ``places`` are NICs kept or to be picked."""
    return [
        hyperv("Set-VMNetworkAdapter", {"VMNetworkAdapter": Ref(f"nic{place}"), "MacAddressSpoofing": "On"})
        for place in places
    ]
