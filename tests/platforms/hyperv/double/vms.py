# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that create, read, change and delete whole VMs."""

from __future__ import annotations

from platforms.hyperv.double import devices, settings, snapshots
from platforms.hyperv.double.calls import handles
from platforms.hyperv.double.records import NO_MAC, Boot, Hardware, Nic, Vm
from platforms.windows.objects import has_wildcards, like

_SHOWN = (
    "AutomaticStartAction",
    "AutomaticStopAction",
    "AutomaticStartDelay",
    "AutomaticCriticalErrorAction",
    "AutomaticCriticalErrorActionTimeout",
    "AutomaticCheckpointsEnabled",
    "LockOnDisconnect",
    "Notes",
    "SnapshotFileLocation",
    "SmartPagingFilePath",
    "CheckpointType",
    "EnhancedSessionTransportType",
    "GuestControlledCacheTypes",
    "LowMemoryMappedIoSpace",
    "HighMemoryMappedIoSpace",
    "BatteryPassthroughEnabled",
)


@handles("Get-VM")
def get_vm(call):
    host = call.host
    seen = [] if host.access == "invisible" else host.vms
    if call.get("Id"):
        found = [vm for vm in seen if vm.id == call.get("Id")]
        if not found:
            call.context.error(call.failed("ObjectNotFound", "found_id", name=call.get("Id")))
        return [host.views.vm(vm) for vm in found]
    if not call.get("Name"):
        return [host.views.vm(vm) for vm in seen]
    return [host.views.vm(vm) for name in call.get("Name") for vm in _named(call, seen, name)]


def _named(call, seen, name):
    found = [vm for vm in seen if like(vm.name, name)]
    if not found and not has_wildcards(name):
        call.context.error(call.failed("InvalidParameter", "found", name=name, target=f"{name}"))
    return found


def create(host, name, generation, folder=None):
    """Create a VM like New-VM, but without disks, and do not add it to the host's VMs yet."""
    folder = f"{folder}\\{name}" if folder else host.settings["VirtualMachinePath"]
    vm = Vm(name, Hardware(generation), folder, host.new_shown(folder), host.guest_template, host.clock.now())
    # Simultaneous multithreading is off unless it is set (that 1 is shown is assumed).
    vm.hardware.processor["HwThreadCountPerCore"] = int(host.is_2016)
    nic = Nic(host.text("Network Adapter"), mac=NO_MAC)
    vm.hardware.nics.append(nic)
    if generation == 2:
        vm.hardware.boot.append(Boot("Network", nic.key, description="EFI Network"))
    else:
        devices.attach(vm, "dvd", slot=("IDE", 1, 0))
    host.files.put(configuration(vm), b"vmcx")
    return vm


def configuration(vm):
    """The path of a VM's configuration file."""
    return f"{vm.folder}\\Virtual Machines\\{vm.id.upper()}.vmcx"


@handles("New-VM")
def new_vm(call):
    host = call.host
    switch = call.switch(call.get("SwitchName")) if call.get("SwitchName") else None
    memory = call.get("MemoryStartupBytes")
    if memory is not None and (memory <= 0 or memory % (2 << 20)):
        raise call.bad("MemoryStartupBytes")
    vm = create(host, call.get("Name", "New Virtual Machine"), call.get("Generation", 1), call.get("Path"))
    vm.hardware.nics[0].switch = switch and switch.id
    if memory:
        vm.hardware.memory["Startup"] = memory
    vm.guest = type(vm.guest)(**vars(vm.guest))
    host.vms.append(vm)
    call.wait(call.knobs.seconds["create"])
    return [host.views.vm(vm)]


@handles("Set-VM")
def set_vm(call):
    memory = call.changes({f"Memory{name}Bytes": name for name in ("Startup", "Minimum", "Maximum")})

    def change(vm):
        if memory:
            settings.change_memory(call, vm, memory)
        if call.get("ProcessorCount") is not None:
            settings.change_processor(call, vm, {"Count": call.get("ProcessorCount")})
        vm.shown.update(call.changes({name: name for name in _SHOWN}))
        if "Notes" in call.given:
            vm.shown["Notes"] = call.get("Notes", "")
        vm.name = call.get("NewVMName", vm.name)

    return call.on_vms(change)


@handles("Remove-VM")
def remove_vm(call):
    def remove(vm):
        call.ask()
        if vm.state not in ("Off", "Saved", "OffCritical", "SavedCritical"):
            raise call.failed("InvalidState", "delete", details=("object_state",), name=vm.name)
        # READ learn.microsoft.com/windows-server/virtualization/hyper-v/replication (remove replication first); that
        # Remove-VM itself fails, and how, is ASSUMED.
        if vm.replication != "Disabled" or vm.is_clustered:
            raise call.failed("InvalidState", "delete", details=("object_state",), name=vm.name)
        vm.snapshots.clear()
        call.host.files.delete(configuration(vm))
        call.host.delete(vm)
        snapshots.merge(call.host, vm)

    return call.on_vms(remove)


@handles("Get-VMHost")
def get_host(call):
    return [call.host.views.host_object()]


@handles("Set-VMHost")
def set_host(call):
    names = ("VirtualHardDiskPath", "VirtualMachinePath", "MacAddressMinimum", "MacAddressMaximum")
    names += ("EnableEnhancedSessionMode", "NumaSpanningEnabled")
    call.host.settings.update(call.changes({name: name for name in names}))
    return call.passed([call.host.views.host_object()])
