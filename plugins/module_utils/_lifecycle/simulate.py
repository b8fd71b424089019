# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a VM will be after steps: the one source of diffs and of check mode's results."""

from __future__ import annotations

from dataclasses import replace

from .model import ABSENT, COLLECTIONS, EMPTY, LIVE, ON, PAUSED, RECORDS, RUNNING, STOPPED, SUSPENDED, Snapshot, Vm


def simulate(vm, steps):
    """The VM after ``steps``; pure, so that the planner, check mode and the tests share one answer."""
    for step in steps:
        vm = _AFTER[step.verb](vm, step)
    return vm


def changed_config(config, changes):
    """A configuration with ``changes`` made to it."""
    result = dict(config)
    for change in changes:
        if change.key is None and change.attribute is None:
            result[change.field] = change.new
            continue
        part = dict(result.get(change.field) or {})
        if change.field in RECORDS:
            part[change.attribute] = change.new
        elif change.attribute is not None:
            entry = {**part.get(change.key, {}), change.attribute: change.new}
            # What an entry has no more is not in it.
            part[change.key] = {name: value for name, value in entry.items() if value is not None}
        elif change.new is None and change.field in COLLECTIONS:
            part.pop(change.key, None)
        else:
            part[change.key] = change.new
        result[change.field] = part
    return result


def _create(vm, step):
    config, power = step.arguments["config"], step.arguments["power"]
    return Vm(name=vm.name, power=power, config=config, active=config if power == RUNNING else None, mark={"id": None})


def _configure(vm, step):
    config = changed_config(vm.config, step.changes)
    if vm.power not in ON:
        return vm.having(config=config)
    live = [change for change in step.changes if change.cost == LIVE]
    # If the settings that the VM runs with are not reported, they are those that were stored until now.
    before = {change.field: vm.config.get(change.field) for change in step.changes}
    running = {**before, **(vm.active or EMPTY)}
    # What was left to the platform until now, it has chosen.
    chosen = {name: value for name, value in vm.effective.items() if name in before and running[name] is None}
    return vm.having(config=config, active=changed_config({**running, **chosen}, live))


def _start(vm, step):
    restored = vm.power == SUSPENDED and vm.active is not None
    return vm.having(power=RUNNING, active=vm.active if restored else vm.config, reason="", restarted=True)


def _stop(vm, step):
    if not vm.persistent:
        return Vm.absent(vm.name)
    return vm.having(power=STOPPED, active=None, addresses=(), ssh=None, reason="", busy=None)


def _to(power):
    return lambda vm, step: vm.having(power=power, reason="")


def _reset(vm, step):
    return vm.having(restarted=True)


def _delete(vm, step):
    return Vm.absent(vm.name)


def _snapshot(vm, step):
    below = next((one for one in vm.snapshots if one.current), None)
    taken = Snapshot(
        name=step.arguments["name"],
        parent=below and (below.id or below.name),
        power=step.arguments["power"],
        description=step.arguments["description"],
        config=vm.config,
        kind=step.arguments["kind"],
        current=True,
    )
    return vm.having(snapshots=(*_without_current(vm.snapshots), taken))


def _without_current(snapshots):
    return tuple(replace(one, current=False) for one in snapshots)


def _drop_snapshot(vm, step):
    for key in step.arguments["ids"]:
        vm = vm.having(snapshots=_without(vm.snapshots, key))
    return vm


def _without(snapshots, key):
    """The snapshots without one: its parent takes its place, for its children and for what the disks went on from."""
    gone = next(snapshot for snapshot in snapshots if key in (snapshot.id, snapshot.name))
    return tuple(_after_parting(one, gone) for one in snapshots if one is not gone)


def _after_parting(one, gone):
    if _hangs_on(one, gone):
        return replace(one, parent=gone.parent)
    return replace(one, current=True) if gone.current and _hangs_on(gone, one) else one


def _hangs_on(one, other):
    return one.parent is not None and one.parent in (other.id, other.name)


def _restore(vm, step):
    key = step.arguments["id"]
    taken = next(snapshot for snapshot in vm.snapshots if key in (snapshot.id, snapshot.name))
    config = vm.config if taken.config is None else taken.config
    power = step.arguments["power"]
    active = None if power in (STOPPED, ABSENT) else config
    snapshots = tuple(replace(one, current=one is taken) for one in vm.snapshots)
    return vm.having(power=power, config=config, active=active, reason="", snapshots=snapshots, restored=taken.name)


_AFTER = {
    "create": _create, "clone": _create, "configure": _configure, "start": _start, "stop": _stop, "kill": _stop,
    "pause": _to(PAUSED), "resume": _to(RUNNING), "suspend": _to(SUSPENDED), "reset": _reset, "delete": _delete,
    "snapshot": _snapshot, "restore": _restore, "drop_snapshot": _drop_snapshot,
}  # fmt: skip
