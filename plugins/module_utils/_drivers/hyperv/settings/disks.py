# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: virtual disks: slots, files, the calls that attach and change them, and the space that they need."""

from __future__ import annotations

import ntpath
import re
import zlib

from ...._core.errors import Refused
from ...._core.model import LIVE, NEVER, POWER_OFF
from ...._core.pattern import Pattern
from ...._core.units import GIB, MIB, human_size
from ...._kit.settings import DIRECTORY, Setting, check_directories
from ...._ports.windows_request import Ref, pick
from ...._tools.hyperv import SHARED, VM, hyperv
from ...._tools.windows_files import key_of, windows_path
from .values import WHILE_SAVED

_SLOT = Pattern(r"(IDE|SCSI) ?(\d):(\d{1,2})", re.IGNORECASE | re.ASCII)
#: IDE slots for disks: a new generation 1 VM has its DVD drives on the other IDE controller.
_IDE = ("IDE 0:0", "IDE 0:1")
FORMATS = {
    "vhdx": ("VHDX", "Dynamic"),
    "vhdx-fixed": ("VHDX", "Fixed"),
    "vhd": ("VHD", "Dynamic"),
    "vhd-fixed": ("VHD", "Fixed"),
}
#: The maximum size of a disk, and the minimum of all formats.
_LARGEST = {"vhd": 2040 * GIB, "vhdx": 64 << 40}
_SMALLEST = 3 * MIB
_MOST_IOPS = (1 << 63) - 1
#: SCSI controllers of a new VM, of both generations.
OF_NEW_VM = frozenset({0})
#: The name under which a disk that has its planned size is kept.
AS_PLANNED = "as_planned"
_UNSAFE = Pattern(r"[^\w .()+,=@#~-]")


def slot_name(index, is_bios):
    """Return the slot of disk number ``index`` if the task sets none. A generation 1 VM boots from IDE only."""
    if not is_bios:
        return f"SCSI 0:{index}"
    return _IDE[index] if index < len(_IDE) else f"SCSI 0:{index - len(_IDE)}"


def drive_slot(drive):
    return f"{drive['ControllerType']} {drive['ControllerNumber']}:{drive['ControllerLocation']}"


def _disks_of(raw, found):
    """Return {slot: disk} of a raw VM. ``source`` is the attached file, below those of checkpoints."""
    disks = {}
    for drive in raw.get("HardDrives") or ():
        path = drive.get("Path") or ""
        raw_disk = found.disks.get(key_of(path)) if path else None
        disk = {"source": found.file_without_checkpoints(path)} if path else {}
        if raw_disk:
            disk.update(size=raw_disk["Size"], format=format_of(raw_disk))
        if drive.get("MaximumIOPS"):
            disk["iops_limit"] = drive["MaximumIOPS"]
        disks[drive_slot(drive)] = disk
    return disks


def format_of(raw_disk):
    suffix = "-fixed" if raw_disk.get("VhdType") == "Fixed" else ""
    return f"{(raw_disk.get('VhdFormat') or 'VHDX').lower()}{suffix}"


# Normalizing ----------------------------------------------------------------------------------------------------------


def slot_meant(slot):
    """Return a slot in the format of ``slot_name``, whatever its case and spaces; what is none as it is."""
    match = _SLOT.fullmatch(slot)
    return f"{match[1].upper()} {int(match[2])}:{int(match[3])}" if match else slot


def normalized_slot(vm, slot, is_bios, option="disks", example="SCSI 0:0"):
    """Return a slot in the format of ``slot_name``, such as SCSI 0:1. Raises Refused."""
    match = _SLOT.fullmatch(slot)
    if match is None:
        raise Refused(
            f"{vm.name}: {option}: '{slot}' is not a valid slot.",
            "Use a controller, its number and a location, such as SCSI 0:1 or IDE 0:0.",
        )
    kind, controller, location = match[1].upper(), int(match[2]), int(match[3])
    if kind == "IDE" and not is_bios:
        raise Refused(f"{vm.name}: {option}.{slot}: generation 2 VMs have no IDE controllers.", f"Use {example}.")
    highest = (1, 1) if kind == "IDE" else (3, 63)
    if controller > highest[0] or location > highest[1]:
        raise Refused(
            f"{vm.name}: {option}.{slot}: {kind} has no such slot.",
            f"The last one is {kind} {highest[0]}:{highest[1]}.",
        )
    return slot_meant(slot)


