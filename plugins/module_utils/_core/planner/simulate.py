# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute the state of a VM after steps. Diffs and the results of check mode come from here."""

from __future__ import annotations

from ..frozen import replace
from ..model import ABSENT, COLLECTIONS, EMPTY, LIVE, ON, PAUSED, RUNNING, STOPPED, SUSPENDED, Snapshot, Vm
from ..record.leases import NEVER_EXPIRES, leased
from ..record.mark import INTERRUPTED, inputs_of_image


def simulate(vm, steps):
    """Return the VM after ``steps``. Pure: the planner, check mode and the tests use the same function."""
    for step in steps:
        vm = _AFTER[step.verb](vm, step)
    return vm


def changed_config(config, changes):
    """Return ``config`` with ``changes`` applied."""
    result = dict(config)
    for change in changes:
        if change.key is None and change.attribute is None:
            result[change.field] = change.new
            continue
        part = dict(result.get(change.field) or {})
        if change.key is None:
            part[change.attribute] = change.new
        elif change.attribute is not None:
            entry = {**part.get(change.key, {}), change.attribute: change.new}
            # A change to None removes the attribute.
            part[change.key] = {name: value for name, value in entry.items() if value is not None}
        elif change.new is None and change.field in COLLECTIONS:
            part.pop(change.key, None)
        else:
            part[change.key] = change.new
        result[change.field] = part
    return result


def _create(vm, step):
    config, power = step.arguments["config"], step.arguments["power"]
    image = step.arguments.get("creation", {}).get("image")
    mark = {"id": None, **({"inputs": inputs_of_image(image)} if image else {})}
    return Vm(name=vm.name, power=power, config=config, active=config if power == RUNNING else None, mark=mark)


def _configure(vm, step):
    name = next((change.new for change in step.changes if change.field == "name"), vm.name)
    settings = [one for one in step.changes if one.field not in ("name", INTERRUPTED)]
    vm, step = vm.having(name=name), replace(step, changes=settings)
    config = changed_config(vm.config, step.changes)
    if step.arguments.get("forgets_image"):
        vm = vm.having(mark={**vm.mark, "inputs": {}})
    if vm.power not in ON:
        return vm.having(config=config)
    live = [change for change in step.changes if change.cost == LIVE]
    # If the platform does not report the running settings, assume the settings that were stored until now.
    before = {change.field: vm.config.get(change.field) for change in step.changes}
    running = {**before, **(vm.active or EMPTY)}
    # For settings that were not set until now, the platform has chosen a value.
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
    current = next((one for one in vm.snapshots if one.current), None)
    taken = Snapshot(
        name=step.arguments["name"],
        parent=current and (current.id or current.name),
        power=step.arguments["power"],
        description=step.arguments["description"],
        config=vm.config,
        kind=step.arguments["kind"],
        current=True,
        expires=step.arguments.get("expires", NEVER_EXPIRES),
    )
    return vm.having(snapshots=(*(replace(one, current=False) for one in vm.snapshots), taken))


def _drop_snapshot(vm, step):
    for key in step.arguments["ids"]:
        vm = vm.having(snapshots=_without(vm.snapshots, key))
    return vm


def _without(snapshots, key):
    """Return the snapshots without one: its children get its parent, which also becomes current if it was current."""
    gone = next(snapshot for snapshot in snapshots if key in (snapshot.id, snapshot.name))
    return tuple(_relinked(one, gone) for one in snapshots if one is not gone)


def _relinked(one, gone):
    if _is_child_of(one, gone):
        return replace(one, parent=gone.parent)
    return replace(one, current=True) if gone.current and _is_child_of(gone, one) else one


def _edit_snapshot(vm, step):
    key, expires = step.arguments["id"], step.arguments["expires"]
    edited = [replace(one, expires=expires) if key in (one.id, one.name) else one for one in vm.snapshots]
    return vm.having(snapshots=tuple(edited))


def _is_child_of(one, other):
    return one.parent is not None and one.parent in (other.id, other.name)


def _restore(vm, step):
    key = step.arguments["id"]
    taken = next(snapshot for snapshot in vm.snapshots if key in (snapshot.id, snapshot.name))
    config = vm.config if taken.config is None else leased(taken.config, vm.config)
    power = step.arguments["power"]
    active = None if power in (STOPPED, ABSENT) else config
    snapshots = tuple(replace(one, current=one is taken) for one in vm.snapshots)
    return vm.having(power=power, config=config, active=active, reason="", snapshots=snapshots, restored=taken.name)


def _backup(vm, step):
    made = step.arguments["made"]
    return vm.having(backups=(*(one for one in vm.backups if one.id != made.id), made))


def _drop_backup(vm, step):
    return vm.having(backups=tuple(one for one in vm.backups if one.id not in step.arguments["ids"]))


def _edit_backup(vm, step):
    key, protected = step.arguments["id"], step.arguments["protected"]
    return vm.having(backups=tuple(replace(one, protected=protected) if one.id == key else one for one in vm.backups))


def _restore_backup(vm, step):
    """A restored VM is off; one that did not exist gets its id and mark by the restore."""
    config = step.arguments["backup"].config
    if vm.power == ABSENT:
        vm = Vm(name=vm.name, backups=vm.backups, mark={"id": None})
    config = vm.config if config is None else config
    return vm.having(power=STOPPED, config=config, active=None, reason="", snapshots=(), restored=step.arguments["id"])


_AFTER = {
    "create": _create, "clone": _create, "configure": _configure, "start": _start, "stop": _stop, "kill": _stop,
    "pause": _to(PAUSED), "resume": _to(RUNNING), "suspend": _to(SUSPENDED), "reset": _reset, "delete": _delete,
    "snapshot": _snapshot, "restore": _restore, "drop_snapshot": _drop_snapshot,
    "edit_snapshot": _edit_snapshot,
    "fetch": lambda vm, step: vm,
    "backup": _backup, "drop_backup": _drop_backup, "edit_backup": _edit_backup,
    "restore_backup": _restore_backup, "create_from_backup": _restore_backup,
    "prepare_restore": lambda vm, step: vm, "finish_restore": lambda vm, step: vm,
}  # fmt: skip
