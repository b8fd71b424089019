# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command snapshot: take, restore, restorecurrent, delete, edit, list, showvminfo."""

from __future__ import annotations

import os
from copy import deepcopy

from . import images
from .extras import write_variables
from .failures import PROGRESS, Failure, Misuse, held, not_found, wrong_state
from .human_readable import human_readable
from .machine_readable import snapshot_lines
from .power import drop_state, write_state
from .registry import ON, STATE_NAMES, folder_of, is_uuid, options
from .storage import attach_child, remove_medium

_NONE = "This machine does not have any snapshots"


def snapshot(registry, words):
    name, verb, *rest = words
    machine = registry.lock(name, write=False)
    verb_function = _VERBS.get(verb)
    if verb_function is None:
        raise Misuse(f"Unknown subcommand: {verb}")
    verb_function(registry, machine, rest)


def find_snapshot(machine, text):
    """The snapshot with this UUID, or the first with this name."""
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
    write_variables({"config": taken["config"], "nvram": _nvram(machine, taken)})
    machine["current"] = taken["uuid"]
    _branch(registry, machine)
    registry.print(f"Snapshot taken. UUID: {taken['uuid']}")
    registry.stderr.append(PROGRESS)


def _branch(registry, machine):
    for slots in machine["config"]["slots"].values():
        for slot in slots.values():
            if slot["kind"] == "hdd":
                attach_child(registry, machine, slot)


def _nvram(machine, taken):
    return os.path.join(folder_of(machine), "Snapshots", f"{taken['uuid']}.nvram")


def _restore(registry, machine, words):
    _restore_to(registry, machine, find_snapshot(machine, words[0]))


def _restore_current(registry, machine, _words):
    _restore_to(registry, machine, find_snapshot(machine, machine["current"] or ""))


def _restore_to(registry, machine, to):
    registry.print(f"Restoring snapshot '{to['name']}' ({to['uuid']})")
    if machine["state"] in ON:
        state = STATE_NAMES[machine["state"]]
        raise wrong_state(f"Cannot delete the current state of the running machine (machine state: {state})")
    for medium in _media(machine["config"]):
        if registry.media[medium]["parent"]:  # A disk that is newer than all snapshots is only detached.
            remove_medium(registry, registry.media[medium])
    kept = {key: machine["config"]["values"].get(key, "") for key in ("description", "ostype")}
    machine["config"] = deepcopy(to["config"])
    machine["config"]["values"].update(kept)
    machine["current"] = to["uuid"]
    write_variables(machine)
    _branch(registry, machine)
    drop_state(machine)
    registry.set_state(machine, "poweroff")
    if to["is_online"]:
        write_state(registry, machine)
        registry.set_state(machine, "saved")
    registry.stderr.append(PROGRESS)


def _media(config):
    return [slot["medium"] for slots in config["slots"].values() for slot in slots.values() if slot["kind"] == "hdd"]


def _delete(registry, machine, words):
    deleted = find_snapshot(machine, words[0])
    registry.print(f"Deleting snapshot '{deleted['name']}' ({deleted['uuid']})")
    children = [one for one in machine["snapshots"] if one["parent"] == deleted["uuid"]]
    if len(children) > 1:
        raise held(
            f"Snapshot '{deleted['name']}' of the machine '{machine['name']}' cannot be deleted, because it has "
            f"{len(children)} child snapshots, which is more than the one snapshot allowed for deletion",
            "SessionMachine",
        )
    if children and machine["current"] == deleted["uuid"]:
        raise held(
            f"Snapshot '{deleted['name']}' of the machine '{machine['name']}' cannot be deleted, because it is the "
            "current snapshot and has one child snapshot",
            "SessionMachine",
        )
    _require_no_clones(registry, machine, deleted)
    for medium in _media(deleted["config"]):
        _merge(registry, machine, medium)
    for child in children:
        child["parent"] = deleted["parent"]
    if machine["current"] == deleted["uuid"]:
        machine["current"] = deleted["parent"]
    machine["snapshots"].remove(deleted)
    registry.stderr.append(PROGRESS)


def _require_no_clones(registry, machine, deleted):
    for uuid in _media(deleted["config"]):
        children = [one for one in registry.media.values() if one["parent"] == uuid]
        if len(children) > 1:
            raise Failure(
                "Snapshot operation failed",
                f"Hard disk '{registry.media[uuid]['location']}' has more than one child hard disk ({len(children)})",
                code="NS_ERROR_FAILURE",
                work=True,
            )


def _merge(registry, machine, uuid):
    """Merge the child of an image into it: the image gets the child's content and place, and the child is deleted."""
    medium = registry.media[uuid]
    child = next((one for one in registry.media.values() if one["parent"] == uuid), None)
    if child is None:
        if medium["parent"]:  # A base image is only detached, not deleted.
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
    registry.print("\n".join(snapshot_lines(machine)))


def _show(registry, machine, words):
    """Print the VM as it was in the snapshot, in the human-readable form."""
    from .machines import os_type_of

    taken = find_snapshot(machine, words[0])
    past = {**machine, "config": taken["config"], "snapshots": [], "current": None, "nvram": _nvram(machine, taken)}
    registry.print("\n".join(human_readable(registry, past, os_type_of(past))))


_VERBS = {
    "take": _take,
    "restore": _restore,
    "restorecurrent": _restore_current,
    "delete": _delete,
    "edit": _edit,
    "list": _list,
    "showvminfo": _show,
}
