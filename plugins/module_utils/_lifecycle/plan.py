# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: machine found x request x traits -> plan. Pure, and the only place where anything is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .differences import check_supported, differences, pending, settle
from .errors import NotFound, Refused, Unsupported
from .model import (
    ABSENT, DESTRUCTIVE, LIVE, POWER_OFF, RUNNING, STOPPED, UNKNOWN, Plan, Refusal, Step, COSTS,
)  # fmt: skip
from .plan_delete import delete_step
from .plan_snapshot import snapshot_steps
from .power import BACK_TO, ENDS_IN, TABLE
from .simulate import changed_config, simulate

#: Steps whose end must be seen before the next one makes sense.
SEEN = frozenset({"create", "clone", "stop", "kill", "suspend", "delete", "snapshot", "restore", "drop_snapshot"})


@dataclass(frozen=True)
class _Task:
    """One machine's planning: everything the rules below look at."""

    vm: object
    request: object
    traits: object
    known: tuple = ()

    @property
    def policy(self):
        return self.request.policy

    @property
    def forced(self):
        # A platform whose only way to stop is to cut is asked for nothing gentler than it has.
        return (self.policy.stop_mode or self.traits.stop_modes[0]) == "force"


def plan(vm, request, traits, known=()):
    """Plan for one machine.

    ``known`` are all names on the platform, for the error about a name nobody knows. Never raises for what a user
    asked: a plan with a ``refusal`` has no step.
    """
    task = _Task(vm, request, traits, tuple(known))
    try:
        return _plan(task)
    except (Refused, NotFound) as error:
        kind = "unsupported" if isinstance(error, Unsupported) else "not_found" if isinstance(error, NotFound) else "refused"
        return Plan(vm, vm, refusal=Refusal(error.message, error.remedy or "", kind))


def _plan(task):
    _check_identity(task)
    _check_reachable(task)
    if task.vm.busy and not _may_be_killed(task):
        return Plan(task.vm, task.vm, busy=task.vm.busy)
    if task.request.snapshot is not None:
        return _planned(task, snapshot_steps(task.vm, task.request.snapshot, task.traits, task.forced))
    task = _settled(task)
    if task.vm.power == ABSENT:
        return _planned(task, _making(task))
    return _plan_existing(task)


def _settled(task):
    """The task with its options in the platform's terms; with absent they were checked for form only."""
    if task.request.state == "absent":
        return replace(task, request=replace(task.request, config={}, creation={}))
    config = settle(task.vm, task.request.config, task.traits)
    check_supported(task.request.label, config, task.request.creation, task.traits)
    return replace(task, request=replace(task.request, config=config))


def _check_identity(task):
    vm, request = task.vm, task.request
    if request.id and request.name and vm.power != ABSENT and vm.name != request.name:
        raise Refused(
            f"{request.name}: the machine with id {request.id} is named '{vm.name}'.", "Machines are not renamed; correct the task."
        )


def _check_reachable(task):
    power, stop_mode = ENDS_IN[task.request.state], task.policy.stop_mode
    if power not in (None, ABSENT) and power not in task.traits.powers:
        instead = task.traits.instead.get(power, f"It can be {', '.join(sorted(task.traits.powers))}.")
        raise Unsupported(f"{task.request.label}: {task.traits.platform} has no machines that are {power}.", instead)
    if stop_mode and stop_mode not in task.traits.stop_modes:
        instead = task.traits.instead.get("stop_mode", f"It has {', '.join(task.traits.stop_modes)}.")
        raise Unsupported(f"{task.request.label}: {task.traits.platform} has no stop_mode {stop_mode}.", instead)


def _may_be_killed(task):
    return task.vm.busy == "stopping" and task.forced and task.request.state in ("stopped", "absent", "restarted")


# Making -----------------------------------------------------------------------------------------------------------


def _making(task):
    moves = _moves(task)
    if "make" not in moves:
        return []
    _check_makeable(task)
    verb = "clone" if "clone" in task.request.creation else "create"
    config = initial_config(task.vm, task.request, task.traits)
    make = Step(verb, cost=LIVE, arguments={"config": config, "creation": dict(task.request.creation)})
    return [make] + [_step(task, move) for move in moves[1:]]


