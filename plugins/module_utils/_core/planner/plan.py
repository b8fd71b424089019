# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The planner: turns a VM, a request and the traits of its platform into a plan. Pure; all decisions are made here."""

from __future__ import annotations

from ..errors import NotFound, Refused, Unsupported
from ..frozen import Frozen, replace
from ..model import (
    ABSENT,
    COSTS,
    DESTRUCTIVE,
    FAILED,
    LIVE,
    LOCKED,
    POWER_OFF,
    RUNNING,
    STOPPED,
    SUSPENDED,
    UNKNOWN,
    Plan,
    Refusal,
    Step,
)
from ..options.identity import check_identity, known_names
from ..record.leases import must_be_kept, with_lease_of
from ..record.mark import image_of
from ..verbs import POWER_VERBS
from .contents import with_filled_disks
from .differences import check_known, check_supported, differences, normalize, pending, unknown_state
from .drives import boot_keys_note, deleted_media
from .interrupted import forgotten, moves_back, note_of, power_to_keep
from .plan_create import (
    check_adopted,
    check_creatable,
    check_name,
    check_not_its_own_source,
    check_record,
    check_recreatable,
    check_source,
    check_whose,
    config_of_clone,
    create_step,
    fetch_steps,
    is_cloned,
    known_settings,
    overlay,
    renaming,
    slots_of_source,
    uncertain_sources,
    with_implied_disk,
)
from .plan_delete import delete_step, saving_only
from .planned_steps import into_segments
from .power import BACK_TO, COST_OF_MOVE, ENDS_IN, TABLE, moves_between, to_persist
from .simulate import changed_config, simulate


class _Task(Frozen, eq=False):
    """The input of the plan for one VM."""

    vm: object
    request: object
    traits: object
    known: tuple = ()
    source: object = None

    @property
    def policy(self):
        return self.request.policy

    @property
    def forced(self):
        # On some platforms, cutting the power is the only way to stop a VM.
        return (self.policy.stop_mode or self.traits.stop_modes[0]) == "force"


def plan(vm, request, traits, known=(), source=None):
    """Return the plan for one VM.

    ``known`` are all VM names on the platform, for the error about an unknown name; ``source`` is the observed VM to
    clone (None: not observed). Never raises if the request cannot be carried out: the plan then has a ``refusal`` and
    no steps.
    """
    task = _Task(vm, request, traits, tuple(known), source)
    try:
        return _plan(task)
    except (Refused, NotFound) as error:
        kinds = {Unsupported: "unsupported", NotFound: "not_found", Refused: "refused"}
        kind = next(kind for base, kind in kinds.items() if isinstance(error, base))
        return Plan(vm, vm, refusal=Refusal(error.message, error.remedy or "", kind))


def _plan(task):
    # Where several VMs may have one name, the others do not matter to the deletion of the one with the ID.
    others = () if task.request.state == "absent" and not task.traits.unique_names else task.known
    if task.request.id and task.request.name:
        check_identity(task.vm, task.request.id, task.request.name, task.traits, others, task.request)
    _check_reachable(task)
    ends_lease = task.request.snapshot is None and task.policy.expired_for is not None
    if ends_lease and must_be_kept(task.vm, task.policy):
        return Plan(task.vm, task.vm)
    if task.request.backup is not None:
        # Imported here because most tasks do not need it, and imports at the top cost time in every task.
        from .plan_backup import backup_steps, waits

        reason = waits(task.vm, task.request)
        return Plan(task.vm, task.vm, busy=reason) if reason else _planned(task, backup_steps(task))
    if task.vm.busy and not _may_be_killed(task):
        return _plan_without_waiting(task) or Plan(task.vm, task.vm, busy=task.vm.busy)
    if task.request.snapshot is not None:
        from .plan_snapshot import steps_of_task

        return _planned(task, *steps_of_task(task))
    if task.vm.power == ABSENT and task.source is not None and task.source.busy:
        return Plan(task.vm, task.vm, busy=f"its source '{task.source.name}': {task.source.busy}")
    if task.vm.power == ABSENT:
        if task.request.state != "absent":
            check_name(task.vm, task.request, task.traits)
        filled = replace(task, request=with_filled_disks(task.request, task.traits))
        return _planned(task, _create_steps(_normalized(filled, _vm_to_create(task))))
    return _plan_existing(task)


def _plan_without_waiting(task):
    """Return the empty plan if a busy VM is as requested and remains so when the operation on it has ended, else None.

    A VM that is off or paused may be so only during that operation.
    """
    vm, end = task.vm, ENDS_IN[task.request.state]
    if task.request.snapshot is not None or vm.busy not in task.traits.harmless or end not in (None, RUNNING):
        return None
    if end == RUNNING != vm.power:
        return None
    try:
        planned = _plan_existing(task)
    except (Refused, NotFound):
        return None  # The operation may be the reason for the error.
    return None if planned.changed else planned


