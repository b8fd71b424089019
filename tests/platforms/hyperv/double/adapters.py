# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs of VMs, their switches and VLANs."""

from __future__ import annotations

import re

from platforms.hyperv.double.calls import handles, listed
from platforms.hyperv.double.records import NO_MAC, Boot, Nic
from platforms.windows.objects import like

_SHOWN = ("MacAddressSpoofing", "DhcpGuard", "RouterGuard", "DeviceNaming", "AllowTeaming", "PortMirroring")

_BANDWIDTH = ("MaximumBandwidth", "MinimumBandwidthAbsolute", "MinimumBandwidthWeight")


def _mac(call):
    """The static address of the arguments in the form in which it is stored, or None."""
    text = call.get("StaticMacAddress")
    if text is None:
        return None
    if call.get("DynamicMacAddress") or not re.fullmatch(r"(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}", text):
        raise call.bad("StaticMacAddress")
    return re.sub("[:-]", "", text).upper()


def _check_mac(call, mac):
    if mac and int(mac[:2], 16) & 1:
        raise call.failed("OperationFailed", "device", name="Synthetic Ethernet Port")


@handles("Add-VMNetworkAdapter")
def add_nic(call):
    if call.get("ManagementOS"):
        raise call.failed("NotSupported", "failed")
    mac = _mac(call)
    switch = call.switch(call.get("SwitchName")) if call.get("SwitchName") else None

    def add(vm):
        _check_plug(call, vm, call.get("IsLegacy", False))
        _check_mac(call, mac)
        default = "Legacy Network Adapter" if call.get("IsLegacy") else "Network Adapter"
        nic = Nic(call.get("Name") or call.host.text(default), bool(call.get("IsLegacy")))
        nic.mac, nic.is_dynamic = mac or NO_MAC, mac is None
        nic.switch = switch and switch.id
        nic.shown["DeviceNaming"] = call.get("DeviceNaming", "Off")
        vm.hardware.nics.append(nic)
        if vm.hardware.generation == 2:
            vm.hardware.boot.append(Boot("Network", nic.key, description="EFI Network"))
        return call.passed([call.host.views.nic(vm, nic)])

    return call.each(call.vms(), add)


def _check_plug(call, vm, is_legacy):
    """Fail if the VM's state does not allow to add or remove NICs: generation 2 allows this while the VM runs."""
    if is_legacy and vm.hardware.generation == 2:
        raise call.failed("InvalidParameter", "generation", name=vm.name)
    is_live = vm.hardware.generation == 2 and call.knobs.nic_hotplug
    (call.need_live if is_live else call.need_off)(vm, "Synthetic Ethernet Port")


def _nics(call, name_parameter="Name"):
    """(VM or checkpoint, NIC) of all NICs that the arguments select."""
    given = call.get("VMNetworkAdapter")
    if given is not None:
        yield from call.each(listed(given), lambda view: [call.device(view)])
        return
    names = call.get(name_parameter)
    names = None if names is None else listed(names)
    for owner in call.owners():
        found = [
            one
            for one in owner.hardware.nics
            if (names is None or any(like(one.name, name) for name in names))
            and call.get("IsLegacy") in (None, one.legacy)
        ]
        if not found and names is not None:
            call.context.error(call.failed("ObjectNotFound", "nic"))
        for nic in found:
            yield owner, nic


@handles("Get-VMNetworkAdapter")
def get_nics(call):
    views = call.host.views
    own = call.host.switches if call.get("ManagementOS") or call.get("All") else ()
    if call.get("ManagementOS"):
        own = [one for one in own if call.get("SwitchName") in (None, call.host.switch_name(one))]
    found = [views.host_nic(one) for one in own if one.type == "Internal" or (one.adapter and one.allow_management)]
    if call.get("ManagementOS"):
        return found
    if call.get("All"):
        return found + [views.nic(vm, nic) for vm in call.host.vms for nic in vm.hardware.nics]
    return [views.nic(owner, nic) for owner, nic in _nics(call)]


def _on_nics(call, act, name_parameter="Name"):
    def change(found):
        act(*found)
        return call.passed([call.host.views.nic(*found)])

    return call.each(_nics(call, name_parameter), change)