def _normalized_disks(vm, disks, is_bios, _switches):
    result, present = {}, vm.config.get("disks") or {}
    for slot, disk in disks.items():
        slot = normalized_slot(vm, slot, is_bios)
        if slot in result:
            raise Refused(f"{vm.name}: disks: slot {slot} is used twice.", "Use each slot once.")
        if disk and disk.get("source"):
            disk = {**disk, "source": windows_path(vm, f"disks.{slot}.source", disk["source"])}
            if disk.get("size") and slot not in present:
                raise Refused(
                    f"{vm.name}: disks.{slot}.size: a disk that is attached from a file has the size of the file.",
                    "Omit size, and change it in a later task.",
                )
        if disk and disk.get("directory"):
            disk = {**disk, "directory": windows_path(vm, f"disks.{slot}.directory", disk["directory"])}
        _check_size(vm, slot, disk or {}, present.get(slot) or {})
        result[slot] = _with_limit(vm, slot, disk, slot in present)
    check_directories(vm, result, ntpath.dirname, key_of)
    return result


def _with_limit(vm, slot, disk, is_present):
    """Return an entry without a limit of 0: None removes the limit of a disk, and a new disk has none."""
    limit = (disk or {}).get("iops_limit")
    if limit is not None and limit > _MOST_IOPS:
        raise Refused(f"{vm.name}: disks.{slot}.iops_limit: {limit} is too large.", "Set 0 for no limit.")
    if limit != 0:
        return disk
    others = {name: value for name, value in disk.items() if name != "iops_limit"}
    return {**others, "iops_limit": None} if is_present else others


def check_limits(name, changes, raw):
    """Raise Refused for a limit below the minimum that a disk of the VM has; Hyper-V rejects it."""
    minima = {drive_slot(drive): drive.get("MinimumIOPS") or 0 for drive in raw.get("HardDrives") or ()}
    for change in changes:
        if change.kind == "disks.iops_limit" and change.new and change.new < minima.get(change.key, 0):
            kind, number, location = _SLOT.fullmatch(change.key).groups()
            raise Refused(
                f"{name}: {change.path}: {change.new} is less than the minimum of the disk (MinimumIOPS),"
                f" {minima[change.key]}.",
                f"Set at least {minima[change.key]}, or remove the minimum: Set-VMHardDiskDrive -VMName"
                f" '{name.replace(chr(39), chr(39) * 2)}' -ControllerType {kind} -ControllerNumber {number}"
                f" -ControllerLocation {location} -MinimumIOPS 0",
            )


def _check_size(vm, slot, disk, present):
    kind = (present.get("format") or disk.get("format") or "vhdx").partition("-")[0]
    most = _LARGEST.get(kind, _LARGEST["vhdx"])
    if disk.get("size") is not None and not _SMALLEST <= disk["size"] <= most:
        smallest, largest = human_size(_SMALLEST), human_size(most)
        raise Refused(
            f"{vm.name}: disks.{slot}.size: a {kind} cannot have {human_size(disk['size'])}.",
            f"Set a size from {smallest} to {largest}.",
        )


# Costs ----------------------------------------------------------------------------------------------------------------


def cost_of_disk(vm, change):
    return LIVE if change.key.startswith("SCSI") else POWER_OFF


def _cost_of_size(vm, change):
    disk = (vm.config.get("disks") or {}).get(change.key) or {}
    is_live = change.key.startswith("SCSI") and (disk.get("format") or "vhdx").startswith("vhdx")
    return NEVER if vm.snapshots else LIVE if is_live else POWER_OFF


def is_same_path(found, requested):
    return bool(found) == bool(requested) and (not found or key_of(found) == key_of(requested))


# Files ----------------------------------------------------------------------------------------------------------------


def file_name(name, slot, kind):
    """Return the file name of a new disk."""
    suffix = slot.lower().replace(" ", "").replace(":", "-")
    return f"{_safe(name)}-{suffix}.{kind.partition('-')[0]}"


def _safe(name):
    """Return the name of a VM without characters that are invalid in file names, or wildcards; another for each VM."""
    safe = _UNSAFE.sub("_", name)
    return safe if safe == name else f"{safe}-{zlib.crc32(name.casefold().encode()):08x}"


def folder_of(driver):
    """Return the directory of new disks."""
    return driver.options.get("storage_path") or driver.host.disk_folder


def path_in(folder, name):
    return ntpath.normpath(ntpath.join(folder, name))


def path_of_new(folder, name, slot, disk):
    """Return the path of a new disk, ``disk`` in the task; ``folder`` is the directory of those without one."""
    return path_in(disk.get("directory") or folder, file_name(name, slot, disk.get("format") or "vhdx"))


# Calls ----------------------------------------------------------------------------------------------------------------