def _vm_to_create(task):
    """Return the new VM with its settings before any option is applied: a clone has those of its source."""
    if task.request.state == "absent":
        return task.vm
    if not is_cloned(task.request):
        return task.vm.having(config=_inherited(task))
    reserved = task.source.reserved if task.source is not None else frozenset()
    return task.vm.having(config=config_of_clone(task.request, task.source, task.traits), reserved=reserved)


def _inherited(task):
    return {**task.vm.config, **task.traits.inherited(task.request.creation)}


def _normalized(task, vm):
    """Return the task with its options in the platform's terms; state absent needs those that save what is deleted."""
    if task.request.state == "absent":
        return replace(task, request=saving_only(vm, task.request, task.traits))
    if vm.power == UNKNOWN:
        check_known(vm, [*task.request.config, *uncertain_sources(vm, task.request)], task.traits)
    taken = slots_of_source(task.request, task.traits) if vm.power == ABSENT else ()
    config = normalize(vm, with_lease_of(vm, task.request), task.traits, task.policy.purge, taken)
    check_supported(task.request.label, config, task.request.creation, task.traits)
    return replace(task, request=replace(task.request, config=config))


def _check_reachable(task):
    power, stop_mode = ENDS_IN[task.request.state], task.policy.stop_mode
    if power not in (None, ABSENT) and power not in task.traits.powers:
        instead = task.traits.instead.get(power, f"Supported power states: {', '.join(sorted(task.traits.powers))}.")
        raise Unsupported(f"{task.request.label}: state {power} is not supported on {task.traits.platform}.", instead)
    if stop_mode and stop_mode not in task.traits.stop_modes:
        instead = task.traits.instead.get("stop_mode", f"Supported modes: {', '.join(task.traits.stop_modes)}.")
        message = f"{task.request.label}: stop_mode {stop_mode} is not supported on {task.traits.platform}."
        raise Unsupported(message, instead)


def _may_be_killed(task):
    if task.request.snapshot is not None or task.request.state not in ("stopped", "absent", "restarted"):
        return False
    is_hung = (task.vm.busy, task.vm.power) == ("stopping", RUNNING) or (task.vm.busy == LOCKED and task.vm.on)
    return is_hung and task.forced


# Creating ---------------------------------------------------------------------------------------------------------


def _create_steps(task):
    if "create" not in _moves(task):
        return []
    check_creatable(task.vm, task.request, task.traits, task.known, task.source)
    create = create_step(task.vm, task.request, task.traits, _inherited(task), task.source)
    steps = [*fetch_steps(task.request), create]
    return _create_and_configure(task, steps, task.request.config, ENDS_IN[task.request.state] or STOPPED)


def _check_clone(task, changes):
    fixed = [change for change in changes if change.cost == DESTRUCTIVE]
    if fixed:
        raise Refused(
            f"{task.request.label}: {_listed(fixed)} of a clone cannot differ from its source"
            f" '{task.request.creation['clone']['source']}'.",
            "Clone another VM, or create it from an image.",
        )


def _create_and_configure(task, steps, wanted, end):
    """Return ``steps``, which end with the VM's creation, and the steps that configure it and set its power state."""
    created = replace(task, vm=simulate(task.vm, steps))
    changes = []
    if is_cloned(task.request):
        wanted = with_implied_disk(created.vm, task.request, wanted, task.traits)
        changes, _not_compared = differences(created.vm, wanted, task.policy.purge, task.traits)
        _check_clone(task, changes)
    if changes:
        steps = [*steps, _configure(created, changes)]
        created = replace(created, vm=simulate(created.vm, steps[-1:]))
    return [*steps, *_power_steps(created, moves_between(task.traits.power_after_create, end, task.forced))]


# An existing VM ----------------------------------------------------------------------------------------------