@handles("Set-VMNetworkAdapter")
def set_nic(call):
    mac = _mac(call)

    def change(vm, nic):
        if (mac and (mac != nic.mac or nic.is_dynamic)) or (call.get("DynamicMacAddress") and not nic.is_dynamic):
            call.need_off(vm, "Synthetic Ethernet Port")
            _check_mac(call, mac)
            nic.mac, nic.is_dynamic = mac or NO_MAC, mac is None
        given = call.changes({name: name for name in _SHOWN})
        if any(nic.shown.get(name) != value for name, value in given.items()):
            call.need_live(vm, "Synthetic Ethernet Port")
            nic.shown.update(given)
        nic.bandwidth.update(call.changes({name: name for name in _BANDWIDTH}))

    return _on_nics(call, change)


@handles("Rename-VMNetworkAdapter")
def rename_nic(call):
    def rename(_vm, nic):
        nic.name = call.get("NewName")

    return _on_nics(call, rename)


@handles("Remove-VMNetworkAdapter")
def remove_nic(call):
    def remove(vm, nic):
        _check_plug(call, vm, nic.legacy)
        vm.hardware.nics.remove(nic)
        vm.hardware.boot = [one for one in vm.hardware.boot if one.key != nic.key]

    return _on_nics(call, remove)


@handles("Connect-VMNetworkAdapter")
def connect(call):
    given = call.get("VMSwitch")
    switch = given.record if given else call.switch(call.get("SwitchName", ""))
    if switch not in call.host.switches:
        raise call.failed(call.knobs.unknown_switch, "switch", name=switch.name)

    def act(vm, nic):
        call.need_live(vm, "Ethernet Connection")
        nic.switch = switch.id

    return _on_nics(call, act)


@handles("Disconnect-VMNetworkAdapter")
def disconnect(call):
    def act(vm, nic):
        call.need_live(vm, "Ethernet Connection")
        nic.switch = None

    return _on_nics(call, act)


@handles("Get-VMNetworkAdapterVlan")
def get_vlans(call):
    if not any(name in call.given for name in ("VM", "VMName", "VMNetworkAdapter", "VMSnapshot")):
        return [call.host.views.vlan(vm, nic) for vm in call.host.vms for nic in vm.hardware.nics]
    return [call.host.views.vlan(owner, nic) for owner, nic in _nics(call, "VMNetworkAdapterName")]


@handles("Set-VMNetworkAdapterVlan")
def set_vlan(call):
    new = _vlan(call)

    def change(found):
        vm, nic = found
        call.need_live(vm, "Ethernet Switch Port")
        nic.vlan = {**Nic("").vlan, **new}
        return call.passed([call.host.views.vlan(vm, nic)])

    return call.each(_nics(call, "VMNetworkAdapterName"), change)


def _vlan(call):
    """The properties of the VLAN that result from the arguments."""
    modes = [one for one in ("Untagged", "Access", "Trunk", "Isolated", "Community", "Promiscuous") if call.get(one)]
    if len(modes) != 1 or modes[0] in ("Isolated", "Community", "Promiscuous"):
        raise call.bad("Untagged")
    numbers = call.changes({"VlanId": "AccessVlanId", "NativeVlanId": "NativeVlanId"})
    allowed = [_range(call, part) for part in call.get("AllowedVlanIdList", "").split(",") if part]
    is_whole = {"Access": "AccessVlanId" in numbers, "Trunk": bool(allowed) and "NativeVlanId" in numbers}
    least = 0 if modes[0] == "Trunk" else 1
    if not is_whole.get(modes[0], True) or any(not least <= one <= 4094 for one in numbers.values()):
        raise call.bad("VlanId")
    lists = {"AllowedVlanIdList": sorted({one for part in allowed for one in part})} if allowed else {}
    texts = {"AllowedVlanIdListString": call.get("AllowedVlanIdList")} if allowed else {}
    return {"OperationMode": modes[0], **numbers, **lists, **texts}


def _range(call, part):
    first, _dash, last = part.strip().partition("-")
    if not first.isdigit() or not (last or first).isdigit() or not 1 <= int(first) <= int(last or first) <= 4094:
        raise call.bad("AllowedVlanIdList")
    return range(int(first), int(last or first) + 1)
