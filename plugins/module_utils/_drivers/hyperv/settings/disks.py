# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks: slots, files, and the calls that attach and change them."""

from __future__ import annotations

import ntpath
import re

from ...._lifecycle.errors import Refused
from ...._ports.windows_request import NULL, Ref, pick
from ...._tools.hyperv import VM, hyperv
from ...._tools.windows_files import key_of

_SLOT = re.compile(r"(IDE|SCSI) ?(\d):(\d{1,2})", re.IGNORECASE | re.ASCII)
#: IDE 1:0 has the DVD drive of a new generation 1 VM.
_IDE = ("IDE 0:0", "IDE 0:1")
#: Drives that this collection adds: the last places, so that disks get the first ones.
DVD_LOCATION, SEED_LOCATION = 63, 62
FORMATS = {
    "vhdx": ("VHDX", "Dynamic"),
    "vhdx-fixed": ("VHDX", "Fixed"),
    "vhd": ("VHD", "Dynamic"),
    "vhd-fixed": ("VHD", "Fixed"),
}
_UNSAFE = re.compile(r"[^\w .()+,=@#~-]")


def slot_name(place, is_bios):
    """The slot of an entry without one. A generation 1 VM starts from IDE only."""
    if not is_bios:
        return f"SCSI 0:{place}"
    return _IDE[place] if place < len(_IDE) else f"SCSI 0:{place - len(_IDE)}"


def drive_slot(drive):
    return f"{drive['ControllerType']} {drive['ControllerNumber']}:{drive['ControllerLocation']}"


def normalized_slot(vm, slot, is_bios):
    """The slot in its one way of writing."""
    match = _SLOT.fullmatch(slot)
    if match is None:
        raise Refused(
            f"{vm.name}: disks: '{slot}' is not a valid slot.",
            "Use a controller, its number and a location, such as SCSI 0:1 or IDE 0:0.",
        )
    kind, controller, location = match[1].upper(), int(match[2]), int(match[3])
    if kind == "IDE" and not is_bios:
        raise Refused(f"{vm.name}: disks.{slot}: generation 2 VMs have no IDE controllers.", "Use SCSI 0:0.")
    most = (1, 1) if kind == "IDE" else (3, 63)
    if controller > most[0] or location > most[1]:
        raise Refused(
            f"{vm.name}: disks.{slot}: {kind} has no such place.", f"The last one is {kind} {most[0]}:{most[1]}."
        )
    return f"{kind} {controller}:{location}"


def disks_of(found, raw):
    """{slot: disk} of a raw VM; ``source`` is the file below those of checkpoints."""
    disks = {}
    for drive in raw.get("HardDrives") or ():
        path = drive.get("Path") or ""
        known = found.disks.get(key_of(path)) if path else None
        disk = {"source": found.own_file(path)} if path else {}
        if known:
            disk.update(size=known["Size"], format=format_of(known))
        disks[drive_slot(drive)] = disk
    return disks


def format_of(disk):
    ending = "-fixed" if disk.get("VhdType") == "Fixed" else ""
    return f"{(disk.get('VhdFormat') or 'VHDX').lower()}{ending}"


def file_name(name, slot, kind):
    """The name of the file of a new disk. What a file name cannot contain, or would be a pattern, is replaced."""
    place = slot.lower().replace(" ", "").replace(":", "-")
    return f"{_UNSAFE.sub('_', name)}-{place}.{kind.partition('-')[0]}"


def folder_of(driver):
    """The directory of new disks."""
    return driver.options.get("storage_path") or driver.host.disk_folder


def path_in(folder, name):
    return ntpath.normpath(ntpath.join(folder, name))


# Calls ----------------------------------------------------------------------------------------------------------------


def new_disk_call(path, disk):
    """The call that creates an empty disk."""
    _format, type_ = FORMATS[disk.get("format") or "vhdx"]
    return hyperv("New-VHD", {"Path": [path], "SizeBytes": disk["size"], type_: True})


def linked_disk_call(path, base):
    return hyperv("New-VHD", {"Path": [path], "ParentPath": base, "Differencing": True})


def attach_call(slot, path, keep=None):
    kind, controller, location = _SLOT.fullmatch(slot).groups()
    place = {"ControllerType": kind, "ControllerNumber": int(controller), "ControllerLocation": int(location)}
    return hyperv("Add-VMHardDiskDrive", {"VM": VM, **place, "Path": path, "Passthru": True}, keep=keep)


def detach_calls(drive):
    picked = pick("vm", "drive", path=["HardDrives"], conditions={"Id": drive["Id"]})
    return [picked, hyperv("Remove-VMHardDiskDrive", {"VMHardDiskDrive": Ref("drive")})]


def grow_call(path, size):
    return hyperv("Resize-VHD", {"Path": [path], "SizeBytes": size})


def dvd_drives(raw, seeds):
    """The DVD drives without those of cloud-init."""
    seeds = {key_of(path) for path in seeds}
    return [one for one in raw.get("DVDDrives") or () if not one.get("Path") or key_of(one["Path"]) not in seeds]


def seed_name(name):
    return f"{_UNSAFE.sub('_', name)}-seed.iso"


def seed_call(path, is_bios):
    """Attach the seed of cloud-init."""
    place = {"ControllerNumber": 0, "ControllerLocation": SEED_LOCATION}
    if is_bios:
        place = {"ControllerNumber": 1, "ControllerLocation": 1}
    return hyperv("Add-VMDvdDrive", {"VM": VM, **place, "Path": path})


def iso_calls(raw, path, seeds=()):
    """The image in the first DVD drive; an empty path ejects. ``raw`` None: a new VM."""
    drives = dvd_drives(raw or {}, seeds)
    if drives:
        picked = pick("vm", "dvd", path=["DVDDrives"], conditions={"Id": drives[0]["Id"]})
        return [picked, hyperv("Set-VMDvdDrive", {"VMDvdDrive": Ref("dvd"), "Path": path or NULL})]
    if not path:
        return []
    place = {"ControllerNumber": 0, "ControllerLocation": DVD_LOCATION}
    if (raw or {}).get("Generation") == 1:
        place = {"ControllerNumber": 1, "ControllerLocation": 0}
    return [hyperv("Add-VMDvdDrive", {"VM": VM, **place, "Path": path, "Passthru": True}, keep="dvd")]