def _plan_existing(task):
    vm, requested = task.vm, {} if task.request.state == "absent" else task.request.config
    # The slots in the task are those of the VM after the task.
    moves = task.traits.kept_as(vm.config, {**vm.config, **requested})
    if moves:
        from .moved_drives import with_disks_of_task, with_moved_drives  # Few tasks need it.

        vm = with_moved_drives(vm, moves)
    task = _normalized(task, vm)
    request, purge = task.request, task.policy.purge
    vm = with_disks_of_task(vm, request.config, task.traits) if moves else vm
    wanted = with_implied_disk(vm, request, request.config, task.traits)
    changes, not_compared = differences(vm, wanted, purge, task.traits)
    changes = [*changes, *renaming(vm, request, task.traits), *forgotten(vm, request)]
    not_compared = [*not_compared, *sorted(request.creation)]
    if vm.lost and request.state == "absent":
        return _planned(task, [delete_step(vm, task.policy.delete_disks, task.traits)], not_compared)
    if vm.power == UNKNOWN:
        if changes or not _is_reported(vm, request.state):
            raise unknown_state(vm, task.traits)
        return Plan(vm, vm, not_compared=not_compared)
    if request.creation:
        check_record(task.vm, task.request.label)
    check_adopted(vm, request)
    check_whose(vm, request, changes, task.traits)
    if any(change.cost == DESTRUCTIVE for change in changes):
        # The disk of the new VM is the first one on the default bus.
        wanted = with_implied_disk(vm, request, request.config, task.traits, is_rebuilt=True)
        changes, not_compared = differences(vm, wanted, purge, task.traits)
        not_compared = [*not_compared, *sorted(request.creation)]
        return _planned(task, _recreate_steps(task, changed_config(vm.config, changes), changes), not_compared)
    moves = _with_power_cycle(task, changes, list(_moves(task)))
    return _planned(task, _with_changes(task, changes, moves), not_compared)


def _is_reported(vm, state):
    """Return whether a VM in an unknown power state needs no step for the requested state, as far as is reported."""
    return ENDS_IN[state] is None or (vm.reported is not None and TABLE[state][vm.reported].choose(False) == ())


def _moves(task):
    """Return the moves of the power table for this VM, with replacements for those that its platform lacks."""
    vm, state = task.vm, task.request.state
    if (state, vm.power, task.forced) == ("stopped", SUSPENDED, False) and task.traits.suspended_counts_as_stopped:
        return ()
    row = TABLE[state].get(vm.power, TABLE[state][STOPPED])
    moves = moves_back(vm, task.request) or row.choose(task.forced)
    if moves is None:
        reason = f" ({vm.reason})" if vm.reason else ""
        message = f"{task.request.label}: state: {state} is not possible, as its power state is {vm.power}{reason}."
        raise Refused(
            message,
            f"{row.refused} {known_names(task.known, task.request.label)}" if vm.power == ABSENT else row.refused,
        )
    if "reset" in moves and (vm.busy or "reset" not in task.traits.verbs or task.policy.at_start):
        moves = ("kill", "start")
    return moves if vm.persistent else _transient_moves(task, moves)


def _transient_moves(task, moves):
    """Return the moves for a VM that exists only while it runs (transient): stopping it deletes it."""
    if task.request.state == "absent":
        # Stopping deletes the VM; its files must be deleted by a step.
        return moves if task.vm.files else tuple(move for move in moves if move != "delete")
    if {"stop", "kill", "suspend"} & set(moves):
        raise Refused(
            f"{task.vm.name}: the VM exists only while it runs, so stopping it would delete it.",
            f"{to_persist(task.vm, task.traits)} Or set state: absent.",
        )
    return moves


def _with_power_cycle(task, changes, moves):
    """Return the moves with stop and start if the changes need them. Raises Refused without ``allow_restart``."""
    vm = task.vm
    if not vm.on or ENDS_IN[task.request.state] == ABSENT:
        return moves
    if {"stop", "kill"} & set(moves):
        return moves
    needs_off = [change for change in changes if change.cost == POWER_OFF]
    if needs_off and not vm.persistent:
        raise Refused(
            f"{vm.name}: the VM exists only while it runs, so {_listed(needs_off)} cannot be changed.",
            to_persist(vm, task.traits),
        )
    left = _left_for_cold_start(task, changes)
    if "reset" in moves:
        # A reset keeps the settings that the VM runs with: only a cold start applies the stored ones.
        return ["kill", "start"] if needs_off or left else moves
    if needs_off and not task.policy.allow_restart:
        raise Refused(
            f"{vm.name}: {_listed(needs_off)} can be changed only while the VM is off; it is {vm.power}.",
            _remedy_while_on(task.traits, needs_off),
        )
    if not needs_off and not (left and task.policy.allow_restart):
        return moves
    return _cycle(task)


def _remedy_while_on(traits, needs_off):
    """Return the remedy for a VM that is on: that of the first change that has its own, else a restart."""
    remedies = (traits.fields[change.kind].while_on for change in needs_off)
    return next(filter(None, remedies), "Set allow_restart: true to restart it, or stop it first.")


def _left_for_cold_start(task, changes):
    """Return the settings that would be stored but not in effect after ``changes``; none for a failed VM."""
    if task.vm.power == FAILED or not task.vm.persistent:
        return []
    return pending(simulate(task.vm, [_configure(task, changes)] if changes else []))