def _check_makeable(task):
    request, traits = task.request, task.traits
    given = {name for name in (*request.creation, *request.config) if request.creation.get(name) or request.config.get(name)}
    if request.id:
        raise NotFound(f"{request.label}: there is no machine with id {request.id}.", _known(task))
    if not given & set(traits.sources):
        raise NotFound(
            f"{request.label}: there is no such machine, and the task does not say what to make one from"
            f" ({', '.join(traits.sources)}).",
            _known(task),
        )
    fault = traits.name_fault(request.name)
    if fault:
        raise Refused(f"{request.name}: no machine can be made with this name: {fault}.", "Choose another name.")


def _known(task):
    return f"Known machines: {', '.join(sorted(task.known)) or 'none'}."


def initial_config(vm, request, traits):
    """What a new machine gets: what was asked, and defaults for what a machine cannot be without."""
    defaults = dict(traits.defaults)
    disk = {"size": defaults.pop("disk_size", None)}
    config = {**defaults, **request.config}
    given = {slot: entry for slot, entry in (config.get("disks") or {}).items() if entry is not None}
    if not given and not ({"image", "clone"} & set(request.creation)) and "disks" in traits.sources:
        given = {traits.slot(0): {}}
    first = traits.slot(0) if {"image", "clone"} & set(request.creation) else None
    if first:
        given.setdefault(first, {})
    config["disks"] = {
        slot: entry if entry.get("size") or entry.get("source") or slot == first else {**entry, **disk}
        for slot, entry in sorted(given.items())
    }
    if not config["disks"]:
        del config["disks"]
    for name in ("networks", "port_forwards", "shared_folders"):
        if name in config:
            config[name] = {key: entry for key, entry in config[name].items() if entry is not None}
    return config


# An existing machine ----------------------------------------------------------------------------------------------


def _plan_existing(task):
    vm, request = task.vm, task.request
    purge = task.policy.purge
    wanted = _with_implied_disk(request, task.traits) if "disks" in purge else request.config
    changes, not_compared = differences(vm, wanted, purge, task.traits)
    not_compared = [*not_compared, *sorted(request.creation)]
    if vm.power == UNKNOWN:
        _check_idle_when_unknown(task, changes)
        return Plan(vm, vm, not_compared=not_compared)
    if any(change.cost == DESTRUCTIVE for change in changes):
        return _planned(task, _rebuilding(task, changes), not_compared)
    moves = _with_power_cycle(task, changes, list(_moves(task)))
    return _planned(task, _woven(task, changes, moves), not_compared)


def _with_implied_disk(request, traits):
    """The disk that an image or a clone brought along is part of every complete list."""
    if not {"image", "clone"} & set(request.creation):
        return request.config
    return {**request.config, "disks": {traits.slot(0): {}, **request.config.get("disks", {})}}


def _check_idle_when_unknown(task, changes):
    if changes or ENDS_IN[task.request.state] is not None:
        raise Refused(
            f"{task.vm.name}: its state is unknown ({task.vm.reason or 'the platform does not say'}), so nothing is changed.",
            "Look at it with the platform's own tools first.",
        )


def _moves(task):
    """The verbs of the power table for this machine, in the platform's reach."""
    vm, state = task.vm, task.request.state
    power = RUNNING if task.vm.busy == "stopping" else vm.power
    row = TABLE[state].get(power, TABLE[state][STOPPED])
    moves = row.choose(task.forced)
    if moves is None:
        asked = f"{task.request.label}: it is {vm.power}{f' ({vm.reason})' if vm.reason else ''} and cannot be {ENDS_IN[state]}"
        raise Refused(f"{asked}: {row.refused}.", _known(task) if vm.power == ABSENT else "")
    if "reset" in moves and "reset" not in task.traits.verbs:
        moves = ("kill", "start")
    return moves if vm.persistent else _moves_of_transient(task, moves)


def _moves_of_transient(task, moves):
    """A machine that exists only while it runs is gone once it is stopped."""
    if task.request.state == "absent":
        return tuple(move for move in moves if move != "delete")
    if {"stop", "kill", "suspend"} & set(moves):
        raise Refused(
            f"{task.vm.name}: it exists only while it runs, so stopping it would remove it.",
            "Ask for state: absent, or define it permanently first.",
        )
    return moves


