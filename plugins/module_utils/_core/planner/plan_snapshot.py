# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan to take, delete or restore snapshots. "restored" always restores: the content of disks cannot be compared."""

from __future__ import annotations

import re

from ..errors import NotFound, Refused, Unsupported
from ..frozen import replace
from ..model import ABSENT, LIVE, NEVER, POWER_OFF, RUNNING, STOPPED, UNKNOWN, Change, Step
from ..options.identity import known_names, listed
from ..record.leases import NEVER_EXPIRES, check_not_past, snapshot_must_be_kept, unmoved
from .differences import unknown_state
from .plan_delete import NOT_CREATED_HERE
from .power import COST_OF_MOVE, moves_between, to_persist
from .simulate import simulate


def steps_of_task(task):
    """Return (steps, options that were not compared) of a task about a snapshot."""
    asked = task.request.snapshot
    steps = snapshot_steps(task.vm, asked, task.traits, task.forced, task.known, task.policy)
    is_there = asked.state == "present" and not any(step.verb == "snapshot" for step in steps)
    if task.vm.power == UNKNOWN and (steps or not is_there):
        raise unknown_state(task.vm, task.traits)
    return steps, asked.options_used_to_take if is_there else ()


def snapshot_steps(vm, asked, traits, forced, known, policy):
    """Return the steps for one snapshot request and one VM; ``known`` are all VM names, for the error message."""
    if "snapshot" not in traits.verbs:
        raise Unsupported(
            f"{vm.name}: snapshots are not supported on {traits.platform}.",
            traits.instead.get("snapshot", "Clone or export the VM."),
        )
    if vm.power == ABSENT:
        if asked.state == "absent":
            return []
        raise NotFound(
            f"{vm.name}: the VM does not exist, so it has no snapshot '{asked.name}'.", known_names(known, vm.name)
        )
    found = _find_snapshots(vm, asked.name)
    if asked.state != "absent":
        _check_finished(vm, found)
    if asked.state == "restored":
        steps = _restore(vm, asked, found, traits, forced)
    else:
        steps = {"present": _take, "absent": _delete}[asked.state](vm, asked, found, traits, policy)
    if policy.awaited != "state":
        _check_runs(simulate(vm, steps), asked, policy.awaited)
    return steps


def _check_runs(restored, asked, wait_for):
    """Raise Refused if the task waits for a VM that will not run after the restore. No disk is changed yet."""
    if restored.power == RUNNING:
        return
    raise Refused(
        f"{restored.name}: wait_for: {wait_for} is not possible, because the VM will be {restored.power} after the"
        f" restore of snapshot '{asked.name}'.",
        "Omit wait_for, or start the VM in a task after it.",
    )


def _check_finished(vm, found):
    for one in found:
        if one.unfinished:
            raise Refused(
                f"{vm.name}: snapshot '{one.name}' is unfinished: {one.unfinished}.",
                f"Delete it first (snapshot: {one.name}, state: absent).",
            )


def _take(vm, asked, found, traits, policy):
    check_not_past(
        f"{vm.name}: snapshot '{asked.name}'",
        found[0].expires if found else None,
        asked.expires,
        policy.controller_time,
    )
    if found:
        edited = _edit_steps(vm, asked, found, traits, policy.extend)
        # asked.name may be the ID of the snapshot.
        return [*edited, *_prune_steps(vm, replace(asked, name=found[0].name), traits)]
    steps = [_take_step(vm, asked, traits)]
    return [*steps, *_prune_steps(simulate(vm, steps), asked, traits)]


