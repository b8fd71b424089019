# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wanted against what is there: the list of changes, each with its cost.

Left out means "leave alone"; only what a request names is compared. Unknown is never taken for equal.
"""

from __future__ import annotations

from dataclasses import replace

from .errors import Refused, Unsupported
from .model import COLLECTIONS, NEVER, POWER_OFF, RECORDS, Change
from .units import human_size, is_size

#: Below this are the seed's documents, whose values no error shows.
_SEED = "cloud_init."


def normalize(vm, config, traits, purge=()):
    """The asked configuration in the platform's terms: places become names, the platform adjusts its synonyms.

    Cards that ``purge`` takes away are told to it as such: other settings need one that stays.
    """
    normalized = dict(config)
    if "disks" in normalized:
        normalized["disks"] = _by_slot(vm, normalized["disks"], traits)
    asked = normalized.get("networks")
    if asked is None or "networks" not in purge:
        return traits.adjust(vm, normalized)
    gone = dict.fromkeys(set(vm.config.get("networks") or {}) - set(asked))
    adjusted = traits.adjust(vm, {**normalized, "networks": {**gone, **asked}})
    return {**adjusted, "networks": {place: adjusted["networks"][place] for place in asked}}


def _by_slot(vm, disks, traits):
    named = {}
    for key, entry in disks.items():
        slot = _named(key, traits)
        if slot in named:
            raise Refused(
                f"{vm.name}: disks: slot {slot} is used twice, by its name and by the position of an entry.",
                "Set the slot of every disk.",
            )
        named[slot] = entry
    return named


def _named(key, traits):
    return traits.slot(int(key[1:])) if key.startswith("#") else key


def check_supported(label, config, creation, traits):
    """Refuse what the platform lacks, before anything is compared; name what it has instead."""
    for name, value in creation.items():
        _require(label, name, name, traits)
        for attribute in set(value) & {kind.split(".", 1)[1] for kind in traits.fields if kind.startswith(f"{name}.")}:
            path = f"{name}.{attribute}"
            _check_value(label, path, value[attribute], traits.fields[path])
    for name, value in config.items():
        if name in RECORDS:
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
        # Where nothing can be chosen the value does not matter, and it may be a secret.
        what = _shown(path, value) if field.choices else "set"
        raise Unsupported(
            f"{label}: {path} cannot be {what} here.", field.instead or f"Supported values: {_listed(field.choices)}."
        )
    shown = _shown(path, value)
    if field.minimum is not None and value < field.minimum:
        least = _shown(path, field.minimum)
        remedy = field.instead or f"Set at least {least}."
        raise Unsupported(f"{label}: {path}: {shown} is less than the minimum of {least}.", remedy)
    if field.maximum is not None and value > field.maximum:
        most = _shown(path, field.maximum)
        remedy = field.instead or f"Set at most {most}."
        raise Unsupported(f"{label}: {path}: {shown} is more than the maximum of {most}.", remedy)


def _listed(choices):
    return ", ".join(str(choice) for choice in choices)


def differences(vm, wanted, purge, traits):
    """The changes that make ``vm.config`` as wanted, and the paths that could not be compared.

    Returns (list of Change, list of str). Raises Refused where a change would lose data or cannot be made.
    """
    changes, not_compared = [], []
    for change in _raw_changes(vm.config, wanted, purge):
        field = _require(vm.name, change.kind, change.path, traits)
        if not field.readable:
            not_compared.append(change.path)
        elif _comes_or_goes(change) or not field.same(change.old, change.new):
            changes.append(_costed(vm, change, traits))
    return changes, not_compared


def additions(config):
    """The changes that give a VM without any settings those of ``config``."""
    return list(_raw_changes({}, config, purge=()))


def _comes_or_goes(change):
    return change.attribute is None and (change.old is None) != (change.new is None)


def _raw_changes(found, wanted, purge):
    for name, value in wanted.items():
        if name in COLLECTIONS:
            yield from _collection_changes(name, found.get(name) or {}, value, name in purge)
        elif name in RECORDS:
            yield from _entry_changes(name, None, found.get(name) or {}, value)
        elif name == "native":
            present = found.get(name) or {}
            yield from (Change(name, present.get(key), new, key=key) for key, new in value.items())
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
        yield from (Change(name, found[key], None, key=key) for key in found if key not in wanted)


def _entry_changes(name, key, found, wanted):
    for attribute, value in wanted.items():
        yield Change(name, found.get(attribute), value, key=key, attribute=attribute, beside=wanted)


def _costed(vm, change, traits):
    """The change with its cost at this VM in its present power."""
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
        old, new = _shown(change.path, change.old), _shown(change.path, change.new)
        raise Refused(f"{vm.name}: {change.path} is {old} and cannot be changed to {new}.", field.instead)
    if not vm.persistent:
        # It has no stored definition to change, and must not get one by the way.
        cost = POWER_OFF
    return replace(change, cost=cost)


def _check_growth(vm, change, field):
    """Disks never shrink, and a disk of unknown size is not touched."""
    if vm.id is None and field.free_until_made:
        return
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


def _shown(path, value):
    if value is None:
        return "unset"
    if path.startswith(_SEED):
        return "the given value"
    if is_size(path):
        return human_size(value)
    return f"'{value}'"


def pending(vm):
    """Paths that the next cold start will bring: ``config`` has them and ``active`` has not."""
    if vm.active is None:
        return []
    paths = []
    for name in sorted(set(vm.config) & set(vm.active)):
        stored, running = vm.config[name], vm.active[name]
        if stored == running:
            continue
        if name in COLLECTIONS + RECORDS + ("native",):
            stored, running = stored or {}, running or {}
            paths += [
                f"{name}.{key}" for key in sorted(set(stored) | set(running)) if stored.get(key) != running.get(key)
            ]
        else:
            paths.append(name)
    return paths
