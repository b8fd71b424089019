# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of VMs: memory, CPUs, firmware, security, integration services, COM ports."""

from __future__ import annotations

from platforms.hyperv.double.calls import handles, listed
from platforms.hyperv.double.records import TEMPLATES, Boot
from platforms.hyperv.double.releases import NEW_TEMPLATE
from platforms.windows.objects import like

_STEP = 2 << 20


@handles("Get-VMMemory", "Get-VMProcessor", "Get-VMFirmware", "Get-VMBios", "Get-VMSecurity")
def get_settings(call):
    noun = call.command.name.partition("-VM")[2].lower()

    def get(owner):
        if noun in ("firmware", "bios"):
            _check_generation(call, owner)
        return [getattr(call.host.views, noun)(owner)]

    return call.each(call.owners(), get)


def _check_generation(call, owner):
    wanted = 2 if "Firmware" in call.command.name else 1
    if owner.hardware.generation != wanted:
        raise call.failed("InvalidParameter", "generation", name=owner.name)


def _targets(call, name):
    """The VMs that the arguments select, directly or with an object of their settings in the parameter ``name``."""
    given = call.get(name)
    if given is None:
        return call.vms()
    return [one.owner for one in listed(given)]


def change_memory(call, vm, given):
    """Check the memory settings of one call together, and set them."""
    old = vm.hardware.memory
    new = {**old, **given}
    sizes = [new["Minimum"], new["Startup"], new["Maximum"]] if new["DynamicMemoryEnabled"] else [new["Startup"]]
    given_sizes = [given[name] for name in ("Minimum", "Startup", "Maximum") if name in given]
    if sizes != sorted(sizes) or any(one < 32 << 20 or one % _STEP for one in given_sizes):
        raise call.bad("StartupBytes")
    if not (5 <= new["Buffer"] <= 2000 and 0 <= new["Priority"] <= 100):
        raise call.bad("Buffer")
    changed = {name for name in new if new[name] != old[name]}
    if changed:
        (call.need_live if _is_live(vm, old, new, changed) else call.need_off)(vm, "Memory")
    old.update(new)


def _is_live(vm, old, new, changed):
    if not old["DynamicMemoryEnabled"] and changed == {"Startup"}:
        return True
    is_narrower = new["Minimum"] > old["Minimum"] or new["Maximum"] < old["Maximum"]
    return not is_narrower and not changed & {"DynamicMemoryEnabled", "Startup"}


@handles("Set-VMMemory")
def set_memory(call):
    names = {f"{name}Bytes": name for name in ("Startup", "Minimum", "Maximum")}
    names |= {name: name for name in ("DynamicMemoryEnabled", "Buffer", "Priority", "ResourcePoolName")}
    names["MaximumAmountPerNumaNodeBytes"] = "MaximumPerNumaNode"

    def change(vm):
        change_memory(call, vm, call.changes(names))
        return call.passed([call.host.views.memory(vm)])

    return call.each(_targets(call, "VMMemory"), change)


def change_processor(call, vm, given):
    """Check the CPU settings of one call, and set them."""
    if not 1 <= given.get("Count", 1) <= call.host.processors:
        raise call.bad("Count")
    # 0, as many as the host has, came with Windows Server 2019.
    if call.host.is_2016 and given.get("HwThreadCountPerCore") == 0:
        raise call.bad("HwThreadCountPerCore")
    percents = [given.get(name, 0) for name in ("Reserve", "Maximum")]
    if any(one not in range(101) for one in percents) or given.get("RelativeWeight", 1) not in range(1, 10001):
        raise call.bad("Reserve")
    old = vm.hardware.processor
    changed = {name for name, value in given.items() if old[name] != value}
    if changed - {"Maximum", "Reserve", "RelativeWeight"}:
        call.need_off(vm, "Processor")
    elif changed:
        call.need_live(vm, "Processor")
    old.update(given)


@handles("Set-VMProcessor")
def set_processor(call):
    def change(vm):
        change_processor(call, vm, call.changes({name: name for name in vm.hardware.processor}))
        return call.passed([call.host.views.processor(vm)])

    return call.each(_targets(call, "VMProcessor"), change)