def _with_power_cycle(task, changes, moves):
    """Insert stop and start where changes need them, with consent; refuse without."""
    vm = task.vm
    if not vm.on or ENDS_IN[task.request.state] == ABSENT:
        return moves
    if {"stop", "kill"} & set(moves):
        return moves
    needs_off = [change for change in changes if change.cost == POWER_OFF]
    if needs_off and not task.policy.allow_restart:
        raise Refused(
            f"{vm.name}: {_listed(needs_off)} can be changed only while it is off, and it is {vm.power}.",
            "Set allow_restart: true to have it power-cycled, or stop it first.",
        )
    left = pending(simulate(vm, [_configure(changes)] if changes else []))
    if "reset" in moves:
        return ["kill", "start"] if changes or left else moves
    if not needs_off and not (left and task.policy.allow_restart):
        return moves
    return _cycle(task)


def _cycle(task):
    """Off and back on: to the power that was asked, else to the power it had."""
    off = TABLE["stopped"][task.vm.power].choose(task.forced)
    end = ENDS_IN[task.request.state] or task.vm.power
    if not task.vm.persistent:
        raise Refused(
            f"{task.vm.name}: it exists only while it runs, so its settings cannot be changed.", "Define it permanently first."
        )
    return [*off, *BACK_TO[end]]


def _woven(task, changes, moves):
    """Power moves with the changes put in: as soon as the machine is off, else before anything else."""
    steps = [_step(task, move) for move in moves]
    if not changes:
        return steps
    if "delete" in moves:
        return steps
    cut = 0
    if task.vm.on:
        cut = next((place + 1 for place, move in enumerate(moves) if move in ("stop", "kill")), 0)
    return [*steps[:cut], _configure(changes), *steps[cut:]]


def _configure(changes):
    return Step("configure", changes=tuple(changes), cost=max((change.cost for change in changes), key=COSTS.index))


def _step(task, move):
    if move == "delete":
        return delete_step(task.vm, task.policy.delete_disks, task.traits)
    note = "the saved memory is discarded" if move == "kill" and task.vm.power == "suspended" else ""
    return Step(move, cost=_COST_OF_MOVE.get(move, LIVE), also=tuple(task.traits.side_effects(move)), note=note)


_COST_OF_MOVE = {"stop": POWER_OFF, "kill": POWER_OFF, "reset": POWER_OFF, "suspend": POWER_OFF}


def _rebuilding(task, changes):
    """Delete and make again: needs consent, our mark, no snapshots, and something to make it from."""
    vm, policy = task.vm, task.policy
    what = _listed([change for change in changes if change.cost == DESTRUCTIVE])
    if not policy.allow_recreate:
        raise Refused(
            f"{vm.name}: {what} cannot be changed on an existing machine.", "Set allow_recreate: true to have it rebuilt."
        )
    if not vm.owned or vm.snapshots:
        reason = "it has snapshots" if vm.owned else "it was not made by this collection"
        raise Refused(f"{vm.name}: {what} needs the machine rebuilt, but {reason}.", "Remove it yourself first.")
    if not task.request.creation and not task.request.config.get("iso"):
        raise Refused(
            f"{vm.name}: {what} needs the machine rebuilt, but the task does not say what from.", "Give its image or iso."
        )
    merged = changed_config(vm.config, changes)
    request = replace(task.request, config={**merged, **task.request.config})
    fresh = replace(task, request=request)
    off = [move for move in TABLE["absent"][vm.power].choose(task.forced) if move != "delete"]
    end = ENDS_IN[request.state] or vm.power
    make = Step(
        "clone" if "clone" in request.creation else "create",
        cost=DESTRUCTIVE,
        arguments={"config": initial_config(vm, request, task.traits), "creation": dict(request.creation)},
    )
    steps = [_step(fresh, move) for move in off]
    steps += [delete_step(vm, "owned", task.traits), make]
    return steps + [_step(fresh, move) for move in BACK_TO[end]]


def _listed(changes):
    return ", ".join(change.path for change in changes)


def _planned(task, steps, not_compared=()):
    before = task.vm
    if task.vm.power == ABSENT:
        before = task.vm.having(name=task.request.label)
    return Plan(before, simulate(before, steps), cut(steps), not_compared=tuple(not_compared))


def cut(steps):
    """Segments, each ending with a step whose end must be seen."""
    segments, open_segment = [], []
    for step in steps:
        open_segment.append(step)
        if step.verb in SEEN:
            segments.append(tuple(open_segment))
            open_segment = []
    if open_segment:
        segments.append(tuple(open_segment))
    return tuple(segments)
