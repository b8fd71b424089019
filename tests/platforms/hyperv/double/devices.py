# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives and controllers of VMs."""

from __future__ import annotations

from platforms.hyperv.double.calls import handles, listed
from platforms.hyperv.double.files import extension
from platforms.hyperv.double.records import Boot, Drive

_LIMITS = {name: name for name in ("MaximumIOPS", "MinimumIOPS", "SupportPersistentReservations")}
_DISKS = (".vhd", ".vhdx", ".avhd", ".avhdx", ".vhds")


def slots(vm, kind):
    """All slots, in the order in which they are used for drives without a requested slot."""
    scsi = [("SCSI", number, location) for number in vm.hardware.controllers for location in range(64)]
    ide = [("IDE", number, location) for number in range(2) for location in range(2)]
    if vm.hardware.generation == 2:
        return scsi
    return ide + scsi if kind == "disk" else ide


def attach(vm, kind, path="", slot=None):
    """Attach a drive to this slot, or to the first free one; returns None if none is free."""
    taken = {one.slot for one in vm.hardware.drives}
    slot = slot or next((one for one in slots(vm, kind) if one not in taken), None)
    if slot is None:
        return None
    drive = Drive(kind, *slot, path)
    vm.hardware.drives.append(drive)
    vm.hardware.drives.sort(key=lambda one: one.slot)
    if vm.hardware.generation == 2:
        vm.hardware.boot.append(Boot("Drive", drive.key))
    return drive


def check_disk(call, path):
    """Fail if the path is not a disk."""
    if extension(path) not in _DISKS:
        raise call.bad("Path")
    call.host.need_right(call, path)


def check_image(call, path):
    """Fail if the ISO image cannot be attached."""
    if not path:
        return
    call.host.need_right(call, path)


def _free_slot(call, vm, kind):
    """The first free slot that fits the arguments of an Add command."""
    controller, number, location = (call.get(f"Controller{one}") for one in ("Type", "Number", "Location"))
    if kind == "dvd" and not controller:
        controller = "SCSI" if vm.hardware.generation == 2 else "IDE"
    if controller == "IDE" and vm.hardware.generation == 2:
        raise call.failed("InvalidParameter", "ide")
    wanted = (controller, number, location)
    places = slots(vm, "disk") if controller != "IDE" else slots(vm, "dvd")
    fitting = [one for one in places if all(want in (None, have) for want, have in zip(wanted, one))]
    taken = {one.slot for one in vm.hardware.drives}
    free = [one for one in fitting if one not in taken]
    if not free:
        raise call.bad("ControllerLocation")
    return free[0]


def _check_change(call, vm, controller, device):
    """Fail if the VM's state does not allow the change: for IDE, the VM must be off."""
    (call.need_off if controller == "IDE" else call.need_live)(vm, device)


@handles("Add-VMHardDiskDrive", "Add-VMDvdDrive")
def add_drive(call):
    kind = "disk" if "Hard" in call.command.name else "dvd"

    def add(vm):
        path = call.get("Path", "")
        slot = _free_slot(call, vm, kind)
        _check_change(call, vm, slot[0], "Controller")
        if kind == "dvd":
            check_image(call, path)
        elif path:
            check_disk(call, path)
            same = call.host.files.key(path)
            if any(same == call.host.files.key(one.path) for one in vm.hardware.disks()):
                raise call.failed("InvalidParameter", "attached", name=path)
        drive = attach(vm, kind, path, slot)
        drive.shown.update(call.changes(_LIMITS))
        return call.passed([call.host.views.drive(vm, drive)])

    return call.each(call.vms(), add)


def _drives(call, kind, object_name):
    """(VM or checkpoint, drive) of all drives that the arguments select."""
    given = call.get(object_name)
    if given is not None:
        yield from call.each(listed(given), lambda view: [call.device(view)])
        return
    wanted = [call.get(f"Controller{one}") for one in ("Type", "Number", "Location")]
    for owner in call.owners():
        for drive in [one for one in owner.hardware.drives if one.kind == kind]:
            if all(want in (None, have) for want, have in zip(wanted, drive.slot)):
                yield owner, drive


@handles("Set-VMDvdDrive")
def set_drive(call):
    def change(found):
        vm, drive = found
        check_image(call, call.get("Path", ""))
        call.need_live(vm, "DVD Drive")
        drive.path = call.get("Path", "")
        return call.passed([call.host.views.drive(vm, drive)])

    return call.each(_drives(call, "dvd", "VMDvdDrive"), change)


@handles("Set-VMHardDiskDrive")
def limit_drive(call):
    def change(found):
        vm, drive = found
        call.need_live(vm, "Hard Drive")
        drive.shown.update(call.changes(_LIMITS))
        return call.passed([call.host.views.drive(vm, drive)])

    return call.each(_drives(call, "disk", "VMHardDiskDrive"), change)


@handles("Remove-VMHardDiskDrive", "Remove-VMDvdDrive")
def remove_drive(call):
    kind = "disk" if "Hard" in call.command.name else "dvd"

    def remove(found):
        vm, drive = found
        _check_change(call, vm, drive.controller, "Controller")
        if drive not in vm.hardware.drives:
            raise call.failed("ObjectNotFound", "failed")
        shown = call.host.views.drive(vm, drive)
        vm.hardware.drives.remove(drive)
        vm.hardware.boot = [one for one in vm.hardware.boot if one.key != drive.key]
        return call.passed([shown])

    found = list(_drives(call, kind, "VMHardDiskDrive" if kind == "disk" else "VMDvdDrive"))
    if not found and not call.context.errors:
        call.context.error(call.failed("ObjectNotFound", "failed"))
    return call.each(found, remove)


@handles("Get-VMScsiController")
def get_controllers(call):
    def get(owner):
        for number in owner.hardware.controllers:
            if call.get("ControllerNumber") in (None, number):
                yield call.host.views.controller(owner, "VMScsiController", number)

    return call.each(call.owners(), get)


@handles("Add-VMScsiController")
def add_controller(call):
    def add(vm):
        call.need_off(vm, "Controller")
        if len(vm.hardware.controllers) == 4:
            raise call.bad("VM")
        number = next(one for one in range(4) if one not in vm.hardware.controllers)
        vm.hardware.controllers.append(number)
        return call.passed([call.host.views.controller(vm, "VMScsiController", number)])

    return call.each(call.vms(), add)
