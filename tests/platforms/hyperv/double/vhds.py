# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual disks as files: fixed, dynamic and differencing."""

from __future__ import annotations

from platforms.hyperv.double.calls import ACCESS, DISK_FULL, FILE_EXISTS, IN_USE, NO_PATH, handles
from platforms.hyperv.double.files import extension, parent
from platforms.hyperv.double.records import Vhd

_LARGEST = {".vhd": 2040 << 30, ".vhdx": 64 << 40}
_EXTENSIONS = (".vhd", ".vhdx", ".avhd", ".avhdx")


def _failed(call, verb, path, code):
    return call.operation("vhd", code, details=("vhd_file",), verb=verb, name=path)


def _found(call, path):
    """The virtual disk with this path; fails if it is missing or is not a disk."""
    call.host.need_right(call, path)
    disk = call.host.files.vhd(path)
    if disk is None or extension(path) not in _EXTENSIONS:
        raise call.bad("Path")
    return disk


def _need_readable(call, path):
    if call.host.is_unreadable(path):
        raise call.failed("ObjectInUse", "in_use", code=IN_USE, name=path)


def create(call, path, disk):
    """Create the file of a disk; fails if it exists, if its directory is missing, or if the drive is full."""
    files = call.host.files
    if extension(path) not in _LARGEST or not isinstance(disk.size, int) or disk.size < 3 << 20:
        raise call.bad("Path")
    if disk.size > _LARGEST[extension(path)]:
        raise call.bad("SizeBytes")
    call.host.check_share(call, path)
    if files.is_denied(parent(path)):
        raise _failed(call, "create", path, ACCESS)
    if files.file(path) is not None:
        raise _failed(call, "create", path, FILE_EXISTS)
    if not files.is_folder(parent(path)):
        raise _failed(call, "create", path, NO_PATH)
    if not files.has_room(path, disk.length):
        raise call.failed("OperationFailed", "vhd", code=DISK_FULL, details=("vhd_file",), verb="create", name=path)
    files.put(path, disk)


@handles("New-VHD")
def new_vhd(call):
    def new(path):
        disk = _differencing(call, path) if call.get("ParentPath") else None
        type_ = "Fixed" if call.get("Fixed") else "Dynamic"
        create(call, path, disk or Vhd(type=type_, size=call.get("SizeBytes")))
        return [call.host.views.vhd(path)]

    return call.each(call.get("Path"), new)


def _differencing(call, path):
    below = call.get("ParentPath")
    if extension(below) not in (".vhd", ".vhdx") or extension(below) != extension(path):
        raise call.bad("ParentPath")
    disk = _found(call, below)
    size = call.get("SizeBytes", disk.size)
    if size < disk.size:
        raise call.bad("SizeBytes")
    return Vhd(type="Differencing", size=size, parent=call.host.files.name(below))


@handles("Get-VHD")
def get_vhd(call):
    def get(path):
        _found(call, path)
        # A mounted disk can be read; what else has a disk open, such as a merge, a copy or a backup, locks it.
        if call.host.files.open.get(call.host.files.key(path), "mounted") != "mounted":
            raise call.failed("ObjectInUse", "in_use", code=IN_USE, name=path)
        return [call.host.views.vhd(path)]

    if call.get("VMId"):
        vms = [vm for vm in call.host.vms if vm.id in call.get("VMId")]
        return call.each([drive.path for vm in vms for drive in vm.hardware.disks()], get)
    return call.each(call.get("Path", ()), get)


@handles("Resize-VHD")
def resize_vhd(call):
    files = call.host.files

    def resize(path):
        disk = _found(call, path)
        size = disk.minimum or disk.size if call.set == "MinimumSize" else call.get("SizeBytes")
        is_least = size >= (disk.minimum or disk.size) and extension(path) in (".vhdx", ".avhdx")
        if size % 512 or (size < disk.size and not is_least):
            raise call.bad("SizeBytes")
        _check_online(call, path, size - disk.size)
        if disk.type == "Fixed" and not files.has_room(path, size - disk.size):
            raise call.failed("OperationFailed", "failed", code=DISK_FULL, name=path)
        disk.size = size
        files.change(path)
        return call.passed([call.host.views.vhd(path)])

    return call.each(call.get("Path"), resize)


def _check_online(call, path, more):
    """Fail if the disk is open, or if it cannot be enlarged while its VM runs: this requires SCSI and VHDX."""
    if call.host.files.open.get(call.host.files.key(path)):
        raise call.failed("ObjectInUse", "in_use", code=IN_USE, name=path)
    for vm in call.host.users(path):
        drives = [one for one in vm.hardware.disks() if call.host.files.key(one.path) == call.host.files.key(path)]
        is_online = all(one.controller == "SCSI" for one in drives) and extension(path) in (".vhdx", ".avhdx")
        if vm.state != "Off" and more and not (is_online and vm.state != "Saved"):
            raise call.failed("ObjectInUse", "in_use", code=IN_USE, name=path)


@handles("Convert-VHD")
def convert_vhd(call):
    path, destination = call.get("Path"), call.get("DestinationPath")
    disk = _found(call, path)
    _need_readable(call, path)
    type_ = call.get("VHDType") or ("Dynamic" if disk.type == "Differencing" else disk.type)
    below = {"parent": call.get("ParentPath")} if type_ == "Differencing" else {"parent": ""}
    if type_ == "Differencing" and not call.get("ParentPath"):
        raise call.bad("ParentPath")
    chain = call.host.files.chain(path)
    used = sum(call.host.files.length(call.host.files.vhd(one)) for one in chain)
    written = next((one for one in map(call.host.files.vhd, chain) if hasattr(one, "written")), None)
    below |= {"written": written.written} if written else {}
    create(call, destination, Vhd(type=type_, size=disk.size, used=used, data=disk.data, **below))
    call.host.lock([path, destination], "convert")
    call.host.clock.at(call.knobs.seconds["convert"], lambda: call.host.unlock([path, destination]))
    call.wait(call.knobs.seconds["convert"])
    return call.passed([call.host.views.vhd(destination)])