def _cycle(task):
    """Return the moves that stop the VM and start it again: to the requested power state, else to the previous one."""
    off = TABLE["stopped"][task.vm.power].choose(task.forced)
    return [*off, *BACK_TO[ENDS_IN[task.request.state] or task.vm.power]]


def _with_changes(task, changes, moves):
    """Return the steps of the moves, with the changes as soon as the VM is off, else before the first move."""
    if not changes:
        return _power_steps(task, moves)
    first_off = 0
    if task.vm.on:
        first_off = next((index + 1 for index, move in enumerate(moves) if move in ("stop", "kill")), 0)
    steps = _power_steps(task, moves[:first_off])
    steps.append(_configure(replace(task, vm=simulate(task.vm, steps)), changes))
    return [*steps, *_power_steps(replace(task, vm=simulate(task.vm, steps)), moves[first_off:])]


def _configure(task, changes):
    cost = max((change.cost for change in changes), key=COSTS.index)
    media = deleted_media(task.vm, changes, task.traits)
    also = (*task.traits.side_effects("configure", task.vm, changes), *media.pop("also", ()))
    # The VM was not created from its image if what the image stands for is another one before its first start.
    is_other = bool(image_of(task.vm)) and any(change.field in task.traits.instead_of_image for change in changes)
    arguments = {**({"forgets_image": True} if is_other else {}), **media}
    return Step("configure", changes=tuple(changes), cost=cost, also=also, arguments=arguments)


def _power_steps(task, moves):
    """Return the steps of ``moves``, each planned for the VM after the previous moves."""
    steps, vm = [], task.vm
    for index, move in enumerate(moves):
        steps.append(_power_step(task, vm, move, is_last=index == len(moves) - 1))
        vm = simulate(vm, steps[-1:])
    return steps


def _power_step(task, vm, move, is_last):
    if move == "delete":
        return delete_step(vm if task.vm.persistent else task.vm, task.policy.delete_disks, task.traits)
    # Only the last start is certain to be a cold start, unless it restores memory.
    arguments = task.policy.at_start if move == "start" and is_last and vm.power != SUSPENDED else {}
    also = tuple(task.traits.side_effects(move, vm, ()))
    note = _NOTES.get((vm.power, move), "") or boot_keys_note(vm, arguments) or note_of(vm, task.policy, move)
    return Step(move, arguments=arguments, cost=COST_OF_MOVE.get(move, LIVE), also=also, note=note)


_NOTES = {
    (SUSPENDED, "start"): "the saved memory is restored",
    (SUSPENDED, "kill"): "the saved memory is discarded",
}


def _recreate_steps(task, config, changes):
    """Return the steps to delete the VM and create it again. It must have our mark and a source, but no snapshots.

    ``config`` are its settings, to which ``changes`` were applied.
    """
    from .moved_drives import check_kept_settings, config_to_recreate  # Few tasks create a VM again.

    vm, request = task.vm, task.request
    what = _listed([change for change in changes if change.cost == DESTRUCTIVE])
    _moves(task)  # Raises if the power table rejects the requested state; this applies to a recreated VM, too.
    check_recreatable(vm, request, task.traits, what)
    check_source(request, task.traits, task.known, task.source)
    check_not_its_own_source(vm, request, task.source)
    off = [move for move in TABLE["absent"][vm.power].choose(task.forced) if move != "delete"]
    delete = delete_step(vm, "owned", task.traits)
    config = config_to_recreate(vm, config, request, delete.arguments["files"], task.traits)
    absent = simulate(vm, [delete])
    check_kept_settings(_vm_to_create(replace(task, vm=absent)), config, task.traits)
    create = create_step(absent, request, task.traits, config, task.source, DESTRUCTIVE)
    wanted = overlay(known_settings(config), request.config, task.traits)
    end = ENDS_IN[request.state] or power_to_keep(vm, task.policy)
    # If the image cannot be downloaded, the VM must still be there.
    before = [*fetch_steps(request), *_power_steps(task, off)]
    return [*before, *_create_and_configure(task, [delete, create], wanted, end)]


def _listed(changes):
    return ", ".join(change.path for change in changes)


def _planned(task, steps, not_compared=()):
    if not all(step.verb in POWER_VERBS for step in steps):
        check_record(task.vm, task.request.label)
    before = task.vm.having(name=task.request.label) if task.vm.power == ABSENT else task.vm
    if not steps:
        return Plan(before, before, not_compared=tuple(not_compared))
    segments = into_segments(steps, task.traits.synchronous_verbs)
    return Plan(before, simulate(before, steps), segments, not_compared=tuple(not_compared))
