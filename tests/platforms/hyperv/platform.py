# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: a double of a Windows host, because Windows does not run here. Its clock advances when modules sleep."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.hyperv.traits import hyperv_traits

from platforms.hyperv import own, reading
from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Switch
from platforms.windows.adapter import WindowsAdapter

_READS = ("Get", "Test", "Measure", "Wait")
_FOLDER, _MEDIUM = "C:\\Hyper-V\\Disks", "C:\\media\\medium.iso"
_SIZE = 16 << 20
_MOVES = {
    (STOPPED, RUNNING): ("Start-VM",),
    (SUSPENDED, RUNNING): ("Start-VM",),
    (PAUSED, RUNNING): ("Resume-VM",),
    (RUNNING, PAUSED): ("Suspend-VM",),
    (RUNNING, SUSPENDED): ("Save-VM",),
}


class Platform(WindowsAdapter):
    """A server with Hyper-V, in this process."""

    name = "hyperv"
    _own = own
    family = "polyvirt.core.hyperv"
    image_firmware = "uefi"
    stored_format = "vhdx"
    #: Processor, directory and free space in one request, and the template of Secure Boot.
    calls_to_find_an_image = 4
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED)
    disk_size = "16M"
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}
    #: Each has an expected error or its own test: firmware cannot be changed after the creation, a template only before
    #: the first start with a TPM, and the limits need dynamic memory.
    unusable: ClassVar = frozenset({"firmware", "secure_boot_template", "minimum_memory", "maximum_memory"})
    slots = ("SCSI 0:0", "SCSI 0:1")
    drives = ("SCSI 0:63", "SCSI 0:60")
    nic: ClassVar = {"type": "network", "source": "lan"}
    has_nic_without_network = True
    cloneable_nic: ClassVar = {"type": "network", "source": "lan"}
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    native_values = (({"Memory.Priority": 10}, 10), ({"Memory.Priority": 80}, 80))

    def whole_vm_tasks(self):
        return {"created again": {"firmware": "bios", "iso": _MEDIUM, "allow_recreate": True}}

    @property
    def storage(self):
        return _FOLDER

    @contextmanager
    def hurried(self):
        """A context in which nothing takes time on the host, for modules that sleep without advancing its clock."""
        knobs = self.host.knobs
        at_once = dict.fromkeys(knobs.seconds, 0.0)
        self.host.knobs = replace(knobs, seconds=at_once, merge_delay=0.0, merge_seconds=0.0)
        try:
            yield
        finally:
            self.host.knobs = knobs

    def published_image(self):
        """A small image for a vendor's server; it cannot be booted."""
        path = Path(tempfile.gettempdir()) / f"pvc-published-{os.getpid()}.qcow2"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
            atexit.register(path.unlink)
        return str(path)

    def new_host(self):
        host = HyperV()
        host.switches.append(Switch("lan", "Private"))
        host.files.make("C:\\media")
        host.files.put(_MEDIUM, b"iso")
        return host

    def traits(self):
        return hyperv_traits(None)

    def recorded_calls(self):
        return [(name, str(values)) for name, values in super().recorded_calls()]

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        return call.argv[0].partition("-")[0] not in _READS

    # Reading and changing VMs without modules ------------------------------------------------------------------------

    def medium(self):
        return _MEDIUM

    def folder_with(self, file=""):
        self.host.files.make("C:\\elsewhere")
        if file:
            self.host.files.put(f"C:\\elsewhere\\{file}", b"of somebody else")
        return "C:\\elsewhere"

    def in_folder(self, folder):
        inside = f"{folder}\\".lower()
        return sorted(path[len(inside) :] for path in self.host.files.contents if path.startswith(inside))

    def all_names(self):
        return [vm.name for vm in self.host.vms]

    def ids(self):
        """{name: id} of the VMs of this test."""
        return {vm.name: vm.id for vm in self.host.vms if vm.name.startswith(self.prefix)}

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running ...}}; absent VMs are None."""
        found = {vm.name: reading.vm_state(self.host, vm) for vm in self.host.vms}
        return {name: found.get(name) for name in names}

    def snapshots(self, name):
        return reading.snapshots(self.host.vm(name))

    def disk_of(self, name):
        return self.truth([name])[name]["disks"]["SCSI 0:0"]

    def contents(self):
        """{file: content} of all virtual disks."""
        files = self.host.files
        return {path: getattr(files.vhd(path), "written", None) for path in self.files() if files.vhd(path)}

    def write(self, name, byte, slot="SCSI 0:0"):
        self.host.files.vhd(self._attached(self.host.vm(name), slot)).written = byte

    def holds(self, machine, byte, slot="SCSI 0:0"):
        vm = self.host.vm(machine["id"])
        chain = map(self.host.files.vhd, self.host.files.chain(self._attached(vm, slot)))
        return next((disk.written for disk in chain if hasattr(disk, "written")), None) == byte

    def _attached(self, vm, slot):
        return next(drive.path for drive in vm.hardware.disks() if reading.slot_of(drive) == slot)

    def identities(self, machine):
        """Values that no two VMs may share: id, MACs, disks, cloud-init seed ISOs."""
        return {machine["id"], *machine["macs"], *machine["disks"].values(), *machine["seeds"]}

    def backing_files(self, machine):
        return {path for file in machine["disks"].values() for path in self.host.files.chain(file)[1:]}

    def seeds_of(self, machine):
        return machine["seeds"]

    def take_snapshot(self, name, snapshot):
        self._call(self.host.vm(name), "Checkpoint-VM", SnapshotName=f"={snapshot}")

    # Creating VMs, and changing their power, without modules ---------------------------------------------------------

    def _call(self, vm, command, **arguments):
        """Send one command for a VM as a request, without recording it."""
        get = {"op": "call", "command": "Hyper-V\\Get-VM", "with": {"Id": f"={vm.id}"}, "keep": "vm"}
        act = {"op": "call", "command": f"Hyper-V\\{command}", "with": {"VM": {"ref": "vm"}, **arguments}}
        request = {"chains": [{"name": vm.name, "calls": [get, act]}]}
        (chain,) = json.loads(self.host.windows.answer(json.dumps(request)))["chains"]
        assert all(call["ok"] for call in chain["calls"]), chain
        self.recorded_calls()

    def define(self, name, obeys=False):
        """Create a VM with one disk."""
        path = f"{_FOLDER}\\{name}.vhdx"
        self.host.disk(path, size=_SIZE)
        vm = self.host.add(name, services=obeys)
        vm.hardware.memory["Startup"] = 128 << 20
        vm.shown["AutomaticStartAction"] = "Nothing"
        place = {"ControllerType": "=SCSI", "ControllerNumber": 0, "ControllerLocation": 0}
        self._call(vm, "Add-VMHardDiskDrive", Path=f"={path}", **place)

    def move(self, name, power):
        """Change a VM to the state ``power``."""
        found = self.truth([name])[name]["power"]
        if found == power:
            return
        if power == STOPPED:
            self._call(self.host.vm(name), "Remove-VMSavedState") if found == SUSPENDED else self._turn_off(name)
            return
        if (found, power) not in _MOVES:
            self.move(name, RUNNING)
            found = RUNNING
        self._call(self.host.vm(name), *_MOVES[found, power])

    def _turn_off(self, name):
        self._call(self.host.vm(name), "Stop-VM", TurnOff=True, Force=True)

    def handle(self, name):
        """The id, which Hyper-V accepts as this VM, to be used as the name of another VM."""
        return self.ids()[name]
