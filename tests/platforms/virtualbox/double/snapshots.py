# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""snapshot: take, restore, delete, edit, list."""

from __future__ import annotations

from copy import deepcopy

from . import images
from .failures import PROGRESS, Failure, Misuse, held, not_found, wrong_state
from .people import for_people
from .power import drop_state, write_state
from .registry import ON, WORDS, is_uuid, options
from .storage import attach_child, remove_medium
from .telling import snapshot_lines

_NONE = "This machine does not have any snapshots"


def snapshot(registry, words):
    name, verb, *rest = words
    machine = registry.lock(name, write=False)
    done = _VERBS.get(verb)
    if done is None:
        raise Misuse(f"Unknown subcommand: {verb}")
    done(registry, machine, rest)


def find_snapshot(machine, text):
    """By UUID, or the first of a name."""
    if not machine["snapshots"]:
        if is_uuid(text):
            raise Failure(_NONE, code="NS_ERROR_FAILURE")
        raise not_found(_NONE, "SessionMachine")
    for one in machine["snapshots"]:
        if text in (one["uuid"], one["name"]):
            return one
    if is_uuid(text):
        raise Failure(f"Could not find a snapshot with UUID {{{text}}}", code="NS_ERROR_FAILURE")
    raise not_found(f"Could not find a snapshot named '{text}'", "SessionMachine")


def _take(registry, machine, words):
    (name,), given = options(words, ("description", "uniquename"), ("live",))
    if machine["state"] == "gurumeditation":
        raise Failure(
            "Failed to take snapshot",
            "Could not suspend the machine execution (VERR_VM_INVALID_VM_STATE)",
            code="VBOX_E_VM_ERROR",
            part="ConsoleWrap",
            work=True,
        )
    taken = {
        "uuid": registry.new_uuid(),
        "name": name,
        "description": given.get("description", ""),
        "parent": machine["current"],
        "taken": registry.now(),
        "is_online": machine["state"] in ON or machine["state"] == "saved",
        "config": deepcopy(machine["config"]),
    }
    machine["snapshots"].append(taken)
    machine["current"] = taken["uuid"]
    _branch(registry, machine)
    registry.say(f"Snapshot taken. UUID: {taken['uuid']}")
    registry.complaints.append(PROGRESS)


def _branch(registry, machine):
    for slots in machine["config"]["slots"].values():
        for slot in slots.values():
            if slot["kind"] == "hdd":
                attach_child(registry, machine, slot)


def _restore(registry, machine, words):
    _go_back(registry, machine, find_snapshot(machine, words[0]))


def _restore_current(registry, machine, _words):
    _go_back(registry, machine, find_snapshot(machine, machine["current"] or ""))


def _go_back(registry, machine, to):
    registry.say(f"Restoring snapshot '{to['name']}' ({to['uuid']})")
    if machine["state"] in ON:
        state = WORDS[machine["state"]]
        raise wrong_state(f"Cannot delete the current state of the running machine (machine state: {state})")
    for medium in _media(machine["config"]):
        remove_medium(registry, registry.media[medium])
    description = machine["config"]["values"].get("description", "")
    machine["config"] = deepcopy(to["config"])
    # Who a machine is for people is no matter of its snapshots.
    machine["config"]["values"]["description"] = description
    machine["current"] = to["uuid"]
    _branch(registry, machine)
    drop_state(machine)
    registry.set_state(machine, "poweroff")
    if to["is_online"]:
        write_state(registry, machine)
        registry.set_state(machine, "saved")
    registry.complaints.append(PROGRESS)


def _media(config):
    return [slot["medium"] for slots in config["slots"].values() for slot in slots.values() if slot["kind"] == "hdd"]


def _delete(registry, machine, words):
    gone = find_snapshot(machine, words[0])
    registry.say(f"Deleting snapshot '{gone['name']}' ({gone['uuid']})")
    children = [one for one in machine["snapshots"] if one["parent"] == gone["uuid"]]
    if len(children) > 1:
        raise held(
            f"Snapshot '{gone['name']}' of the machine '{machine['name']}' cannot be deleted, because it has "
            f"{len(children)} child snapshots, which is more than the one snapshot allowed for deletion",
            "SessionMachine",
        )
    if children and machine["current"] == gone["uuid"]:
        raise held(
            f"Snapshot '{gone['name']}' of the machine '{machine['name']}' cannot be deleted, because it is the "
            "current snapshot and has one child snapshot",
            "SessionMachine",
        )
    _refuse_clones(registry, machine, gone)
    for medium in _media(gone["config"]):
        _merge(registry, machine, medium)
    for child in children:
        child["parent"] = gone["parent"]
    if machine["current"] == gone["uuid"]:
        machine["current"] = gone["parent"]
    machine["snapshots"].remove(gone)
    registry.complaints.append(PROGRESS)


def _refuse_clones(registry, machine, gone):
    for uuid in _media(gone["config"]):
        children = [one for one in registry.media.values() if one["parent"] == uuid]
        if len(children) > 1:
            raise Failure(
                "Snapshot operation failed",
                f"Hard disk '{registry.media[uuid]['location']}' has more than one child hard disk ({len(children)})",
                code="NS_ERROR_FAILURE",
                work=True,
            )


def _merge(registry, machine, uuid):
    """What stood on an image takes it over: the child goes, and the image is in its place."""
    medium = registry.media[uuid]
    child = next((one for one in registry.media.values() if one["parent"] == uuid), None)
    if child is None:
        if medium["parent"]:  # A disk itself is only detached.
            remove_medium(registry, medium)
        return
    medium["size"] = child["size"]
    images.write(medium)
    images.fill(medium, registry.chain(child))
    remove_medium(registry, child)
    for other in registry.media.values():
        if other["parent"] == child["uuid"]:
            other["parent"] = uuid
    for config in (machine["config"], *(one["config"] for one in machine["snapshots"])):
        for slots in config["slots"].values():
            for slot in slots.values():
                if slot["medium"] == child["uuid"]:
                    slot["medium"] = uuid


def _edit(_registry, machine, words):
    plain, given = options(words, ("name", "description"), ("current",))
    edited = find_snapshot(machine, plain[0] if plain else machine["current"])
    edited.update({key: given[key] for key in ("name", "description") if key in given})


def _list(registry, machine, words):
    options(words, (), ("machinereadable", "details"))
    if not machine["snapshots"]:
        raise Failure(stdout=f"{_NONE}\n")
    registry.say("\n".join(snapshot_lines(machine)))


def _show(registry, machine, words):
    """The machine as it was, in the form of the long list."""
    from .machines import os_type_of

    taken = find_snapshot(machine, words[0])
    then = {**machine, "config": taken["config"], "snapshots": [], "current": None}
    registry.say("\n".join(for_people(registry, then, os_type_of(then))))


_VERBS = {
    "take": _take,
    "restore": _restore,
    "restorecurrent": _restore_current,
    "delete": _delete,
    "edit": _edit,
    "list": _list,
    "showvminfo": _show,
}