def _take_step(vm, asked, traits):
    fault = traits.snapshot_name_fault(asked.name)
    if fault:
        raise Refused(f"{vm.name}: no snapshot can be named '{asked.name}': {fault}.", "Choose another name.")
    _check(vm, "snapshot.take", asked, None, traits)
    if asked.expires:
        _check(vm, "snapshot.expires", asked, None, traits)
    kind, power = traits.taken_as(vm, asked)
    arguments = {
        "name": asked.name,
        "description": asked.description or "",
        "include_memory": asked.include_memory,
        "kind": kind,
        "power": power,
        "expires": asked.expires or NEVER_EXPIRES,
    }
    also = tuple(traits.side_effects("snapshot", vm, (Change("snapshot", None, kind),)))
    return Step("snapshot", arguments=arguments, cost=LIVE, also=also)


def _edit_steps(vm, asked, found, traits, extend):
    """Return the step that stores another expiry of an existing snapshot, if it differs."""
    if asked.expires is None:
        return []
    _check_is_single(vm, asked.name, found)
    one = found[0]
    expires = unmoved(one.expires, asked.expires, extend)
    if expires == one.expires:
        return []
    _check(vm, "snapshot.expires", asked, one, traits)
    change = Change("snapshots", one.expires or None, expires or None, key=one.name, attribute="expires")
    arguments = {"name": one.name, "id": _id_or_name(one), "expires": expires}
    return [Step("edit_snapshot", (change,), arguments, cost=LIVE)]


def _prune_steps(vm, asked, traits):
    """Delete the oldest snapshots of a series: names that differ only in digits, such as nightly-1 and nightly-2."""
    if asked.keep_last is None:
        return []
    finished = [one for one in vm.snapshots if not one.unfinished]
    others = [one for one in finished if one.name != asked.name and _series(one.name) == _series(asked.name)]
    surplus = len(others) - (asked.keep_last - 1)
    if surplus <= 0:
        return []
    _check_ages(vm, others)
    to_delete = sorted(others, key=lambda one: one.created)[:surplus]
    for snapshot in to_delete:
        _check_droppable(vm, asked, snapshot, traits)
    return [_drop_step(to_delete)]


def _check_ages(vm, snapshots):
    without_age = [one.name for one in snapshots if one.created is None]
    if without_age:
        raise Refused(
            f"{vm.name}: keep_last: the age of these snapshots is not known: {', '.join(without_age)}.",
            f"Delete those you do not need (snapshot: {without_age[0]}, state: absent). The age of snapshots of this"
            " module is known.",
        )


def _series(name):
    return re.sub(r"\d+", "#", name)


def _delete(vm, asked, found, traits, policy):
    if not found:
        return []
    _check_is_single(vm, asked.name, found)
    if snapshot_must_be_kept(vm, found[0], policy):
        return []
    _check_droppable(vm, asked, found[0], traits)
    return [_drop_step([*(_descendants(vm, found[0]) if asked.children else ()), found[0]])]


def _check_droppable(vm, asked, snapshot, traits):
    field = _check(vm, "snapshot.drop", asked, snapshot, traits)
    children = _children(vm, snapshot)
    if not asked.children and field.maximum is not None and len(children) > field.maximum:
        raise Refused(
            f"{vm.name}: snapshot '{snapshot.name}' has {len(children)} children, which {traits.platform} cannot"
            " attach to its parent.",
            "Delete the children, too (children: true), or first all but one of them.",
        )


def _drop_step(to_delete):
    names, ids = tuple(one.name for one in to_delete), tuple(_id_or_name(one) for one in to_delete)
    kept = {path: NOT_CREATED_HERE for one in to_delete for path in one.remaining}
    return Step("drop_snapshot", arguments={"names": names, "ids": ids, **({"kept": kept} if kept else {})}, cost=LIVE)


