# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives: ``cdroms`` are all of them by slot, and ``iso`` is the image in the first one. Pure.

A platform whose VMs have one drive at most has only ``iso``. Drives of seed ISOs are in neither of the two.
"""

from __future__ import annotations

from ..errors import Refused
from ..model import ABSENT
from ..pattern import Pattern

ISO, CDROMS = "iso", "cdroms"
#: True or nothing: an image that was prepared asks for no key.
SKIP_PROMPT = "skip_boot_prompt"
#: The seconds after a start in which keys are pressed, as that prompt asks for.
BOOT_KEYS = "boot_key_seconds"
MEDIA = frozenset({ISO, CDROMS})
_NUMBER = Pattern(r"(\d+)")


def in_order(slots):
    """Return slots in their order: scsi2 before scsi10."""
    return sorted(slots, key=lambda slot: [int(part) if part.isdecimal() else part for part in _NUMBER.split(slot)])


def first_drive(cdroms):
    """Return the slot of the drive that ``iso`` sets, or None."""
    return next(iter(in_order(cdroms or ())), None)


def iso_of(cdroms):
    """Return the image in the first drive: empty for an empty drive, None without a drive."""
    first = first_drive(cdroms)
    return None if first is None else cdroms[first].get("source") or ""


def media_of(config):
    """Yield (option, path) of each image in the optical drives of a configuration."""
    yield ISO, config.get(ISO)
    yield from ((f"{CDROMS}.{slot}.source", drive.get("source")) for slot, drive in other_drives(config).items())


def other_drives(config):
    """Return {slot: drive} of the drives that ``iso`` does not stand for in a configuration."""
    cdroms = config.get(CDROMS) or {}
    first = first_drive(cdroms) if config.get(ISO) is not None else None
    return {slot: drive for slot, drive in cdroms.items() if slot != first}


def inserted_image(change):
    """Return the image that a change inserts, or None."""
    if change.kind in (ISO, f"{CDROMS}.source"):
        return change.new
    return change.new.get("source") if change.kind == f"{CDROMS}.add" else None


def normalize_drives(vm, config, purge, traits, sets_iso):
    """Return the requested ``config``; a new drive without a source is empty. Raises Refused for contradictions.

    ``sets_iso``: the task sets ``iso``, which ``config`` does not contain if there is nothing to eject.
    """
    config = _with_prompt(vm, config)
    wanted, found = config.get(CDROMS), vm.config.get(CDROMS) or {}
    _check_new_disks(vm, config, CDROMS in purge, traits)
    if wanted is None:
        return config
    if sets_iso:
        _check_iso(vm, wanted, found, CDROMS in purge)
    disks = {slot for slot, disk in (vm.config.get("disks") or {}).items() if config.get("disks", {}).get(slot, disk)}
    taken = dict.fromkeys(vm.reserved, "a drive that no option sets, such as that of the cloud-init seed")
    taken.update(dict.fromkeys(disks | set(config.get("disks") or ()), "a disk"))
    for slot, entry in wanted.items():
        user = taken.get(traits.slot_meant(slot)) if slot not in found and entry is not None else None
        if user:
            raise Refused(f"{vm.name}: cdroms.{slot}: the slot is used by {user}.", "Use another slot.")
    new = {slot: {"source": "", **entry} for slot, entry in wanted.items() if entry is not None and slot not in found}
    return {**config, CDROMS: {**wanted, **new}}


def _with_prompt(vm, config):
    """Return ``config`` without a request for the prompt if nothing skips it.

    Raises Refused if no image can be inserted without its prompt: only UEFI has another program to start.
    """
    if not config.get(SKIP_PROMPT):
        return {name: value for name, value in config.items() if name != SKIP_PROMPT or vm.config.get(name)}
    present = {**vm.config, **config}
    if not present.get(ISO):
        raise Refused(f"{vm.name}: skip_boot_prompt: the VM has no ISO image.", "Set iso, or omit skip_boot_prompt.")
    if present.get("firmware") != "uefi":
        raise Refused(
            f"{vm.name}: skip_boot_prompt: with BIOS, media of Windows do not ask for a key if the disk is empty.",
            "Set firmware: uefi, or omit skip_boot_prompt.",
        )
    return config


def boot_keys_note(vm, arguments):
    """Return what a start with these arguments also does; raises Refused if there is no prompt to answer."""
    seconds = arguments.get(BOOT_KEYS)
    if seconds is None:
        return ""
    has_iso = any(path for _option, path in media_of(vm.config))
    if not has_iso or vm.config.get(SKIP_PROMPT):
        what = "the image of skip_boot_prompt asks for no key" if has_iso else "the VM has no ISO image"
        raise Refused(f"{vm.name}: {BOOT_KEYS}: {what}.", f"Set iso without skip_boot_prompt, or omit {BOOT_KEYS}.")
    return f"a key is pressed each second for {seconds} s, until the VM has written to a disk"


def prepared_iso(plan):
    """Return the image that a plan inserts without its prompt, or None."""
    changes = [change for step in plan.steps for change in step.changes if change.field in (ISO, SKIP_PROMPT)]
    is_created = any(step.verb == "create" for step in plan.steps)
    config = plan.after.config
    return config.get(ISO) if (changes or is_created) and config.get(SKIP_PROMPT) else None


def _check_new_disks(vm, config, is_complete, traits):
    """Raise Refused for a new disk at the slot of a drive that remains, such as one that a clone gets."""
    wanted, disks = config.get(CDROMS) or {}, vm.config.get("disks") or {}
    for slot, disk in (config.get("disks") or {}).items():
        drive = traits.slot_meant(slot)
        remains = wanted[drive] is not None if drive in wanted else not is_complete
        if disk is not None and slot not in disks and drive in (vm.config.get(CDROMS) or ()) and remains:
            raise Refused(f"{vm.name}: disks.{slot}: the slot is used by an optical drive.", "Use another slot.")


def _check_iso(vm, wanted, found, is_complete):
    """Raise Refused if ``iso`` and an entry of ``cdroms`` are, or become, the same drive."""
    kept = {slot for slot in found if wanted.get(slot, True) is not None}
    after = first_drive(kept.union(slot for slot, entry in wanted.items() if entry is not None))
    first = first_drive(found)
    same = next((slot for slot in (first, after) if slot in wanted), None)
    if same is None and is_complete:
        same = first or first_drive(wanted)
    if same is not None:
        raise Refused(
            f"{vm.name}: cdroms.{same}: iso sets the first optical drive, which is this one.",
            "Set its image as source of its entry in cdroms, and remove iso.",
        )


def with_new_drives(vm, config, request, traits):
    """Return the settings of a new VM with its drives. Those that a task does not list are as ``iso`` says."""
    if f"{CDROMS}.source" not in traits.fields:
        return config
    cdroms, iso = config.get(CDROMS), request.config.get(ISO)
    if cdroms is None or (iso is not None and not cdroms):
        slot = traits.drive_slot(vm, config)
        return {**config, CDROMS: {slot: {"source": config.get(ISO) or ""}} if slot else {}}
    if iso is not None:
        first = first_drive(cdroms)
        return {**config, CDROMS: {**cdroms, first: {**cdroms[first], "source": iso}}}
    # Messages name the option that the task sets.
    return {name: value for name, value in config.items() if name != ISO or CDROMS not in request.config}


def without_iso(vm, config, request, traits):
    """Return the settings that a clone gets from the VM before it: each drive is in ``cdroms``, where that exists."""
    config = with_new_drives(vm, config, request, traits)
    return {name: value for name, value in config.items() if name != ISO or CDROMS not in config}


def slot_of_added_drive(vm, config, changes, traits):
    """Return {} or {"drive_slot": the slot at which a change of ``iso`` adds a drive}."""
    is_added = any(change.field == ISO for change in changes) and not vm.config.get(CDROMS)
    slot = traits.drive_slot(vm, config) if is_added and vm.power != ABSENT else None
    return {"drive_slot": slot} if slot else {}


def deleted_media(vm, changes, traits):
    """Return what a step that deletes an answer medium has: its argument, and what it also does. Else {}."""
    if not traits.deletes_answer_media or not any(one.kind == ISO and one.new == "" for one in changes):
        return {}
    from ..record.answer_media import ANSWER_MEDIA, answer_media  # Few tasks need it.

    media = answer_media(vm)
    also = tuple(f"The answer medium is deleted: {path}." for path in media)
    return {ANSWER_MEDIA: media, "also": also} if media else {}


def with_equal_media(config, before, changes, slot=None):
    """Return ``config``, to which ``changes`` were applied, so that ``iso`` and ``cdroms`` mean the same.

    ``slot`` is that of a drive that ``iso`` adds.
    """
    if CDROMS not in config or not any(change.field in MEDIA for change in changes):
        return config
    cdroms = dict(config[CDROMS] or {})
    for change in changes:
        first = first_drive(before.get(CDROMS)) or slot
        if change.field == ISO and first is not None:
            cdroms[first] = {**cdroms.get(first, {}), "source": change.new}
    config = {**config, CDROMS: cdroms, ISO: iso_of(cdroms)}
    is_requested = any(change.field == SKIP_PROMPT or SKIP_PROMPT in change.beside for change in changes)
    if not is_requested and config[ISO] != before.get(ISO):
        config.pop(SKIP_PROMPT, None)  # Another image is inserted as it is.
    return config


def with_iso(config):
    """Return the settings of a new VM with ``iso``, if its drives are known."""
    return {**config, ISO: iso_of(config[CDROMS])} if CDROMS in config else config


def with_linked_fields(fields, config):
    """Return names of settings; on a platform with ``cdroms``, one of the two changes the other."""
    return fields | MEDIA if CDROMS in config and fields & MEDIA else fields


def redundant_path(before, after):
    """Return the path that is left out of what differs between two configurations: ``iso``, or that of its drive.

    Without a drive before, and as long as the same drive is the first one, it is ``iso``.
    """
    first, now_first = first_drive(before.get(CDROMS)), first_drive(after.get(CDROMS))
    return f"{CDROMS}.{now_first}" if first in (now_first, None) else ISO


def as_one_option(config):
    """Return the settings of a VM with either ``iso`` or ``cdroms``: the latter for several drives."""
    other = CDROMS if len(config.get(CDROMS) or ()) < 2 else ISO
    return {name: value for name, value in config.items() if name != other}
