# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: NICs and their connections to virtual switches. Calls select NICs and switches by their ids."""

from __future__ import annotations

import re

from ...._core.errors import NotFound, Refused
from ...._core.model import LIVE, POWER_OFF
from ...._core.units import known_vlans
from ...._kit.settings import Setting
from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import DEFAULT_SWITCH, NO_MAC, VM, hyperv
from .values import WHILE_SAVED

#: Types of NICs: connected to the default switch, or to the switch in ``source``; an empty ``source`` is not connected.
NAT, SWITCH = "nat", "network"
#: {option of a NIC: switch of Hyper-V that is Off in a new VM}.
SWITCHES = {"dhcp_guard": "DhcpGuard", "router_guard": "RouterGuard", "mac_spoofing": "MacAddressSpoofing"}


def _networks_of(raw, found):
    """Return {number: NIC} of a raw VM."""
    return {str(index): _network(nic, found.switches) for index, nic in enumerate(raw.get("NetworkAdapters") or ())}


def _network(nic, switches):
    switch_id, name = (nic.get("SwitchId") or "").lower(), nic.get("SwitchName") or ""
    switch = next((one for one in switches if one["Id"].lower() == switch_id), None)
    source = name if switch is None else _unique_name(switch, switches)
    found = {"type": NAT} if switch_id == DEFAULT_SWITCH else {"type": SWITCH, "source": source}
    found |= {option: nic.get(name) == "On" for option, name in SWITCHES.items() if nic.get(name)} | _vlans_of(nic)
    return {**found, "mac": mac_of(nic)} if mac_of(nic) else found


def mac_of(nic):
    """Return the MAC address of a raw NIC; None before the first start of its VM, unless it is a static one."""
    mac = nic.get("MacAddress") or NO_MAC
    return None if mac == NO_MAC else ":".join(re.findall("..", mac)).lower()


def _vlans_of(nic):
    """Return the VLANs of a NIC; nothing in a mode that no option sets."""
    vlan = nic.get("VlanSetting") or {}
    mode = vlan.get("OperationMode", "Untagged")
    if mode == "Trunk":
        allowed = re.findall(r"[^,\s]+", vlan.get("AllowedVlanIdListString") or "")
        return {"vlan": vlan.get("NativeVlanId") or 0, "trunk": known_vlans(allowed)}
    return {"vlan": vlan.get("AccessVlanId") or 0, "trunk": ()} if mode in ("Untagged", "Access") else {}


def undescribed_nics(raw, nested):
    """Return {path: reason} of what a task does not describe of the NICs."""
    found = {}
    for index, nic in enumerate(raw.get("NetworkAdapters") or ()):
        mode = (nic.get("VlanSetting") or {}).get("OperationMode", "Untagged")
        other = {} if "vlan" in _vlans_of(nic) else {"VlanSetting": f"It is {mode}. No option sets it."}
        if nic.get("DeviceNaming", "Off") != "Off":
            other["DeviceNaming"] = "It is On. No option sets it."
        if nic.get("IsLegacy"):
            other["IsLegacy"] = "It is True. No option sets it."
        if nic.get("Name", "") not in ("", "Network Adapter", f"Network Adapter {index + 1}"):
            other["Name"] = f"It is {nic['Name']}. No option sets it."
        limits = {name: value for name, value in (nic.get("BandwidthSetting") or {}).items() if value}
        if limits:
            other["BandwidthSetting"] = f"It is {limits}. No option sets it."
        if nested and nic.get("MacAddressSpoofing") == "Off":
            # A description omits what is off, and a new VM with nested virtualization gets it.
            other["MacAddressSpoofing"] = "It is Off. Add mac_spoofing: false to this NIC."
        found |= {f"NetworkAdapters.{index}.{name}": reason for name, reason in other.items()}
    return found


def without_dynamic_macs(raw, networks):
    """Return {"networks": NICs without the addresses that Hyper-V has chosen, and chooses again on another host}."""
    nics = enumerate(raw.get("NetworkAdapters") or ())
    dynamic = {str(index) for index, nic in nics if nic.get("DynamicMacAddressEnabled")}
    left = {
        index: {name: value for name, value in nic.items() if name != "mac" or index not in dynamic}
        for index, nic in (networks or {}).items()
    }
    return {"networks": left} if left else {}


def with_spoofing(vm, config):
    """Return the options with MAC spoofing for each NIC that gets nested VMs, unless the task sets it.

    Nested VMs do not reach the network without it.
    """
    was_nested, present = vm.config.get("nested_virtualization"), set(vm.config.get("networks") or ())
    if not config.get("nested_virtualization", was_nested):
        return config
    networks = config.get("networks") or {}
    wanted = {*networks, *present} - (present if was_nested else set())
    spoofing = {
        index: {"mac_spoofing": True, **entry} for index in wanted if (entry := networks.get(index, {})) is not None
    }
    return {**config, "networks": {**networks, **spoofing}} if spoofing else config


def _normalized_all(vm, networks, _is_bios, switches):
    """Return the requested NICs in Hyper-V's terms. ``switches`` are raw; None if they were not read yet."""
    return {
        index: None if entry is None else _normalized(vm, index, entry, switches) for index, entry in networks.items()
    }


def _normalized(vm, index, entry, switches):
    entry, present = dict(entry), (vm.config.get("networks") or {}).get(index)
    where = f"{vm.name}: networks[{index}]"
    if entry.get("type") == NAT:
        if entry.pop("source", None):
            raise Refused(
                f"{where}.source: a NIC of type nat is always connected to the default switch.", "Omit source."
            )
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
    return _unique_name(found[0], switches)


