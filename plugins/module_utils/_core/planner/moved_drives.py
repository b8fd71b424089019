# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that is created again: which settings it keeps, where its drives are, and what it cannot have. Pure."""

from __future__ import annotations

from ..errors import Refused
from .contents import filled_slots
from .drives import CDROMS
from .plan_create import is_cloned, known_settings


def with_moved_drives(vm, moves):
    """Return ``vm`` with its drives at the slots that they have if it is created again; ``moves`` are of ``kept_as``.

    A drive without such a slot keeps its own, for ``check_has_slots``. Settings that are not kept are left out.
    """
    config = {name: value for name, value in vm.config.items() if moves.get(name, {}) is not None}
    for option in config.keys() & moves:
        found, slots = config[option] or {}, moves[option]
        config[option] = {slots.get(slot) or slot: entry for slot, entry in found.items()}
        if len(config[option]) < len(found):
            raise _has_no_slot(vm, option, next(slot for slot, new in slots.items() if new is None))
    return vm.having(config=config)


def with_disks_of_task(vm, requested, traits):
    """Return ``vm`` with each file where the task lists it. Raises Refused if another disk of the VM is there."""
    found, moves, is_same = vm.config.get("disks") or {}, {}, traits.fields["disks.source"].same
    for slot, entry in (requested.get("disks") or {}).items():
        source = (entry or {}).get("source")
        own = [one for one, disk in found.items() if source and disk.get("source") and is_same(disk["source"], source)]
        if own and slot not in own:
            moves[own[0]] = slot
    if not moves:
        return vm
    for slot in moves.values():
        if slot in found and slot not in moves:
            raise Refused(
                f"{vm.name}: disks.{slot}: the VM needs to be created again, and the new one has another of its disks"
                " at this slot.",
                "Set another slot, or list the source of that disk at another slot, too.",
            )
    return vm.having(config={**vm.config, "disks": {moves.get(slot, slot): disk for slot, disk in found.items()}})


def check_has_slots(vm, config, traits):
    """Raise Refused for a drive of ``vm`` that is kept in ``config``, but has no slot in the new VM."""
    for option, slots in traits.kept_as(vm.config, config).items():
        lost = next((slot for slot, new in (slots or {}).items() if new is None and slot in config[option]), None)
        if lost:
            raise _has_no_slot(vm, option, lost)


def _has_no_slot(vm, option, slot):
    return Refused(
        f"{vm.name}: the VM needs to be created again, and the new one cannot have {option}.{slot}.",
        f"Remove this entry of {option} with another task first.",
    )


def config_to_recreate(vm, config, request, to_delete, traits):
    """Return the settings that a recreated VM keeps: all except files that are deleted with the old VM."""
    check_has_slots(vm, config, traits)
    disks, first = {}, next(iter(filled_slots(request, traits)), None)
    for slot, entry in (config.get("disks") or {}).items():
        if slot == first and is_cloned(request):
            continue  # The first disk of a clone is a copy of the source's disk, with the same size.
        new_content = slot == first
        gone = new_content or entry.get("source") in to_delete
        disks[slot] = {key: value for key, value in entry.items() if not (gone and key == "source")}
    return {**config, "disks": disks} if "disks" in config else dict(config)


def check_kept_settings(vm, config, traits):
    """Raise Refused for kept settings that the new ``vm`` cannot have: the creation would fail after the deletion."""
    # A driver checks the drives of a step that creates a VM.
    drives = {option: config[option] for option in ("disks", CDROMS) if option in config}
    settings = known_settings({name: value for name, value in config.items() if name not in drives})
    try:
        traits.normalize(vm.having(config={**vm.config, **drives}), settings)
    except Refused as error:
        raise Refused(
            f"{error.message} The VM needs to be created again, and the new one would have the settings of this one.",
            "Set the option to a value that the new VM can have, in this task or in one before it.",
        ) from error