@handles("Set-VMFirmware")
def set_firmware(call):
    names = {name: name for name in ("PreferredNetworkBootProtocol", "ConsoleMode", "PauseAfterBootFailure")}
    names |= {"EnableSecureBoot": "SecureBoot"}

    def change(vm):
        _check_generation(call, vm)
        given = call.changes(names)
        if call.get("SecureBootTemplate"):
            given["SecureBootTemplate"] = _template(call)
            if vm.hardware.is_tpm_initialised:
                raise call.failed("OperationFailed", "failed")
        call.need_off(vm, "Firmware")
        boot = _boot_order(call, vm)
        vm.hardware.firmware.update(given)
        vm.hardware.boot = boot
        return call.passed([call.host.views.firmware(vm)])

    return call.each(_targets(call, "VMFirmware"), change)


def _template(call):
    name = call.get("SecureBootTemplate")
    found = [one for one in TEMPLATES if like(one, name) and not (call.host.is_2016 and one == NEW_TEMPLATE)]
    if len(found) != 1:
        raise call.failed("InvalidParameter", "template", name=name)
    return found[0]


def _boot_order(call, vm):
    """The boot order that results from the arguments. BootOrder replaces the whole list."""
    order = [_entry(call, vm, one) for one in call.get("BootOrder")] if "BootOrder" in call.given else None
    order = list(vm.hardware.boot) if order is None else order
    if call.get("FirstBootDevice"):
        first = _entry(call, vm, call.get("FirstBootDevice"))
        order = [first, *(one for one in order if one is not first)]
    if len({id(one) for one in order}) < len(order):
        raise call.bad("BootOrder")
    return order


def _entry(call, vm, view):
    """The entry of the boot order for a device's object or an entry's object."""
    if isinstance(view.record, Boot):
        same = [one for one in vm.hardware.boot if one.key == view.record.key and one.path == view.record.path]
    else:
        same = [one for one in vm.hardware.boot if one.key == view.record.key]
        if not same and vm.hardware.device(view.record.key):
            same = [Boot("Network" if view.classname == "VMNetworkAdapter" else "Drive", view.record.key)]
    if not same:
        raise call.bad("BootOrder")
    return same[0]


@handles("Set-VMBios")
def set_bios(call):
    def change(vm):
        _check_generation(call, vm)
        call.need_off(vm, "BIOS")
        if call.get("StartupOrder"):
            vm.hardware.bios["StartupOrder"] = list(call.get("StartupOrder"))
        return call.passed([call.host.views.bios(vm)])

    return call.each(_targets(call, "VMBios"), change)


@handles("Set-VMKeyProtector")
def set_key_protector(call):
    def change(vm):
        _need_generation_2(call, vm)
        call.need_off(vm, "Security")
        vm.hardware.key_protector = True

    return call.on_vms(change)


@handles("Enable-VMTPM", "Disable-VMTPM")
def set_tpm(call):
    def change(vm):
        _need_generation_2(call, vm)
        call.need_off(vm, "TPM")
        if not vm.hardware.key_protector:
            raise call.failed("OperationFailed", "protector")
        vm.hardware.security["TpmEnabled"] = call.command.name == "Enable-VMTPM"

    return call.on_vms(change)


def _need_generation_2(call, vm):
    if vm.hardware.generation != 2:
        raise call.failed("NotSupported", "generation", name=vm.name)


@handles("Enable-VMIntegrationService", "Disable-VMIntegrationService")
def set_services(call):
    def change(found):
        vm, key = found
        vm.hardware.services[key] = call.command.name.startswith("Enable")
        return call.passed([call.host.views.service(vm, key)])

    found = [(one.owner, one.record) for one in call.get("VMIntegrationService", ())]
    if not found:
        found = [(vm, key) for vm in call.vms() for key in _keys(call, vm)]
    return call.each(found, change)


def _keys(call, vm):
    """The text keys of the services with the given names, which are in the host's language."""
    for name in call.get("Name"):
        found = [key for key in vm.hardware.services if like(call.host.text(key), name)]
        if not found:
            call.context.error(call.failed("ObjectNotFound", "failed", target=name))
        yield from found
