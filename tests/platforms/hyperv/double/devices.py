# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives and controllers of VMs."""

from __future__ import annotations

from platforms.hyperv.double.calls import ACCESS, handles, listed
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
    if not call.get("AllowUnverifiedPaths"):
        call.host.need_file(call, path)


def check_image(call, path):
    """Fail if the ISO image cannot be attached."""
    if not path or call.get("AllowUnverifiedPaths"):
        return
    call.host.need_file(call, path)
    if call.host.files.key(path) in map(call.host.files.key, call.host.files.denied):
        raise call.failed("AccessDenied", "attachment", code=ACCESS, name=path)


def _free_slot(call, vm, kind):
    """The first free slot that fits the arguments of an Add command."""
    controller, number, location = (call.get(f"Controller{one}") for one in ("Type", "Number", "Location"))
    if call.get("VMDriveController"):
        controller, number = listed(call.get("VMDriveController"))[0].record
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


def _targets(call):
    """The VMs of an Add command, which may be given by a controller."""
    if call.get("VMDriveController"):
        return [one.owner for one in listed(call.get("VMDriveController"))]
    return call.vms()


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

    return call.each(_targets(call), add)


def _drives(call, kind, object_name):
    """(VM or checkpoint, drive) of all drives that the arguments select."""
    given = call.get(object_name)
    if given is not None:
        yield from call.each(listed(given), lambda view: [call.device(view)])
        return
    if call.get("VMDriveController"):
        owners = [one.owner for one in call.get("VMDriveController")]
        places = [one.record for one in call.get("VMDriveController")]
    else:
        owners, places = call.owners(), None
    wanted = [call.get(f"Controller{one}") for one in ("Type", "Number", "Location")]
    for owner in owners:
        for drive in [one for one in owner.hardware.drives if one.kind == kind]:
            is_wanted = all(want in (None, have) for want, have in zip(wanted, drive.slot))
            if is_wanted and (places is None or drive.slot[:2] in places):
                yield owner, drive


@handles("Get-VMHardDiskDrive", "Get-VMDvdDrive")
def get_drives(call):
    kind = "disk" if "Hard" in call.command.name else "dvd"
    return [call.host.views.drive(owner, drive) for owner, drive in _drives(call, kind, "None")]


@handles("Set-VMHardDiskDrive", "Set-VMDvdDrive")
def set_drive(call):
    kind = "disk" if "Hard" in call.command.name else "dvd"
    object_name = "VMHardDiskDrive" if kind == "disk" else "VMDvdDrive"

    def change(found):
        vm, drive = found
        moved = [call.get(f"ToController{one}") for one in ("Type", "Number", "Location")]
        target = tuple(have if want is None else want for want, have in zip(moved, drive.slot))
        if target != drive.slot:
            _move(call, vm, drive, target)
        if "Path" in call.given:
            path = call.get("Path", "")
            if kind == "dvd":
                check_image(call, path)
                call.need_live(vm, "DVD Drive")
            else:
                check_disk(call, path)
                _check_change(call, vm, "IDE", "Hard Drive")
            drive.path = path
        drive.shown.update(call.changes(_LIMITS))
        return call.passed([call.host.views.drive(vm, drive)])

    return call.each(_drives(call, kind, object_name), change)


def _move(call, vm, drive, target):
    if target[0] == "IDE" and vm.hardware.generation == 2:
        raise call.failed("InvalidParameter", "ide")
    if target in {one.slot for one in vm.hardware.drives} or target not in slots(vm, "disk"):
        raise call.bad("ToControllerLocation")
    call.need_off(vm, "Controller")
    drive.controller, drive.number, drive.location = target


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


@handles("Get-VMScsiController", "Get-VMIdeController")
def get_controllers(call):
    is_scsi = "Scsi" in call.command.name

    def get(owner):
        if not is_scsi and owner.hardware.generation == 2:
            raise call.failed("InvalidParameter", "ide")
        for number in owner.hardware.controllers if is_scsi else (0, 1):
            if call.get("ControllerNumber") in (None, number):
                class_ = "VMScsiController" if is_scsi else "VMIdeController"
                yield call.host.views.controller(owner, class_, number)

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


@handles("Remove-VMScsiController")
def remove_controller(call):
    def remove(found):
        vm, number = found
        call.need_off(vm, "Controller")
        if number not in vm.hardware.controllers:
            raise call.failed("ObjectNotFound", "failed")
        gone = [one for one in vm.hardware.drives if one.slot[:2] == ("SCSI", number)]
        vm.hardware.drives = [one for one in vm.hardware.drives if one not in gone]
        vm.hardware.boot = [one for one in vm.hardware.boot if one.key not in {drive.key for drive in gone}]
        vm.hardware.controllers.remove(number)

    found = [(one.owner, one.record[1]) for one in call.get("VMScsiController", ())]
    found += [(vm, call.get("ControllerNumber")) for vm in call.vms()] if not found else []
    return call.each(found, remove)
