# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the requested configuration with that of the VM: the list of changes, each with its cost.

Only options that the task sets are compared. A value that cannot be read is never assumed to be equal.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import Refused, Unsupported
from ..frozen import replace
from ..model import COLLECTIONS, NEVER, POWER_OFF, UNKNOWN, Change
from ..options.option import PLACE
from ..record.leases import CREATED
from ..texts import removal
from ..units import human_size, is_size
from .drives import in_order, iso_slot, named, normalize_drives, with_first_as_iso, with_first_drive, with_iso

#: Prefix of the cloud-init options; error messages do not show their values.
_CLOUD_INIT = "cloud_init."


def normalize(vm, config, traits, purge=(), taken=()):
    """Return the requested configuration in the platform's terms: slots get names, ``traits.normalize`` maps synonyms.

    NICs that ``purge`` removes are passed to it as None: other settings may need a NIC that remains. ``taken`` are the
    slots of the disks that the source of a new VM creates.
    """
    normalized = dict(config)
    if "disks" in normalized:
        normalized["disks"] = _with_slot_names(vm, normalized["disks"], traits)
    normalized, slot = with_first_drive(vm, normalized, taken, traits)
    normalized = _with_platform_terms(vm, normalized, traits, purge)
    return normalize_drives(vm, normalized, purge, traits, slot)


def _with_platform_terms(vm, config, traits, purge):
    requested = config.get("networks")
    if requested is None or "networks" not in purge:
        return traits.normalize(vm, config)
    removed = dict.fromkeys(set(vm.config.get("networks") or {}) - set(requested))
    normalized = traits.normalize(vm, {**config, "networks": {**removed, **requested}})
    return {**normalized, "networks": {key: normalized["networks"][key] for key in requested}}


def _with_slot_names(vm, disks, traits):
    by_slot, slots = {}, _slots_of(vm, disks, traits)
    for key, entry in disks.items():
        slot = slots[key]
        if slot in by_slot:
            raise Refused(
                f"{vm.name}: disks: slot {slot} is used twice, by its name and by the position of an entry.",
                "Set the slot of every disk.",
            )
        by_slot[slot] = entry
    return by_slot


def _slots_of(vm, disks, traits):
    """Return {key of an entry: its slot}.

    An entry without a slot is the disk at its place on the default bus. If the VM, or the source of a clone, has none
    there, it is the next one of the VM's own disks that no other entry is. Only without such a disk, it is a new one.
    """
    own = vm.config.get("disks") or {}
    slots = {key: traits.slot(int(key[1:])) if key.startswith(PLACE) else key for key in disks}
    taken = {traits.slot_meant(slot) for slot in slots.values()}
    left = [slot for slot in in_order(own) if slot not in taken]
    for key, entry in disks.items():
        if key.startswith(PLACE) and slots[key] not in own and entry is not None:
            slots[key] = next((slot for slot in left if _may_be(entry, own[slot], traits)), slots[key])
            left = [slot for slot in left if slot != slots[key]]
    return slots


def _may_be(entry, disk, traits):
    """Return whether an entry without a slot may mean a disk: one with a source means that source."""
    return not entry.get("source") or traits.fields["disks.source"].same(disk.get("source"), entry["source"])


def first_disk(config, traits):
    """Return the slot of the disk that a VM starts from, as far as its slots tell; None if it has no disks."""
    disks, first = config.get("disks") or {}, traits.slot(0)
    return first if first in disks else next(iter(in_order(disks)), None)


def check_supported(label, config, creation, traits):
    """Raise Unsupported for options that the platform lacks, before anything is compared."""
    for name, value in creation.items():
        _require(label, name, name, traits)
        for attribute in value:
            path = f"{name}.{attribute}"
            if path in traits.fields:
                _check_value(label, path, value[attribute], traits.fields[path])
    for name, value in config.items():
        if name in traits.records:
            _check_entry(label, name, name, value, traits)
        elif name in COLLECTIONS:
            for key, entry in value.items():
                _require(label, f"{name}.add" if entry is not None else f"{name}.remove", name, traits)
                _check_entry(label, name, f"{name}.{key}", entry or {}, traits)
        else:
            _check_value(label, name, value, _require(label, name, name, traits))