def new_disk_call(path, disk):
    """Return the call that creates an empty disk."""
    _format, type_ = FORMATS[disk.get("format") or "vhdx"]
    return hyperv("New-VHD", {"Path": [path], "SizeBytes": disk["size"], type_: True})


def linked_disk_call(path, base):
    return hyperv("New-VHD", {"Path": [path], "ParentPath": base, "Differencing": True})


def attach_call(slot, path, disk, keep=None, shared=False):
    """Return the call that attaches a file as ``disk``, its entry in the task. ``shared``: other VMs have it, too."""
    kind, controller, location = _SLOT.fullmatch(slot).groups()
    position = {"ControllerType": kind, "ControllerNumber": int(controller), "ControllerLocation": int(location)}
    limit = {"MaximumIOPS": disk["iops_limit"]} if disk.get("iops_limit") else {}
    limit.update({SHARED: True} if shared else {})
    return hyperv("Add-VMHardDiskDrive", {"VM": VM, **position, "Path": path, **limit, "Passthru": True}, keep=keep)


def undescribed_disks(raw):
    """Return {path: reason} of what a task does not describe of the disks."""
    shared = [drive_slot(drive) for drive in raw.get("HardDrives") or () if drive.get(SHARED)]
    found = {f"HardDrives.{slot}.{SHARED}": "It is True. No option sets it for the first VM." for slot in shared}
    minima = {drive_slot(drive): drive.get("MinimumIOPS") for drive in raw.get("HardDrives") or ()}
    limits = {slot: f"It is {value}. No option sets it." for slot, value in minima.items() if value}
    return {**found, **{f"HardDrives.{slot}.MinimumIOPS": reason for slot, reason in limits.items()}}


def limit_calls(drive, limit):
    """Return the calls that set the limit of a disk; None removes it."""
    return [_pick(drive), hyperv("Set-VMHardDiskDrive", {"VMHardDiskDrive": Ref("drive"), "MaximumIOPS": limit or 0})]


def detach_calls(drive):
    return [_pick(drive), hyperv("Remove-VMHardDiskDrive", {"VMHardDiskDrive": Ref("drive")})]


def _pick(drive):
    return pick("vm", "drive", path=["HardDrives"], conditions={"Id": drive["Id"]})


def size_calls(path, size):
    """Return calls that fail with NotOne if a disk has another size: one that was enlarged since would be shrunk."""
    return [hyperv("Get-VHD", {"Path": [path]}, keep="disk"), pick("disk", AS_PLANNED, conditions={"Size": size})]


def grow_call(path, size):
    """Return the call that enlarges a disk of the plan; it could also shrink it, so ``size_calls`` come before it."""
    return hyperv("Resize-VHD", {"Path": [path], "SizeBytes": size})


def seed_name(name):
    return f"{_safe(name)}-seed.iso"


_READABLE = (
    "Remove its checkpoints first; if the user of the connection may not read its file, grant that; if it is missing,"
    " restore it."
)
DISKS = {
    "disks": Setting(read=_disks_of, normalize=_normalized_disks, native=("HardDiskDrive.Path", "HardDiskDrive.VHD")),
    "disks.add": Setting(cost_of_disk, least=WHILE_SAVED),
    "disks.remove": Setting(cost_of_disk, least=WHILE_SAVED),
    "disks.size": Setting(_cost_of_size, least=WHILE_SAVED, instead=_READABLE),
    "disks.format": Setting(NEVER, choices=tuple(FORMATS)),
    "disks.source": Setting(NEVER, same=is_same_path),
    "disks.directory": DIRECTORY,
    "disks.iops_limit": Setting(LIVE, least=WHILE_SAVED),
}


#: Bytes of a fixed VHDX beside its data: headers, log and metadata (ASSUMED; a VHD has less).
_FIXED_OVERHEAD = 4 * MIB


def is_fixed(disk):
    return (disk.get("format") or "").endswith("-fixed")


def bytes_of_new(disk, chain):
    """Return the bytes of a new disk.

    ``chain`` are the raw disks from which the content is copied: a file and all its parents. Empty for a new disk
    without content.
    """
    size = max((raw.get("Size") or 0 for raw in chain), default=0)
    if is_fixed(disk):
        return max(size, disk.get("size") or 0) + _FIXED_OVERHEAD
    files = [raw.get("FileSize") or 0 for raw in chain]
    # Parents also have blocks that are not copied, because a file above them has newer ones.
    return min(sum(files), max([size, *files]))


def drive_of(path):
    return ntpath.splitdrive(path)[0].upper()
