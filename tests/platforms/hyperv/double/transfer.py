# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Export and import VMs, and move their files."""

from __future__ import annotations

import copy

from platforms.hyperv.double import vms
from platforms.hyperv.double.calls import DISK_FULL, FILE_EXISTS, handles
from platforms.hyperv.double.files import base
from platforms.hyperv.double.records import Exported, new_id


def _copied(vm):
    """A deep copy of a VM with the same id."""
    found = copy.deepcopy(vm)
    found.busy, found.transition, found.deleted = [], None, None
    return found


def _disks(files, vm):
    """The paths of all disks that a VM and its checkpoints need, parents first."""
    paths = [drive.path for owner in vm.owners() for drive in owner.hardware.disks()]
    chains = [files.chain(path) for path in paths]
    return list(dict.fromkeys(path for chain in chains for path in reversed(chain)))


def _copy_disks(call, vm, folder):
    """Copy the disks of a VM into a directory, and attach the copies instead; returns their paths."""
    files = call.host.files
    moved = {files.key(path): f"{folder}\\{base(path)}" for path in _disks(files, vm)}
    if len(set(map(files.key, moved.values()))) < len(moved) or any(files.file(one) for one in moved.values()):
        raise call.operation("failed", FILE_EXISTS)
    if not files.has_room(folder, sum(files.length(files.vhd(path)) for path in moved)):
        raise call.failed(call.knobs.disk_full, "failed", code=DISK_FULL)
    for path, new in moved.items():
        disk = files.vhd(path).copy()
        disk.parent = moved.get(files.key(disk.parent), disk.parent) if disk.parent else ""
        files.put(new, disk)
    for owner in vm.owners():
        for drive in owner.hardware.disks():
            drive.path = moved.get(files.key(drive.path), drive.path)
    return list(moved.values())


@handles("Export-VM")
def export_vm(call):
    def act(vm):
        if vm.state not in ("Off", "Running", "Paused", "Saved"):
            raise call.state_error()
        exported = _copied(vm)
        if vm.state in ("Running", "Paused"):
            live = call.get("CaptureLiveState", "CaptureSavedState")
            exported.state = "Saved" if live == "CaptureSavedState" else "Off"
        _export(call, vm, exported)
        return call.passed([call.host.views.vm(vm)])

    return call.each(call.vms(), act)


@handles("Export-VMSnapshot")
def export_snapshot(call):
    given = call.get("VMSnapshot") or []
    names = call.get("Name", ())
    found = [one.record for one in given] or [
        one for vm in call.vms() for one in vm.snapshots if one.name.lower() in [name.lower() for name in names]
    ]
    if not found:
        raise call.failed("ObjectNotFound", "snapshot")

    def act(one):
        exported = _copied(one.vm)
        exported.hardware, exported.snapshots = copy.deepcopy(one.hardware), []
        exported.parent, exported.state = None, "Saved" if one.has_memory else "Off"
        _export(call, one.vm, exported)

    return call.each(found, act)


def _export(call, vm, exported):
    files = call.host.files
    folder = f"{call.get('Path')}\\{vm.name}".replace("/", "\\")
    if files.is_folder(folder):
        raise call.operation("failed", FILE_EXISTS, name=folder)
    for name in ("Virtual Machines", "Virtual Hard Disks", "Snapshots"):
        files.make(f"{folder}\\{name}")
    written = _copy_disks(call, exported, f"{folder}\\Virtual Hard Disks")
    exported.folder = folder
    configuration = vms.configuration(exported)
    seconds = call.knobs.seconds["export"]
    vm.busy.append("ExportingVirtualMachine")
    call.host.lock(written, "export")

    def end():
        vm.busy.remove("ExportingVirtualMachine")
        call.host.unlock(written)
        files.put(configuration, Exported(exported))

    call.host.clock.at(seconds, end)
    call.wait(seconds)


@handles("Import-VM")
def import_vm(call):
    host, files, path = call.host, call.host.files, call.get("Path")
    if call.get("CompatibilityReport") is not None:
        raise call.failed("NotSupported", "failed")
    host.need_file(call, path)
    content = files.file(path)
    if not isinstance(content, Exported):
        raise call.bad("Path")
    vm = _copied(content.vm)
    if call.get("Copy") and call.get("GenerateNewId"):
        _renumber(vm)
    if any(one.id == vm.id for one in host.vms):
        raise call.operation("failed", FILE_EXISTS)
    if call.get("Copy"):
        vm.folder = call.get("VirtualMachinePath", host.settings["VirtualMachinePath"])
        _copy_disks(call, vm, call.get("VhdDestinationPath", host.settings["VirtualHardDiskPath"]))
        vm.shown["SnapshotFileLocation"] = call.get("SnapshotFilePath", vm.folder)
        files.put(vms.configuration(vm), b"vmcx")
    vm.created = host.clock.now()
    host.clock.at(call.knobs.seconds["import"], lambda: host.vms.append(vm))
    call.wait(call.knobs.seconds["import"])
    return [host.views.vm(vm)]


def _renumber(vm):
    """Give a VM and its checkpoints new ids; static MAC addresses stay the same."""
    vm.id = new_id()
    ids = {one.id: new_id() for one in vm.snapshots}
    for one in vm.snapshots:
        one.id = ids[one.id]
    for one in vm.owners():
        one.parent = ids.get(one.parent, one.parent)
        for nic in one.hardware.nics:
            nic.mac = "000000000000" if nic.is_dynamic else nic.mac