def _unique_name(switch, switches):
    """Return the name of a switch, or its id if several switches have this name."""
    same = [one for one in switches if one["Name"].lower() == switch["Name"].lower()]
    return switch["Id"] if len(same) > 1 else switch["Name"]


def known_switches(switches):
    return f"Switches of this host: {', '.join(sorted(one['Name'] for one in switches)) or 'none'}."


def find_switch(switches, name_or_id):
    """Return the raw switch with this name or id, or None."""
    return next((one for one in switches if name_or_id.lower() in (one["Id"].lower(), one["Name"].lower())), None)


def _is_same_source(found, requested):
    return (found or "").lower() == (requested or "").lower()


def _cost_of_nic(vm, change):
    return POWER_OFF if vm.config.get("firmware") == "bios" else LIVE


# Calls ----------------------------------------------------------------------------------------------------------------


def add_nic_calls(index, entry, switches):
    """Return the calls that create a NIC with all its settings."""
    nic_ref = f"nic{index}"
    mac = {"StaticMacAddress": entry["mac"].replace(":", "").upper()} if entry.get("mac") else {}
    arguments = {"VM": VM, "Name": f"Network Adapter {int(index) + 1}", **mac, "Passthru": True}
    return [
        hyperv("Add-VMNetworkAdapter", arguments, keep=nic_ref),
        *(connect_calls(nic_ref, entry, switches) if entry.get("source") or entry.get("type") == NAT else ()),
        *(_vlan_calls(nic_ref, entry) if entry.get("vlan") or entry.get("trunk") else ()),
        *_switch_calls(nic_ref, {name: "On" for option, name in SWITCHES.items() if entry.get(option)}),
    ]


def pick_nic(index, nic):
    return pick("vm", f"nic{index}", path=["NetworkAdapters"], conditions={"Id": nic["Id"]})


def connect_calls(nic_ref, entry, switches):
    """Return the calls that connect a NIC to a switch, or disconnect it.

    ``nic_ref`` is the name under which an earlier call of the chain stored the NIC.
    """
    name_or_id = DEFAULT_SWITCH if entry.get("type") == NAT else entry.get("source")
    if not name_or_id:
        return [hyperv("Disconnect-VMNetworkAdapter", {"VMNetworkAdapter": Ref(nic_ref)})]
    found = find_switch(switches, name_or_id)
    return [
        hyperv("Get-VMSwitch", {"Id": [found["Id"]]}, keep="switch"),
        hyperv("Connect-VMNetworkAdapter", {"VMNetworkAdapter": Ref(nic_ref), "VMSwitch": Ref("switch")}),
    ]


def _vlan_calls(nic_ref, nic):
    """Return the call that sets the VLANs; in a trunk, ``vlan`` is that of the untagged traffic."""
    vlan, trunk = nic.get("vlan") or 0, nic.get("trunk")
    mode = {"Access": True, "VlanId": vlan} if vlan else {"Untagged": True}
    if trunk:
        mode = {"Trunk": True, "AllowedVlanIdList": ",".join(trunk), "NativeVlanId": vlan}
    return [hyperv("Set-VMNetworkAdapterVlan", {"VMNetworkAdapter": Ref(nic_ref), **mode})]


def change_calls(index, nic, requested, attributes, switches):
    """Return the calls that change ``attributes`` of a NIC to the values in ``requested``."""
    nic_ref, calls = f"nic{index}", [pick_nic(index, nic)]
    if {"type", "source"} & set(attributes):
        calls += connect_calls(nic_ref, requested, switches)
    if {"vlan", "trunk"} & set(attributes):
        calls += _vlan_calls(nic_ref, {**_vlans_of(nic), **requested})
    values = {name: "On" if requested[option] else "Off" for option, name in SWITCHES.items() if option in attributes}
    if "mac" in attributes:
        values["StaticMacAddress"] = requested["mac"].replace(":", "").upper()
    return calls + _switch_calls(nic_ref, values)


def remove_calls(index, nic):
    return [pick_nic(index, nic), hyperv("Remove-VMNetworkAdapter", {"VMNetworkAdapter": Ref(f"nic{index}")})]


def _switch_calls(nic_ref, values):
    return [hyperv("Set-VMNetworkAdapter", {"VMNetworkAdapter": Ref(nic_ref), **values})] if values else []


NICS = {
    "networks": Setting(
        read=_networks_of,
        normalize=_normalized_all,
        native=tuple(f"NetworkAdapter.{name}" for name in ("SwitchName", "MacAddress", "StaticMacAddress")),
    ),
    "networks.add": Setting(_cost_of_nic, least=WHILE_SAVED),
    "networks.remove": Setting(_cost_of_nic, least=WHILE_SAVED),
    "networks.type": Setting(LIVE, choices=(NAT, SWITCH), least=WHILE_SAVED),
    "networks.source": Setting(LIVE, same=_is_same_source, least=WHILE_SAVED),
    "networks.vlan": Setting(LIVE, least=WHILE_SAVED),
    "networks.trunk": Setting(LIVE, least=WHILE_SAVED),
    **{
        f"networks.{option}": Setting(LIVE, least=WHILE_SAVED, native=(f"NetworkAdapter.{name}",))
        for option, name in SWITCHES.items()
    },
    "networks.mac": Setting(POWER_OFF),
}
