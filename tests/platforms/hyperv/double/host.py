# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Hyper-V host: its state, methods with which tests prepare and observe it, and the dispatch of calls."""

from __future__ import annotations

import itertools
import re

from platforms.hyperv.double import (
    adapters,
    devices,
    power,
    settings,
    snapshots,
    switches,
    system,
    vhds,
    vms,
    windows,
)
from platforms.hyperv.double.calls import ACCESS, COMMANDS, HANDLERS, NO_FILE, Call
from platforms.hyperv.double.files import FileSystem
from platforms.hyperv.double.records import DEFAULT_SWITCH, GIB, Guest, Knobs, Switch, Vhd, new_id
from platforms.hyperv.double.releases import PROPERTIES, SERVER_2016, SERVER_2022, WINDOWS_11, as_of
from platforms.hyperv.double.texts import text
from platforms.hyperv.double.views import Views
from platforms.windows.failures import Failed
from platforms.windows.host import WindowsHost
from platforms.windows.programs import Finished, split

#: The Python modules that contain the handlers of commands.
PARTS = (adapters, devices, power, settings, snapshots, switches, system, vhds, windows, vms)
_READS = ("Get-", "Test-", "Measure-", "Wait-", "Start-Sleep")
_FOLDERS = {"VirtualHardDiskPath": "C:\\Hyper-V\\Disks", "VirtualMachinePath": "C:\\Hyper-V"}
#: A PowerShell module that only servers have.
_SERVER = "ServerManager"


