# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: DVD drives: their slots, their images, and the calls that add, fill and remove them.

A generation 1 VM has them on IDE, which changes only while it is off; a generation 2 VM has them on SCSI.
"""

from __future__ import annotations

from itertools import islice, zip_longest

from ...._core.errors import Refused
from ...._core.model import ABSENT, LIVE
from ...._core.planner.drives import SKIP_PROMPT, drive_with, in_order, source_option
from ...._kit.settings import Setting
from ...._ports.windows_request import NULL, Ref, pick
from ...._tools.hyperv import VM, hyperv
from ...._tools.windows_files import key_of, windows_path
from ..mark import split_notes
from .disks import cost_of_disk, drive_slot, is_same_path, normalized_slot, slot_name
from .firmware import SECURE_BOOT
from .values import WHILE_SAVED

#: {whether a VM has generation 1: slots of the drives for (iso, cloud_init)}. On SCSI the last ones, so that disks can
#: have the first ones. New-VM creates each generation 1 VM with the drive for iso.
_SLOTS = {True: ("IDE 1:0", "IDE 1:1"), False: ("SCSI 0:63", "SCSI 0:62")}

#: The disks that a VM of both generations can have, beside its DVD drives.
_DISKS = range(62)


# Reading --------------------------------------------------------------------------------------------------------------


def dvd_drives(raw, seeds):
    """Return the DVD drives of a VM except those with a cloud-init seed; ``seeds`` are the paths of the seeds."""
    seeds = {key_of(path) for path in seeds}
    return [one for one in raw.get("DVDDrives") or () if not one.get("Path") or key_of(one["Path"]) not in seeds]


def drives_of(raw):
    """Return {slot: raw drive} of the DVD drives of a VM without a cloud-init seed, in the order of the slots."""
    seeds = (split_notes(raw.get("Notes"))[1] or {}).get("files", ())
    drives = {drive_slot(one): one for one in dvd_drives(raw, seeds)}
    return {slot: drives[slot] for slot in in_order(drives)}


def _read(raw, found):
    paths = {slot: one.get("Path") or "" for slot, one in drives_of(raw).items()}
    return {slot: drive_with(path, found.medium_of(path)) for slot, path in paths.items()}


def reserved_slots(raw):
    """Return the slots of the DVD drives that ``cdroms`` does not have: those with a cloud-init seed."""
    return frozenset(map(drive_slot, raw.get("DVDDrives") or ())).difference(drives_of(raw))


# Slots ----------------------------------------------------------------------------------------------------------------


def first_slot(is_bios):
    """Return the slot of the first drive, unless a task names another one."""
    return _SLOTS[is_bios][0]


def iso_slot(vm, config):
    """Return the slot of the drive that ``iso`` adds; None: a new generation 2 VM without ``iso`` gets no drive."""
    is_bios = config.get("firmware") == "bios"
    return None if vm.power == ABSENT and not is_bios and config.get("iso") is None else first_slot(is_bios)


def seed_slot(config):
    """Return the slot of the drive with the cloud-init seed of a new VM."""
    return _SLOTS[config.get("firmware") == "bios"][1]


def default_drive(config):
    """Return the slot of the DVD drive that New-VM creates, or None."""
    return first_slot(is_bios=True) if config.get("firmware") == "bios" else None


def kept_as(before, after):
    """Return what a VM of the other generation has of one with the settings ``before`` (Traits); else nothing.

    A generation 2 VM has no IDE controllers, and a generation 1 VM boots from IDE only, and has no Secure Boot. The
    order of the disks remains, and the first DVD drive is where a new VM has its own. No other one has a slot.
    """
    was, becomes = (config.get("firmware") == "bios" for config in (before, after))
    if was == becomes:
        return {}
    disks, slots = in_order(before.get("disks") or ()), (slot_name(index, becomes) for index in _DISKS)
    first, *others = in_order(before.get("cdroms") or ()) or [None]
    drives = {first: first_slot(becomes), **dict.fromkeys(others)} if first else {}
    lost = dict.fromkeys(SECURE_BOOT if becomes else ())
    return {"disks": dict(zip_longest(disks, islice(slots, len(disks)))), "cdroms": drives, **lost}


def _normalized(vm, cdroms, is_bios, _switches):
    result = {}
    for given, drive in cdroms.items():
        slot = normalized_slot(vm, given, is_bios, "cdroms", first_slot(is_bios))
        if is_bios and not slot.startswith("IDE"):
            raise Refused(f"{vm.name}: cdroms.{given}: generation 1 VMs have DVD drives on IDE only.", "Use IDE 1:0.")
        if slot in result:
            raise Refused(f"{vm.name}: cdroms: slot {slot} is used twice.", "Use each slot once.")
        if drive and drive.get("source"):
            drive = {**drive, "source": windows_path(vm, source_option(vm, slot, cdroms), drive["source"])}
        result[slot] = drive
    return result


CDROMS = {
    "cdroms": Setting(read=_read, normalize=_normalized),
    "cdroms.add": Setting(cost_of_disk, least=WHILE_SAVED),
    "cdroms.remove": Setting(cost_of_disk, least=WHILE_SAVED),
    "cdroms.source": Setting(LIVE, least=WHILE_SAVED, same=is_same_path, native=("DvdDrive.Path",)),
    f"cdroms.{SKIP_PROMPT}": Setting(LIVE, least=WHILE_SAVED),
}


# Calls ----------------------------------------------------------------------------------------------------------------


def add_call(slot, path, keep=None):
    """Return the call that adds a drive; an empty ``path`` is an empty drive."""
    number, _colon, location = slot.partition(" ")[2].partition(":")
    position = {"ControllerNumber": int(number), "ControllerLocation": int(location)}
    more = {**({"Path": path} if path else {}), **({"Passthru": True} if keep else {})}
    return hyperv("Add-VMDvdDrive", {"VM": VM, **position, **more}, keep=keep)


def insert_calls(drive, path):
    """Return the calls that insert an image into a drive; an empty ``path`` ejects it."""
    return [_pick(drive), hyperv("Set-VMDvdDrive", {"VMDvdDrive": Ref("dvd"), "Path": path or NULL})]


def remove_calls(drive):
    return [_pick(drive), hyperv("Remove-VMDvdDrive", {"VMDvdDrive": Ref("dvd")})]


def remove_media_calls(raw, media):
    """Return the calls that remove the drives with these seed ISOs."""
    paths = {key_of(path) for path in media}
    drives = [one for one in raw.get("DVDDrives") or () if one.get("Path") and key_of(one["Path"]) in paths]
    return [call for drive in drives for call in remove_calls(drive)]


def _pick(drive):
    return pick("vm", "dvd", path=["DVDDrives"], conditions={"Id": drive["Id"]} if drive else None)


def new_drives_calls(driver, config):
    """Return the calls that give a new VM its drives; those of a generation 2 VM are kept as dvd0, dvd1 ..."""
    default, calls = default_drive(config), []
    drives = {slot: driver.image_of(config["cdroms"][slot]) for slot in in_order(config.get("cdroms") or ())}
    # Before another drive is added, the VM has this one only.
    if default and default not in drives:
        calls += remove_calls(None)
    elif drives.get(default):
        calls += insert_calls(None, drives[default])
    others = [(f"dvd{number}", slot) for number, slot in enumerate(drives) if slot != default]
    return [*calls, *(add_call(slot, drives[slot], keep) for keep, slot in others)]


def change_calls(driver, raw, changes):
    """Return the calls that add drives, and that insert and eject images."""
    drives, present, calls = drives_of(raw), _read(raw, driver.found), []
    # Changes of an entry have the whole entry beside them.
    for change in {change.key: change for change in changes if change.field == "cdroms"}.values():
        if change.kind != "cdroms.remove":
            entry = {**change.beside, change.attribute: change.new} if change.attribute else change.new
            path = driver.image_of({**present.get(change.key, {}), **entry})
            calls += insert_calls(drives[change.key], path) if change.key in drives else [add_call(change.key, path)]
    return calls