def _check_entry(label, name, path, entry, traits):
    for attribute, value in entry.items():
        field = _require(label, f"{name}.{attribute}", f"{path}.{attribute}", traits)
        _check_value(label, f"{path}.{attribute}", value, field)


def _require(label, kind, path, traits):
    field = traits.fields.get(kind)
    if field is None:
        instead = traits.instead.get(kind) or traits.instead.get(kind.split(".")[0], "Omit the option.")
        raise Unsupported(f"{label}: {path} is not supported on {traits.platform}.", instead)
    return field


def _check_value(label, path, value, field):
    if field.choices is not None and value not in field.choices:
        # If no value is supported, the message does not need the value, which may be a secret.
        what = _printable(path, value) if field.choices else "set"
        supported = f"Supported values: {', '.join(str(choice) for choice in field.choices)}."
        # The remedy of what never changes is about a change to another supported value.
        is_about_change = field.cost == NEVER and field.choices
        remedy = supported if is_about_change else field.instead or supported
        raise Unsupported(f"{label}: {path} cannot be {what} here.", remedy)
    shown = _printable(path, value)
    if field.minimum is not None and value < field.minimum:
        least = _printable(path, field.minimum)
        raise Unsupported(f"{label}: {path}: {shown} is less than the minimum of {least}.", f"Set at least {least}.")
    if field.maximum is not None and value > field.maximum:
        most = _printable(path, field.maximum)
        remedy = field.instead or f"Set at most {most}."
        raise Unsupported(f"{label}: {path}: {shown} is more than the maximum of {most}.", remedy)


def differences(vm, wanted, purge, traits):
    """Return (changes, not compared): a list of Change, and a list of the paths that could not be compared.

    Raises Refused if a change would lose data or is not possible.
    """
    changes, not_compared = [], []
    for change in named(vm.config, list(_changes(vm.config, wanted, purge, traits.records))):
        field = _require(vm.name, change.kind, change.path, traits)
        if not field.can_compare(change):
            not_compared.append(change.path)
        elif _is_added_or_removed(change) or not field.same(change.old, change.new):
            changes.append(_with_cost(vm, change, traits))
    return changes, not_compared


def additions(config):
    """Return the changes that give a VM without settings the settings in ``config``, each attribute alone."""
    return list(_changes({}, config, (), {name for name, value in config.items() if isinstance(value, Mapping)}))


def _is_added_or_removed(change):
    return change.attribute is None and (change.old is None) != (change.new is None)


def _changes(found, wanted, purge, records):
    for name, value in wanted.items():
        if name == CREATED:
            continue  # It is recorded with a new VM, and no setting.
        if name in COLLECTIONS:
            yield from _collection_changes(name, found.get(name) or {}, value, name in purge)
        elif name == "native":
            present = found.get(name) or {}
            yield from (Change(name, present.get(key), new, key=key) for key, new in value.items())
        elif name in records:
            yield from _entry_changes(name, None, found.get(name) or {}, value)
        else:
            yield Change(name, found.get(name), value, beside=wanted)


def _collection_changes(name, found, wanted, complete):
    for key, entry in wanted.items():
        if entry is None:
            if key in found:
                yield Change(name, found[key], None, key=key)
        elif key not in found:
            yield Change(name, None, entry, key=key)
        else:
            yield from _entry_changes(name, key, found[key], entry)
    if complete:
        yield from (Change(name, found[key], None, key=key, beside=wanted) for key in found if key not in wanted)


def _entry_changes(name, key, found, wanted):
    for attribute, value in wanted.items():
        yield Change(name, found.get(attribute), value, key=key, attribute=attribute, beside=wanted)


