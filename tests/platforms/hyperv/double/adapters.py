# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NICs of VMs, their switches and VLANs."""

from __future__ import annotations

import re
from itertools import groupby

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
    (call.need_live if vm.hardware.generation == 2 else call.need_off)(vm, "Synthetic Ethernet Port")


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
    """The properties of the VLAN that result from the arguments; private VLANs are not simulated."""
    modes = [mode for mode in ("Untagged", "Access", "Trunk") if call.get(mode)]
    if len(modes) != 1:
        raise call.bad("Untagged")
    if modes == ["Untagged"]:
        return {"OperationMode": "Untagged"}
    if modes == ["Trunk"]:
        return _trunk(call)
    if not 1 <= call.get("VlanId", 0) <= 4094:
        raise call.bad("VlanId")
    return {"OperationMode": "Access", "AccessVlanId": call.get("VlanId")}


def _trunk(call):
    """A trunk needs both parameters. What is shown of the list is not what was written: each VLAN once, as ranges."""
    native, ids = call.get("NativeVlanId"), set()
    if native is None or not 0 <= native <= 4094:
        raise call.bad("NativeVlanId")
    for part in (call.get("AllowedVlanIdList") or "").split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not 0 <= first <= last <= 4094:
            raise call.bad("AllowedVlanIdList")
        ids.update(range(first, last + 1))
    ordered = sorted(ids)
    groups = [list(group) for _key, group in groupby(ordered, key=lambda one: one - ordered.index(one))]
    texts = [str(group[0]) if len(group) == 1 else f"{group[0]}-{group[-1]}" for group in groups]
    return {
        "OperationMode": "Trunk",
        "NativeVlanId": native,
        "AllowedVlanIdList": ordered,
        "AllowedVlanIdListString": ",".join(texts),
    }