def _restore(vm, asked, found, traits, forced):
    taken = find_one_snapshot(vm, asked.name)
    field = _check(vm, "snapshot.restore", asked, taken, traits)
    # Some platforms leave a VM suspended that was running in the snapshot; the last steps then start it.
    left_in = traits.restored_as.get(taken.power, taken.power)
    if asked.power == "keep" and left_in == UNKNOWN:
        raise Refused(
            f"{vm.name}: power: keep is not possible, because the platform does not report the power state of"
            f" snapshot '{taken.name}'.",
            "Omit power, and set the power state in a task after it.",
        )
    now, then = (one.get("disks") or {} for one in (vm.config, taken.config or vm.config))
    added = filter(None, [disk.get("source") for slot, disk in now.items() if slot not in then])
    kept = dict.fromkeys(added, "attached after the snapshot")
    arguments = {"name": taken.name, "id": _id_or_name(taken), "power": left_in, **({"kept": kept} if kept else {})}
    note = "the clock of the guest is late" if taken.power == RUNNING else ""  # Its memory is that of the snapshot.
    steps = [Step("restore", arguments=arguments, cost=POWER_OFF, note=note)]
    needs_kill = vm.on and field.cost_of(vm, _as_change(taken, asked)) == POWER_OFF
    if not vm.persistent and (needs_kill or left_in == STOPPED):
        raise Refused(
            f"{vm.name}: the VM exists only while it runs, so stopping it for the restore would delete it.",
            to_persist(vm, traits),
        )
    if needs_kill:
        # The restore discards the running state anyway, so a graceful shutdown would have no use.
        steps.insert(0, Step("kill", cost=POWER_OFF, note="the restore discards the running state"))
    end = vm.power if asked.power == "keep" else taken.power
    if end == STOPPED and taken.power != STOPPED != left_in:
        # The guest is not asked to shut down, whatever stop_mode is: it may not, and the VM was off.
        return [*steps, Step("kill", cost=POWER_OFF, note="the memory of the snapshot is discarded")]
    return steps + [Step(move, cost=COST_OF_MOVE.get(move, LIVE)) for move in moves_between(left_in, end, forced)]


def _as_change(found, asked):
    return Change("snapshot", found, asked)


#: {kind: what is done to a snapshot}.
_DONE = {
    "snapshot.take": "taken",
    "snapshot.drop": "deleted",
    "snapshot.restore": "restored",
    "snapshot.expires": "changed",
}


def _check(vm, kind, asked, found, traits):
    field = traits.fields.get(kind)
    if field is None:
        raise Unsupported(f"{vm.name}: {kind} is not supported on {traits.platform}.", traits.instead.get(kind, ""))
    if field.cost_of(vm, _as_change(found, asked)) == NEVER:
        name = asked.name if found is None else found.name
        raise Refused(f"{vm.name}: snapshot '{name}' cannot be {_DONE[kind]}; the VM is {vm.power}.", field.instead)
    return field


def _id_or_name(snapshot):
    """Return the id, or the name if the platform has no ids; several snapshots can have the same name."""
    return snapshot.id or snapshot.name


def find_one_snapshot(vm, name_or_id):
    """Return the snapshot with this name or id. Raises NotFound if there is none, Refused if there are several."""
    found = _find_snapshots(vm, name_or_id)
    if not found:
        names = listed([snapshot.name for snapshot in vm.snapshots], name_or_id) or "none"
        raise NotFound(f"{vm.name}: it has no snapshot '{name_or_id}'.", f"Its snapshots: {names}.")
    _check_is_single(vm, name_or_id, found)
    return found[0]


def _find_snapshots(vm, name_or_id):
    return [snapshot for snapshot in vm.snapshots if name_or_id in (snapshot.name, snapshot.id)]


def _check_is_single(vm, name_or_id, found):
    if len(found) > 1:
        ids = ", ".join(str(snapshot.id) for snapshot in found)
        raise Refused(f"{vm.name}: {len(found)} snapshots are named '{name_or_id}'.", f"Select one by its ID: {ids}.")


def _children(vm, snapshot):
    return [one for one in vm.snapshots if one.parent is not None and one.parent in (snapshot.id, snapshot.name)]


def _descendants(vm, snapshot):
    """Return all descendants of a snapshot, children before their parents."""
    descendants = []
    for child in _children(vm, snapshot):
        descendants += [*_descendants(vm, child), child]
    return descendants
