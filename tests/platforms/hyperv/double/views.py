# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that commands return: all properties of their classes, with values from the records."""

from __future__ import annotations

import functools
from datetime import datetime, timedelta, timezone

from platforms.hyperv.double.calls import CLASSES, COMMON, View, component
from platforms.hyperv.double.files import base, extension
from platforms.hyperv.double.records import SERVICES, TEMPLATES
from platforms.hyperv.double.releases import PROPERTIES
from platforms.windows.objects import NetObject, Text

_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_SPACE = "Microsoft.HyperV.PowerShell."
_ZEROS = {"bool": False, "str": "", "string": ""}
_NUMBERS = ("int", "long", "UInt32", "UInt64", "uint32", "uint64", "byte", "uint16", "short")


@functools.cache
def _defaults(class_):
    """{property: its default value} of a class."""
    found = {}
    for name, type_ in CLASSES.get(class_, {}).items():
        is_list = type_.endswith("[]") or "List<" in type_
        found[name] = [] if is_list else 0 if type_ in _NUMBERS else _ZEROS.get(type_)
    return found


def shown(class_, space="", record=None, owner=None, **properties):
    """An object with all properties of its class: the given ones, and defaults."""
    return View(space + class_, record, owner, **{**_defaults(class_), **properties})


class Views:
    def __init__(self, host):
        self.host = host

    def _make(self, class_, record, owner, **properties):
        return shown(class_, _SPACE, record, owner, **component(owner), **properties)

    def when(self, seconds):
        return _START + timedelta(seconds=seconds)

    def status(self, vm):
        """(operational statuses, their texts) of a VM."""
        host = self.host
        statuses = ["Ok", *vm.busy]
        texts = [host.text("Operating normally"), *(host.text(_BUSY.get(one, one)) for one in vm.busy)]
        if vm.shutdown_asked is not None:
            texts[0] = host.text("Shutting down")
        return statuses, texts

    def vm(self, vm):
        """The object of a VM. After the VM was deleted, only its id, its name and IsDeleted can be read."""

        def alive(get):
            def read():
                if vm.deleted is not None:
                    raise ReferenceError("the virtual machine does not exist")
                return get(vm)

            return read

        found = {name: alive(get) for name, get in self._of_vm().items()}
        if self.host.knobs.stale_objects and vm.deleted is None:
            found = {name: get() for name, get in found.items()}
        found["IsDeleted"] = lambda: self._is_deleted(vm)
        known = {"Id": vm.id, "VMId": vm.id, "Name": vm.name, "VMName": vm.name, "ComputerName": "HOST", **found}
        return self._of_release(shown("VirtualMachine", _SPACE, vm, vm, **known))

    def _of_release(self, view):
        return view.without(PROPERTIES) if self.host.is_2016 else view

    def _is_deleted(self, vm):
        late = self.host.knobs.deleted_late
        return vm.deleted is not None and self.host.clock.now() >= vm.deleted + late

    def _of_vm(self):
        host = self.host
        return {
            **{name: functools.partial(_shown, name) for name in host.new_shown("")},
            **self._common(),
            "State": lambda vm: vm.state,
            "Status": lambda vm: self.status(vm)[1][-1 if vm.busy else 0],
            "OperationalStatus": lambda vm: self.status(vm)[0],
            "StatusDescriptions": lambda vm: self.status(vm)[1],
            "PrimaryOperationalStatus": lambda vm: "Ok",
            "PrimaryStatusDescription": lambda vm: self.status(vm)[1][0],
            "SecondaryOperationalStatus": lambda vm: vm.busy[0] if vm.busy else None,
            "SecondaryStatusDescription": lambda vm: self.status(vm)[1][1] if vm.busy else "",
            "Uptime": lambda vm: timedelta(seconds=host.clock.now() - vm.started if _is_on(vm) else 0),
            "MemoryAssigned": lambda vm: vm.hardware.memory["Startup"] if _is_on(vm) else 0,
            "MemoryDemand": lambda vm: vm.hardware.memory["Startup"] // 2 if _is_on(vm) else 0,
            "Heartbeat": self._heartbeat,
            "Path": lambda vm: vm.folder,
            "ConfigurationLocation": lambda vm: vm.folder,
            "IsClustered": lambda vm: vm.is_clustered,
            "ReplicationState": lambda vm: vm.replication,
            "ResourceMeteringEnabled": lambda vm: False,
            "VirtualMachineType": lambda vm: "RealizedVirtualMachine",
            "VirtualMachineSubType": lambda vm: f"Generation{vm.hardware.generation}",
            "ReplicationHealth": lambda vm: "NotApplicable",
            "ReplicationMode": lambda vm: "None",
            "CheckpointFileLocation": lambda vm: vm.shown["SnapshotFileLocation"],
        }

    def _common(self):
        """Properties of VMs and checkpoints."""
        of = {
            "HardDrives": lambda owner: [self.drive(owner, one) for one in owner.hardware.disks()],
            "DVDDrives": lambda owner: [self.drive(owner, one) for one in owner.hardware.drives if one.kind == "dvd"],
            "NetworkAdapters": lambda owner: [self.nic(owner, one) for one in owner.hardware.nics],
            "VMIntegrationService": lambda owner: [self.service(owner, one) for one in owner.hardware.services],
            "ComPort1": lambda owner: self.com_port(owner, 1),
            "ComPort2": lambda owner: self.com_port(owner, 2),
            "DynamicMemoryEnabled": lambda owner: owner.hardware.memory["DynamicMemoryEnabled"],
            "MemoryStartup": lambda owner: owner.hardware.memory["Startup"],
            "MemoryMinimum": lambda owner: owner.hardware.memory["Minimum"],
            "MemoryMaximum": lambda owner: owner.hardware.memory["Maximum"],
            "ProcessorCount": lambda owner: owner.hardware.processor["Count"],
            "Generation": lambda owner: owner.hardware.generation,
            "ParentSnapshotId": lambda owner: owner.parent,
            "ParentSnapshotName": self._parent_name,
            "CreationTime": lambda owner: self.when(owner.created),
            "Version": lambda owner: Text(getattr(owner, "vm", owner).version),
            "SizeOfSystemFiles": lambda owner: 100_000,
        }
        return {**of, "ParentCheckpointId": of["ParentSnapshotId"], "ParentCheckpointName": of["ParentSnapshotName"]}

    @staticmethod
    def _parent_name(owner):
        snapshots = getattr(owner, "vm", owner).snapshots
        return next((one.name for one in snapshots if one.id == owner.parent), "")

    def _heartbeat(self, vm):
        if not _is_on(vm) or not vm.hardware.services["Heartbeat"]:
            return None if not _is_on(vm) else "Disabled"
        return "OkApplicationsUnknown" if self.host.answers(vm) else "NoContact"

    def snapshot(self, one):
        known = {name: functools.partial(get, one) for name, get in self._common().items()}
        type_ = {"SnapshotType": one.type, "CheckpointType": one.type, "IsAutomaticCheckpoint": one.is_automatic}
        about = {"Id": one.id, "Name": one.name, "VMId": one.vm.id, "VMName": one.vm.name, "Path": one.vm.folder}
        state = "Saved" if one.has_memory else "Off"
        known = {**known, **type_, **about, **COMMON, "State": state}
        return self._of_release(shown("VMSnapshot", _SPACE, one, one, **known))

    def drive(self, owner, one):
        whole = getattr(owner, "vm", owner)
        names = {"disk": "Hard Drive", "dvd": "DVD Drive"}
        about = {
            "Name": f"{self.host.text(names[one.kind])} on {one.controller} controller number {one.number}",
            "Id": f"Microsoft:{whole.id.upper()}\\{one.controller}\\{one.number}\\{one.location}\\D",
            "Path": one.path,
            "ControllerType": one.controller,
            "ControllerNumber": one.number,
            "ControllerLocation": one.location,
            "PoolName": "Primordial",
        }
        if one.kind == "dvd":
            return self._make("DvdDrive", one, owner, **about, DvdMediaType="ISO" if one.path else "None")
        return self._make("HardDiskDrive", one, owner, **about, **one.shown)

    def nic(self, owner, one):
        host, whole = self.host, getattr(owner, "vm", owner)
        switch = next((found for found in host.switches if found.id == one.switch), None)
        about = {
            "Name": one.name,
            "Id": f"Microsoft:{whole.id.upper()}\\{one.id}",
            "AdapterId": one.id,
            "MacAddress": one.mac,
            "DynamicMacAddressEnabled": one.is_dynamic,
            "IsLegacy": one.legacy,
            "IsSynthetic": not one.legacy,
            "Connected": switch is not None,
            "SwitchName": host.switch_name(switch) if switch else "",
            "SwitchId": switch.id if switch else None,
            "Status": ["Ok"] if _is_on(whole) else [],
            "IPAddresses": lambda: host.addresses(whole, one) if whole is owner else [],
            "VlanSetting": lambda: self.vlan(owner, one),
            "BandwidthSetting": NetObject(f"{_SPACE}VMNetworkAdapterBandwidthSetting", **one.bandwidth),
        }
        return self._make("VMNetworkAdapter", one, owner, **{**one.shown, **about})

    def vlan(self, owner, one):
        parent = NetObject("Microsoft.HyperV.PowerShell.VMNetworkAdapter", Name=one.name, Id=one.id)
        found = {**one.vlan, "PrivateVlanMode": "Isolated"}
        return shown("VMNetworkAdapterVlanSetting", _SPACE, one, owner, **found, ParentAdapter=parent)

    def service(self, owner, key):
        whole = getattr(owner, "vm", owner)
        is_enabled, status = owner.hardware.services[key], None
        if _is_on(whole):
            status = ("Ok" if self.host.answers(whole) else "NoContact") if is_enabled else "Disabled"
        return self._make(
            "VMIntegrationComponent",
            key,
            owner,
            Name=self.host.text(key),
            Id=f"Microsoft:{whole.id.upper()}\\{SERVICES[key]}",
            Enabled=is_enabled,
            OperationalStatus=[status] if status else [],
            PrimaryOperationalStatus=status,
        )

    def com_port(self, owner, number):
        about = owner.hardware.com[number]
        return self._make("VMComPort", number, owner, Name=f"COM {number}", DebuggerMode="Off", **about)

    def processor(self, owner):
        return self._make("VMProcessor", owner, owner, **owner.hardware.processor)

    def memory(self, owner):
        return self._make("VMMemory", owner, owner, **owner.hardware.memory)

    def security(self, owner):
        return shown("VMSecurity", _SPACE, owner, owner, **owner.hardware.security)

    def bios(self, owner):
        return self._make("VMBios", owner, owner, **owner.hardware.bios)

    def firmware(self, owner):
        template = TEMPLATES[owner.hardware.firmware["SecureBootTemplate"]]
        boot = [self.boot(owner, one) for one in owner.hardware.boot]
        known = {**owner.hardware.firmware, "SecureBootTemplateId": template, "BootOrder": boot}
        return self._make("VMFirmware", owner, owner, **known)

    def boot(self, owner, one):
        device = owner.hardware.device(one.key)
        device = device and (self.nic if one.kind == "Network" else self.drive)(owner, device)
        about = {"BootType": one.kind, "Description": one.description, "FirmwarePath": one.path, "Device": device}
        return View(f"{_SPACE}VMBootSource", one, owner, **about, **component(owner))

    def controller(self, owner, class_, number):
        drives = [one for one in owner.hardware.drives if one.slot[:2] == (class_[2:-10].upper(), number)]
        shown_drives = [self.drive(owner, one) for one in drives]
        about = {"ControllerNumber": number, "Name": f"{class_[2:-10]} {number}", "Drives": shown_drives}
        return View(_SPACE + class_, (class_[2:-10].upper(), number), owner, **about, **component(owner))

    def switch(self, one):
        guid = [self.host.adapters[one.adapter]] if one.adapter else []
        about = {
            "Name": self.host.switch_name(one),
            "Id": one.id,
            "Notes": one.notes,
            "SwitchType": one.type,
            "AllowManagementOS": one.allow_management if one.type == "External" else one.type == "Internal",
            "NetAdapterInterfaceDescription": f"{one.adapter} device" if one.adapter else "",
            "NetAdapterInterfaceDescriptions": [f"{one.adapter} device"] if one.adapter else [],
            "NetAdapterInterfaceGuid": guid,
        }
        return shown("VMSwitch", _SPACE, one, one, **about, **COMMON)

    def vhd(self, path):
        files, one = self.host.files, self.host.files.vhd(path)
        about = {
            "Path": files.name(path),
            "VhdFormat": "VHDX" if extension(path) in (".vhdx", ".avhdx") else "VHD",
            "VhdType": one.type,
            "Size": one.size,
            "FileSize": one.length,
            "MinimumSize": one.minimum,
            "ParentPath": one.parent,
            "BlockSize": one.block,
            "LogicalSectorSize": 512,
            "PhysicalSectorSize": 4096,
            "DiskIdentifier": one.id,
            "Attached": self.host.is_attached(path),
        }
        return shown("VirtualHardDisk", "Microsoft.Vhd.PowerShell.", files.name(path), **about)

    def host_object(self):
        host = self.host
        templates = [
            NetObject("Microsoft.Virtualization.Client.Management.SecureBootTemplate", Name=name, Id=id_)
            for name, id_ in TEMPLATES.items()
        ]
        about = {**host.settings, "SecureBootTemplates": templates, "SupportedVmVersions": ["8.0", "9.0"]}
        about |= {"LogicalProcessorCount": host.processors, "MemoryCapacity": host.memory, "Name": host.name}
        return shown("VMHost", _SPACE, host, host, **about, FullyQualifiedDomainName="example.test")

    def item(self, path):
        """The object of a file or directory."""
        files = self.host.files
        about = {"FullName": files.name(path), "Name": base(files.name(path)), "Exists": True}
        about |= {"LastWriteTimeUtc": files.changed_at(path), "PSChildName": base(files.name(path))}
        about |= {"PSIsContainer": files.is_folder(path), "Extension": extension(path)}
        if files.is_folder(path):
            return shown("DirectoryInfo", "System.IO.", files.name(path), **about)
        return shown("FileInfo", "System.IO.", files.name(path), **about, Length=files.length(files.file(path)))


_BUSY = {"MergingDisks": "Merging disks"}


def _shown(name, vm):
    return vm.shown[name]


def _is_on(vm):
    return vm.state in ("Running", "Paused", "Stopping", "Pausing", "Resuming", "Saving", "RunningCritical")