class HyperV:
    """``client``: Windows 10 or 11 with its default switch, instead of a server. ``windows`` answers requests.

    ``build`` is that of Windows: SERVER_2016, or a later one; all later ones have the same commands (releases.py).
    """

    def __init__(self, *, client=False, culture="en-US", enabled=True, knobs=None, clock=None, build=None):
        self.client, self.culture, self.knobs = client, culture, knobs or Knobs()
        self.build = build or (WINDOWS_11 if client else SERVER_2022)
        self.name, self.processors, self.memory = "HOST", 16, 64 * GIB
        self.machine = "0b8a4a2c-7f33-4c0b-9d5e-6f1f5a1c2d3e"  # MachineGuid
        #: The caller's rights: "full", "hyperv" (Hyper-V Administrators only), "denied", or "invisible" (sees no VM).
        self._access, self.is_service_running = "full", True
        self.reaches_shares = True  # False: connections cannot log on to shares (second hop)
        self.files, self.views = FileSystem(), Views(self)
        self.settings = {**_FOLDERS, "MacAddressMinimum": "00155D000000", "MacAddressMaximum": "00155D0000FF"}
        for folder in _FOLDERS.values():
            self.files.make(folder)
        self.vms, self.switches, self.nats, self.host_addresses = [], [], [], []
        self.adapters = {"Ethernet": new_id(), "Ethernet 2": new_id()}
        self.guest_template = Guest()
        self.features, self.booted = system.Features(client), 0.0
        self.features.set_hyperv("Enabled" if enabled else "Disabled")
        #: Whether virtualization is enabled in the host's firmware.
        self.firmware_allows = True
        self.log, self._hooks, self._macs = [], [], itertools.count(1)
        if client and not self.is_2016:  # Windows 10 1709 is the first one with it.
            self.switches.append(Switch("Default Switch", "Internal", DEFAULT_SWITCH))
        self.windows = WindowsHost([], self.invoke, files=self.files, about=self._about(), clock=clock)
        self.windows.run_script, self.windows.run = self._guest_value, self._run
        self.clock = self.windows.clock
        self.load()

    def _about(self):
        about = {"powershell": "5.1.20348.2582", "edition": "Desktop", "build": self.build}
        about |= {"computer": self.name, "user": "admin", "culture": self.culture, "session": 0, "elevated": True}
        about["hyperv_administrator"] = True
        return {**about, "sid": "S-1-5-21-1-2-3-500", "local_system": False, "now": "2026-01-01T00:00:00.0000000Z"}

    @property
    def is_2016(self):
        """Whether this is Windows Server 2016 or Windows 10 1607."""
        return self.build <= SERVER_2016

    @property
    def access(self):
        return self._access

    @access.setter
    def access(self, rights):
        """Change the rights of the caller, and thereby the groups in the token of its session."""
        self._access = rights
        self.windows.about.update(elevated=rights == "full", hyperv_administrator=rights in ("full", "hyperv"))

    @property
    def feature(self):
        """The state of the feature Hyper-V of Windows."""
        return self.features.hyperv

    @feature.setter
    def feature(self, state):
        self.features.set_hyperv(state)

    def load(self):
        """Offer the commands of the PowerShell modules that are installed."""
        absent = {_SERVER} if self.client else set()
        absent |= set() if self.features.has_module else {"Hyper-V"}
        found = [as_of(command, self.build) for command in COMMANDS if command.module not in absent]
        self.windows.commands = {command.name.lower(): command for command in found}
        self.windows.modules = {command.module.lower() for command in found}

    def _run(self, file, arguments, _stdin, _environment, _seconds):
        """Fsutil, which opens the file, whatever its name is (READ
        learn.microsoft.com/windows-server/administration/windows-commands/fsutil-file: queryfileid). The text around
        the number is in the language of the host, and that a disk in use can be asked for is ASSUMED."""
        words = split(arguments)
        if not file.lower().endswith("\\fsutil.exe") or [one.lower() for one in words[:2]] != ["file", "queryfileid"]:
            return None
        found = self.files.file_id(words[2]) if self.knobs.has_file_ids else None
        return Finished(0, f"{self.text('file_id')} {found}\r\n".encode()) if found else Finished(1, b"Error 2\r\n")

    def _guest_value(self, script):
        """The output of a script that reads a value of a guest. Hyper-V has them only of a VM that runs."""
        if "Msvm_KvpExchangeComponent" not in script:
            return b""
        (vm_id,) = re.findall(r"-Filter \"Name='([0-9A-Fa-f-]+)'\"", script)
        (name,) = re.findall(r"\.Name -eq '(\w+)'", script)
        vm = self.vm(vm_id.lower())
        return vm.guest.values.get(name, "").encode() if vm.state == "Running" and vm.guest.services else b""

    # Methods for tests

    def vm(self, name):
        """The VM with this name or id; fails unless there is exactly one."""
        (found,) = (one for one in self.vms if name in (one.name, one.id))
        return found

    def add(self, name, *, generation=2, state="Off", disk=None, **guest):
        """Add an existing VM. ``disk`` is the path of a new disk of 10 GiB; ``guest`` are fields of its Guest."""
        vm = vms.create(self, name, generation)
        vm.guest = Guest(**{**vars(self.guest_template), **guest})
        if disk:
            self.disk(disk)
            devices.attach(vm, "disk", disk)
        vm.state, vm.started = state, self.clock.now()
        self.vms.append(vm)
        return vm

    def disk(self, path, size=10 * GIB, **about):
        """Create the file of a virtual disk; returns its path. ``about`` are further properties of the Vhd."""
        self.files.put(path, Vhd(**{"type": "Dynamic", "size": size, **about}))
        return path

    def guest(self, name, **fields):
        """Change how the guest of a VM behaves."""
        vars(self.vm(name).guest).update(fields)

    def before(self, command, act, call=1):
        """Call ``act`` just before the ``call``-th call of a command, counted from now."""
        self._hooks.append(["before", command, call, act])

    def after(self, command, act, call=1):
        """Call ``act`` just after the ``call``-th call of a command, before the properties of its objects are read."""
        self._hooks.append(["after", command, call, act])

    def restart(self):
        """Restart Windows: pending features change, and VMs stop and start by their automatic actions."""
        self.features.restart()
        self.booted = self.clock.now()
        power.restart_host(self)
        self.load()

    def writes(self):
        """The names of all commands so far that change something."""
        return [name for name, _values in self.log if not name.startswith(_READS)]

    def delete(self, vm):
        """Delete a VM, as another client could do."""
        vm.deleted = self.clock.now()
        self.vms.remove(vm)

    # Methods for commands

    def invoke(self, context, command, bound):
        """Carry out a command and return its objects; WindowsHost calls this method."""
        self.log.append((command.name, dict(bound.values)))
        self._run_hooks("before", command.name)
        call = Call(self, context, command, bound)
        if command.module == "Hyper-V":
            self._check_access(call)
        handler = HANDLERS.get(command.name)
        if handler is None:
            raise Failed(f"NotImplementedInFake,{command.name}", "NotImplemented", command.name)
        found = [] if call.get("WhatIf") else list(handler(call) or ())
        self._run_hooks("after", command.name)
        return found

    def _run_hooks(self, when, name):
        for hook in [one for one in self._hooks if one[:2] == [when, name]]:
            hook[2] -= 1
            if hook[2] == 0:
                self._hooks.remove(hook)
                hook[3]()

    def _check_access(self, call):
        if self.access == "denied":
            raise call.failed("AccessDenied", "denied", name=self.name)
        if self.access == "invisible" and not call.command.name.startswith("Get-"):
            raise call.failed("AccessDenied", "denied", name=self.name)
        if not self.is_service_running or self.feature != "Enabled":
            raise call.failed("ObjectNotFound", "service", name=self.name)

    def text(self, key, **values):
        return text(self.culture, key, **values)

    def switch_name(self, switch):
        return self.text("Default Switch") if switch.id == DEFAULT_SWITCH else switch.name

    def new_shown(self, folder):
        """The initial properties of a new VM that are not hardware."""
        found = {
            "AutomaticStartAction": "StartIfRunning",
            "AutomaticStartDelay": 0,
            "AutomaticStopAction": "Save",
            "AutomaticCriticalErrorAction": "Pause",
            "AutomaticCriticalErrorActionTimeout": 30,
            "AutomaticCheckpointsEnabled": self.client,
            "CheckpointType": "Production",
            "EnhancedSessionTransportType": "VMBus",
            "Notes": "",
            "SnapshotFileLocation": folder,
            "SmartPagingFilePath": folder,
            "LockOnDisconnect": "Off",
            "GuestControlledCacheTypes": False,
            "LowMemoryMappedIoSpace": 128 << 20,
            "HighMemoryMappedIoSpace": 512 << 20,
            "BatteryPassthroughEnabled": True,
        }
        return {name: value for name, value in found.items() if not (self.is_2016 and name in PROPERTIES)}

    def answers(self, vm):
        """Whether the integration services of a guest answer."""
        return (
            vm.state in ("Running", "Stopping")
            and vm.guest.services
            and self.clock.now() >= vm.started + vm.guest.boot_seconds
        )

    def addresses(self, vm, nic):
        """The addresses of a NIC that the guest reports."""
        is_reported = vm.state == "Running" and self.answers(vm) and vm.hardware.services["Key-Value Pair Exchange"]
        if not is_reported or nic.switch is None:
            return []
        vm.reads += 1
        is_first = nic is next(one for one in vm.hardware.nics if one.switch)
        return list(vm.guest.addresses) if is_first else []

    def reach(self, vm, state):
        """Set a VM's state, which ends its transition."""
        vm.transition, vm.state, vm.shutdown_asked = None, state, None
        if state == "Off":
            snapshots.end_automatic(self, vm)

    def new_mac(self):
        return f"00155D{next(self._macs):06X}"

    def users(self, path):
        """The VMs that have this disk, or a disk on top of it, in a drive."""
        key = self.files.key(path)
        return [
            vm
            for vm in self.vms
            for drive in vm.hardware.disks()
            if key in map(self.files.key, self.files.chain(drive.path) or [drive.path])
        ]

    def is_attached(self, path):
        return any(vm.state not in ("Off", "Saved") for vm in self.users(path)) or self.files.key(path) in (
            self.files.key(one) for one, why in self.files.open.items() if why == "mounted"
        )

    def is_locked(self, path):
        """Whether a file is open, so that nobody else can write or delete it."""
        return self.files.key(path) in self.files.open or self._is_in_drive(path)

    def is_unreadable(self, path):
        """Whether a disk cannot be copied, because a VM that is on has it, or because it or a parent is open.

        Microsoft documents that it "must not be attached". That a parent of an attached disk can be read is assumed.
        """
        attached = {self.files.key(drive.path) for drive in self._drives_in_use()}
        chain = {self.files.key(one) for one in self.files.chain(path)}
        return self.files.key(path) in attached or not chain.isdisjoint(self.files.open)

    def _is_in_drive(self, path):
        chains = (self.files.chain(drive.path) or [drive.path] for drive in self._drives_in_use())
        return any(self.files.key(path) == self.files.key(one) for chain in chains for one in chain)

    def _drives_in_use(self):
        return [drive for vm in self.vms if vm.state not in ("Off", "Saved") for drive in vm.hardware.drives]

    def lock(self, paths, why="merge"):
        for path in paths:
            self.files.open[self.files.key(path)] = why

    def unlock(self, paths):
        for path in paths:
            self.files.open.pop(self.files.key(path), None)

    def check_share(self, call, path):
        """Fail if the path is on a share that the connection's credentials cannot reach."""
        if path.startswith("\\\\") and not self.reaches_shares:
            raise call.operation("attachment", ACCESS, name=path)

    def need_file(self, call, path):
        """Fail if the file does not exist."""
        self.check_share(call, path)
        if self.files.file(path) is None:
            raise call.failed("FileNotFound", "file", code=NO_FILE, name=path)

    def need_right(self, call, path):
        """Fail if the file does not exist, or if the user may not open it."""
        self.need_file(call, path)
        if self.files.is_denied(path):
            raise call.failed("AccessDenied", "attachment", code=ACCESS, name=path)