def _with_cost(vm, change, traits):
    """Return the change with its cost for this VM in its current power state."""
    if change.kind == "disks.size":
        _check_growth(vm, change, traits.fields[change.kind])
    if change.kind == "disks.add" and not (change.new.get("size") or change.new.get("source")):
        raise Refused(
            f"{vm.name}: disks.{change.key}: the disk does not exist, and its size is not set.",
            "Set its size.",
        )
    field = traits.fields[change.kind]
    cost = field.cost_of(vm, change)
    if cost == NEVER:
        if change.attribute is None and change.field in COLLECTIONS:
            raise Refused(
                f"{vm.name}: {change.path} cannot be {'added' if change.old is None else 'removed'}.", field.instead
            )
        old, new = _printable(change.path, change.old), _printable(change.path, change.new)
        replaced = f"Detach it first, in a task with {removal(change.field, change.key)}, and attach another."
        raise Refused(f"{vm.name}: {change.path} is {old} and cannot be changed to {new}.", field.instead or replaced)
    if not vm.persistent:
        # It has no stored definition that could be changed, and must not get one as a side effect.
        cost = POWER_OFF
    return replace(change, cost=cost)


def _check_growth(vm, change, field):
    """Raise Refused if a disk would shrink, or if its current size is unknown."""
    if vm.id is None and field.free_before_creation:
        return
    if change.old is None and vm.id is None:
        # Such as a file that the same task attaches to the source of a clone.
        raise Refused(
            f"{vm.name}: {change.path}: the size of this disk of its source is not known.",
            "Omit the size, or clone the source in a task after this one.",
        )
    if change.old is None:
        raise Refused(
            f"{vm.name}: {change.path}: the current size cannot be read.",
            field.instead or "Make sure that its file exists and is readable.",
        )
    if change.new < change.old:
        raise Refused(
            f"{vm.name}: {change.path}: {human_size(change.new)} is smaller than the current {human_size(change.old)};"
            " disks are never shrunk.",
            f"Set a size of at least {human_size(change.old)}, or remove the option.",
        )


def _printable(path, value):
    if value is None:
        return "unset"
    if path.startswith(_CLOUD_INIT):
        return "the given value"
    if is_size(path):
        return human_size(value)
    return str(value).lower() if isinstance(value, bool) else f"'{value}'"


def pending(vm):
    """Return the paths that take effect at the next cold start: their values in ``config`` and ``active`` differ."""
    if vm.active is None:
        return []
    paths, slot = [], iso_slot(vm.active, vm.config)
    config, active = with_iso(vm.config, slot), with_iso(vm.active, slot)
    for name in sorted(set(config) & set(active)):
        stored, running = config[name], active[name]
        if stored == running:
            continue
        if isinstance(stored or running, Mapping):
            stored, running = stored or {}, running or {}
            paths += [
                f"{name}.{key}" for key in sorted(set(stored) | set(running)) if stored.get(key) != running.get(key)
            ]
        else:
            paths.append(name)
    return paths


def check_known(vm, options, traits):
    """Raise Refused for the first of ``options`` of a VM in an unknown state that was not read.

    What the platform reports in spite of its state is in ``vm.config``, and can be compared.
    """
    known = with_first_as_iso(vm.config)
    unread = next((option for option in options if option not in known), None)
    if unread is not None:
        raise Refused(
            f"{vm.name}: {unread}: its settings are unknown ({_reason(vm)}), so nothing is compared or changed.",
            _remedy(traits),
        )


def unknown_state(vm, traits):
    """Return the error about a VM that would have to be changed."""
    return Refused(f"{vm.name}: its state is unknown ({_reason(vm)}), so nothing is changed.", _remedy(traits))


def _reason(vm):
    return vm.reason or "the platform does not report it"


def _remedy(traits):
    return traits.instead.get(UNKNOWN, "Check the VM with the platform's own tools first.")
