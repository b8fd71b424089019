# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Optical drives: settings have all of them by slot in ``cdroms``, and ``iso`` names the image in the first one. Pure.

``normalize`` turns the options of the first drive into its entry of ``cdroms``; results and messages turn it back. A
platform whose VMs have one drive at most has only ``iso``. Drives of seed ISOs are in neither of the two.
"""

from __future__ import annotations

from ..errors import Refused
from ..frozen import replace
from ..model import ABSENT
from ..pattern import Pattern
from .simulate import changed_config

ISO, CDROMS = "iso", "cdroms"
#: True or nothing: an image that was prepared asks for no key.
SKIP_PROMPT = "skip_boot_prompt"
#: The seconds after a start in which keys are pressed, as that prompt asks for.
BOOT_KEYS = "boot_key_seconds"
#: {option of the first drive: the attribute of its entry}
_OF_FIRST = {ISO: "source", SKIP_PROMPT: SKIP_PROMPT}
MEDIA = frozenset({CDROMS, *_OF_FIRST})
_OTHER_SLOT = "Set another slot for the disk, or add the drive at another one with cdroms."
_NUMBER = Pattern(r"(\d+)")


def in_order(slots):
    """Return slots in their order: scsi2 before scsi10."""
    return sorted(slots, key=lambda slot: [int(part) if part.isdecimal() else part for part in _NUMBER.split(slot)])


def first_drive(cdroms):
    """Return the slot of the drive that ``iso`` sets, or None."""
    return next(iter(in_order(cdroms or ())), None)


def drive_with(path, medium):
    """Return the entry of a drive with the file ``path``, which was prepared from the ISO image ``medium`` or is it."""
    return {"source": medium, **({} if path == medium else {SKIP_PROMPT: True})}


# Names in results and messages ----------------------------------------------------------------------------------------


def iso_slot(before, after):
    """Return the slot of the drive that is called ``iso`` where two configurations are compared, or None.

    It is the first one in both. Of a VM without a drive before, it is the first one after it.
    """
    first, now_first = first_drive(before.get(CDROMS)), first_drive(after.get(CDROMS))
    return now_first if first in (now_first, None) else None


def with_iso(config, slot):
    """Return ``config`` with the drive at ``slot`` as the options that name it; None: it has no such drive."""
    if CDROMS not in config:
        return config
    drives = dict(config[CDROMS] or {})
    drive = drives.pop(slot, {})
    return {**config, CDROMS: drives, **{option: drive.get(attribute) for option, attribute in _OF_FIRST.items()}}


def with_first_as_iso(config):
    """Return ``config`` with its first drive as the options that name it."""
    return with_iso(config, first_drive(config.get(CDROMS)))


def named(config, changes):
    """Return changes of ``config`` with the names that messages have for those of the first drive."""
    if not any(change.field == CDROMS for change in changes):
        return changes
    first = CDROMS, iso_slot(config, changed_config(config, changes))
    names = {None: ISO, **{attribute: option for option, attribute in _OF_FIRST.items()}}
    return [replace(one, shown=names[one.attribute]) if (one.field, one.key) == first else one for one in changes]


def source_option(vm, slot, wanted):
    """Return the name of the option that sets the image at ``slot``; ``wanted`` are the requested drives."""
    first = first_drive(vm.config.get(CDROMS) or wanted)
    return ISO if slot == first else f"{CDROMS}.{slot}.source"


def as_one_option(config):
    """Return the settings of a VM with either ``iso`` or ``cdroms``: the latter for several drives."""
    drives, shown = config.get(CDROMS) or {}, with_first_as_iso(config)
    if len(drives) > 1:
        shown = {**shown, CDROMS: {slot: {"source": drive.get("source")} for slot, drive in drives.items()}}
    other = CDROMS if len(drives) < 2 else ISO
    return {name: value for name, value in shown.items() if name != other}


def media_of(config):
    """Yield (option, path) of each image in the optical drives of a configuration."""
    shown = with_first_as_iso(config)
    yield ISO, shown.get(ISO)
    yield from ((f"{CDROMS}.{slot}.source", drive.get("source")) for slot, drive in (shown.get(CDROMS) or {}).items())


def options_of(fields):
    """Return the options of a platform with these ``fields`` (Traits): ``iso`` is one of an entry of ``cdroms``."""
    of_first = {option for option, attribute in _OF_FIRST.items() if f"{CDROMS}.{attribute}" in fields}
    return of_first | {kind.split(".")[0] for kind in fields}


# The requested drives -------------------------------------------------------------------------------------------------


def with_first_drive(vm, config, taken, traits):
    """Return the requested ``config`` with what it sets of the first drive in ``cdroms``, and the slot of ``iso``.

    Without a drive, it is a new one at a slot that no disk has or gets; ``taken`` are slots of other disks. The slot is
    None if ``iso`` is not set, and empty if there is no drive to eject from.
    """
    asked = {one: config[name] for name, one in _OF_FIRST.items() if name in config and _of_drive(one) in traits.fields}
    if not asked:
        return config, None
    rest = {option: value for option, value in config.items() if _OF_FIRST.get(option) not in asked}
    slot, wanted = first_drive(vm.config.get(CDROMS)), rest.get(CDROMS) or {}
    if "source" in asked and slot is None and (asked["source"] or vm.power == ABSENT):
        slot = _new_slot(vm, config, taken, traits)
    if "source" in asked and slot in wanted:
        raise _one_drive(vm, slot)
    entry = wanted.get(slot, {})
    if slot is not None and entry is not None:
        rest[CDROMS] = {**wanted, slot: {**entry, **asked}}
    elif asked.get(SKIP_PROMPT):
        raise _no_image(vm)
    return rest, (slot or "") if "source" in asked else None


def _of_drive(attribute):
    return f"{CDROMS}.{attribute}"


def _new_slot(vm, config, taken, traits):
    """Return the slot of the drive that ``iso`` adds; None: no empty one. Raises Refused if none is free."""
    disks = {**{slot: {} for slot in taken}, **(vm.config.get("disks") or {}), **(config.get("disks") or {})}
    disks = {traits.slot_meant(slot): disk for slot, disk in disks.items()}
    return traits.drive_slot(vm, {**vm.config, **config, "disks": disks})


def normalize_drives(vm, config, purge, traits, slot):
    """Return the requested ``config``; a new drive without a source is empty. Raises Refused for contradictions.

    ``slot`` is that of the drive that ``iso`` sets, or None.
    """
    wanted, found = config.get(CDROMS), vm.config.get(CDROMS) or {}
    _check_new_disks(vm, config, CDROMS in purge, traits)
    if wanted is None:
        return config
    if slot is not None:
        _check_iso(vm, {name: entry for name, entry in wanted.items() if name != slot}, found, CDROMS in purge)
    disks, requested = vm.config.get("disks") or {}, config.get("disks") or {}
    taken = dict.fromkeys(vm.reserved, "a drive that no option sets, such as that of the cloud-init seed")
    taken.update(dict.fromkeys({*requested, *(one for one in disks if requested.get(one, disks[one]))}, "a disk"))
    for name, entry in wanted.items():
        place = traits.slot_meant(name)
        if name in found or entry is None or place not in taken:
            continue
        if name != slot:
            raise Refused(f"{vm.name}: cdroms.{name}: the slot is used by {taken[place]}.", "Use another slot.")
        if requested.get(place, entry) is not None:
            raise Refused(f"{vm.name}: iso: the slot of its new drive, {slot}, is used by {taken[place]}.", _OTHER_SLOT)
    firmware = {**vm.config, **config}.get("firmware")
    drives = {
        name: entry if entry is None else _with_prompt(vm, entry, found.get(name), firmware, traits)
        for name, entry in wanted.items()
    }
    return {**config, CDROMS: drives}


def _with_prompt(vm, entry, present, firmware, traits):
    """Return the requested ``entry`` of a drive, with ``skip_boot_prompt`` as it will be: another image has a prompt.

    Raises Refused if no image can be inserted without its prompt: only UEFI has another program to start.
    """
    entry = entry if present else {"source": "", **entry}
    present = present or {}
    source = entry.get("source", present.get("source"))
    if entry.get(SKIP_PROMPT):
        _check_prompt(vm, source, firmware)
    keeps = present.get(SKIP_PROMPT) and traits.fields[_of_drive("source")].same(present.get("source"), source)
    is_skipped = entry.get(SKIP_PROMPT, keeps)
    entry = {name: value for name, value in entry.items() if name != SKIP_PROMPT}
    if is_skipped or present.get(SKIP_PROMPT):
        entry[SKIP_PROMPT] = is_skipped or None
    return entry


def _check_prompt(vm, source, firmware):
    if not source:
        raise _no_image(vm)
    if firmware != "uefi":
        raise Refused(
            f"{vm.name}: skip_boot_prompt: with BIOS, media of Windows do not ask for a key if the disk is empty.",
            "Set firmware: uefi, or omit skip_boot_prompt.",
        )


def _no_image(vm):
    return Refused(f"{vm.name}: skip_boot_prompt: the VM has no ISO image.", "Set iso, or omit skip_boot_prompt.")


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
        raise _one_drive(vm, same)


def _one_drive(vm, slot):
    return Refused(
        f"{vm.name}: cdroms.{slot}: iso sets the first optical drive, which is this one.",
        "Set its image as source of its entry in cdroms, and remove iso.",
    )


def with_new_drives(vm, config, traits):
    """Return the settings of a new VM with its drives. If the task names none, it is an empty one, or none."""
    if _of_drive("source") not in traits.fields or config.get(CDROMS) is not None:
        return config
    slot = traits.drive_slot(vm, config)
    return {**config, CDROMS: {slot: {"source": ""}} if slot else {}}


# Plans ----------------------------------------------------------------------------------------------------------------


def inserted_image(change):
    """Return the image that a change inserts, or None."""
    if change.kind in (ISO, _of_drive("source")):
        return change.new
    return change.new.get("source") if change.kind == _of_drive("add") else None


def boot_keys_note(vm, arguments):
    """Return what a start with these arguments also does; raises Refused if there is no prompt to answer."""
    seconds = arguments.get(BOOT_KEYS)
    if seconds is None:
        return ""
    has_iso = any(path for _option, path in media_of(vm.config))
    if not has_iso or with_first_as_iso(vm.config).get(SKIP_PROMPT):
        what = "the image of skip_boot_prompt asks for no key" if has_iso else "the VM has no ISO image"
        raise Refused(f"{vm.name}: {BOOT_KEYS}: {what}.", f"Set iso without skip_boot_prompt, or omit {BOOT_KEYS}.")
    return f"a key is pressed each second for {seconds} s, until the VM has written to a disk"


def prepared_iso(plan):
    """Return the image that a plan inserts without its prompt, or None."""
    changed = {change.key for step in plan.steps for change in step.changes if change.field == CDROMS}
    is_created = any(step.verb == "create" for step in plan.steps)
    drives = (plan.after.config.get(CDROMS) or {}).items()
    found = (one["source"] for slot, one in drives if one.get(SKIP_PROMPT) and (is_created or slot in changed))
    return next(found, None)


def ejects_iso(config):
    """Return whether a requested ``config`` may eject the image in the first drive."""
    drives = (config.get(CDROMS) or {}).values()
    return "" in (config.get(ISO), *((drive or {}).get("source") for drive in drives))


def deleted_media(vm, changes, traits):
    """Return what a step that deletes an answer medium has: its argument, and what it also does. Else {}."""
    if not traits.deletes_answer_media or not any(one.path == ISO and one.new == "" for one in changes):
        return {}
    from ..record.answer_media import ANSWER_MEDIA, answer_media  # Few tasks need it.

    media = answer_media(vm)
    also = tuple(f"The answer medium is deleted: {path}." for path in media)
    return {ANSWER_MEDIA: media, "also": also} if media else {}
