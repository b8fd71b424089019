# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan to create, delete or restore backups. ``present`` asks for a backup that is young enough, and then prunes.

A restore in place always restores, because the content of disks cannot be compared. A VM that came from the requested
backup is unchanged if the task does not permit to replace it.
"""

from __future__ import annotations

from ..backup import manifest
from ..backup.backup import (
    FILESYSTEM,
    NEWEST,
    OFF,
    Backup,
    births_of,
    choose,
    comes_from,
    find,
    interrupted_restore,
    own_backups,
    restored_from,
    surplus,
)
from ..errors import NotFound, Refused, Unsupported
from ..frozen import replace
from ..model import ABSENT, LIVE, NEVER, PAUSED, POWER_OFF, STOPPED, SUSPENDED, UNKNOWN, Change, Step
from ..options.identity import known_names
from ..record.mark import making_of
from .differences import unknown_state
from .plan_delete import NOT_CREATED_HERE, check_not_guarded, why_kept
from .power import BACK_TO, COST_OF_MOVE, TABLE, to_persist
from .simulate import simulate


def waits(vm, request):
    """Return why the plan must wait for another operation on the VM, or an empty string."""
    asked, now = request.backup, request.policy.controller_time
    if not vm.busy or asked.state == "absent":
        return ""
    own = own_backups(vm)
    is_ready = asked.state == "present" and any(
        one.satisfies(asked, now) or (one.is_written and _is_as_asked(one, asked)) for one in own
    )
    return "" if is_ready else vm.busy


def backup_steps(task):
    """Return the steps for the backups of one VM."""
    vm, request, traits = task.vm, task.request, task.traits
    if "backup" not in traits.verbs:
        raise Unsupported(
            f"{request.label}: backups are not supported on {traits.platform}.", traits.instead.get("backup", "")
        )
    if request.backup.state == "present":
        return _present(vm, request, traits, task.known, task.forced)
    return {"absent": _absent, "restored": _restored}[request.backup.state](vm, request, traits)


# Present --------------------------------------------------------------------------------------------------------------


def _present(vm, request, traits, known, forced):
    if vm.power == ABSENT:
        raise NotFound(f"{vm.name}: the VM does not exist, so it cannot be backed up.", known_names(known, vm.name))
    asked, now = request.backup, request.policy.controller_time
    own = own_backups(vm)
    fitting = [one for one in own if one.satisfies(asked, now)]
    # First: what a killed task has left needs space, and its guest may still be frozen.
    left = [one for one in own if one.unfinished and not (one.is_written or one.is_foreign or one.needed)]
    steps = [_drop(left)] if left else []
    steps += _with_protection(fitting[-1], asked) if fitting else _take(vm, request, own, traits, forced)
    return [*steps, *_prune(simulate(vm, steps), request, fitting[-1].id if fitting else None)]


def _with_protection(backup, asked):
    if asked.protected in (None, backup.protected):
        return []
    change = Change("backups", backup.protected, asked.protected, key=backup.id, attribute="protected")
    return [Step("edit_backup", (change,), {"id": backup.id, "protected": asked.protected})]


def _take(vm, request, own, traits, forced):
    """Return the steps that create a backup; one that a running job writes is completed."""
    asked = request.backup
    _check_can_be_taken(vm, asked, traits)
    made = [one for one in own if one.is_written and _is_as_asked(one, asked)][:1]
    # With an age of 0, a job that an earlier task has begun is not enough.
    made = made if made and asked.max_age else [*made, _planned(vm, request)]
    steps = [Step("backup", arguments={"made": one, "consistency": asked.consistency}) for one in made]
    if asked.consistency != OFF or not vm.on:
        return steps
    if not request.policy.allow_restart:
        raise Refused(
            f"{vm.name}: consistency: stopped: the VM is {vm.power}, and has to be stopped for such a backup.",
            "Set allow_restart: true to stop it and start it again, or consistency: filesystem.",
        )
    if not vm.persistent:
        raise Refused(
            f"{vm.name}: the VM exists only while it runs, so stopping it for the backup would delete it.",
            f"{to_persist(vm, traits)} Or omit consistency.",
        )
    return [*_moves(TABLE["stopped"][vm.power].choose(forced)), *steps, *_moves(BACK_TO[vm.power])]


def _is_as_asked(backup, asked):
    """Whether a backup that a running job writes will be what the task asks for; its consistency is checked later."""
    is_protected = asked.protected in (None, backup.protected)
    return asked.consistency != OFF and is_protected and set(backup.excluded) <= set(asked.exclude)


def _moves(verbs):
    return [Step(verb, cost=COST_OF_MOVE.get(verb, LIVE)) for verb in verbs]


def _check_can_be_taken(vm, asked, traits):
    if vm.power == UNKNOWN:
        raise unknown_state(vm, traits)
    field = traits.fields["backup.take"]
    if field.cost_of(vm, Change("backup", None, asked)) == NEVER:
        raise Refused(f"{vm.name}: no backup is possible while the VM is {vm.power}.", field.instead)
    if asked.consistency == FILESYSTEM and vm.power == PAUSED:
        raise Refused(
            f"{vm.name}: consistency: filesystem: the VM is paused, so its agent cannot freeze its file systems.",
            "Resume it first, or set consistency: crash.",
        )


def _planned(vm, request):
    asked, now, taken = request.backup, request.policy.controller_time, {one.id for one in vm.backups}
    # The newest one is the last one, also if another controller, whose clock is ahead, has created the others.
    start = max([now, *(int(one.start) + 1 for one in own_backups(vm) if one.counts(now))])
    while manifest.new_id(start, vm.identity) in taken:  # A damaged one of the same second.
        start += 1
    return Backup(
        id=manifest.new_id(start, vm.identity),
        vm=vm.name,
        birth=vm.identity,
        start=start,
        # At least; which one it is is known when the file systems of a running VM are frozen.
        consistency=asked.consistency if vm.on else OFF,
        power=vm.power,
        protected=bool(asked.protected),
        excluded=tuple(asked.exclude),
    )


def _prune(vm, request, satisfying):
    """Delete the good backups that no rule keeps, but not the ``satisfying`` one, which can be older than others.

    One that others need is kept, and the rules are applied as if it did not exist.
    """
    now = request.policy.controller_time
    candidates = [one for one in own_backups(vm) if one.counts(now) and not (one.protected or one.needed)]
    to_delete = [one for one in surplus(candidates, request.backup.keep, now) if one.id != satisfying]
    return [_drop(to_delete)] if to_delete else []


def _drop(backups):
    # A backup that was unfinished is deleted only if it still is.
    unfinished = tuple(one.id for one in backups if one.unfinished)
    files = tuple(path for one in backups for path in one.files)
    arguments = {"ids": tuple(one.id for one in backups), "unfinished": unfinished, "files": files}
    return Step("drop_backup", arguments=arguments)


# Absent ---------------------------------------------------------------------------------------------------------------


def _absent(vm, request, _traits):
    found = find(vm.backups, request.backup.backup)
    if found is None:
        return []
    if found.protected:
        raise Refused(
            f"{vm.name}: backup '{found.id}' is protected.",
            "Set state: present with protected: false first, if it is the newest one.",
        )
    if found.is_written:
        raise Refused(f"{vm.name}: backup '{found.id}' is still being written.", "Wait until its job has ended.")
    reason = found.needed or (found.damaged if not found.files else "")
    if reason:
        raise Refused(
            f"{vm.name}: backup '{found.id}' cannot be deleted: {reason}.",
            "Detach the file from that VM, or close or delete what needs it, and run the task again."
            if found.needed
            else f"Delete its directory yourself: {found.birth}/{found.id} in the directory of the backups.",
        )
    return [_drop([found])]


# Restored -------------------------------------------------------------------------------------------------------------


def _restored(vm, request, traits):
    asked, now = request.backup, request.policy.controller_time
    exists = vm.power != ABSENT
    if vm.power == UNKNOWN:
        raise unknown_state(vm, traits)
    # An ID can be that of a backup of another VM with this name, which is an error.
    fitting = own_backups(vm, with_others=asked.is_beside or not exists or asked.backup != NEWEST)
    if exists and not asked.replace:
        return _check_came_from(vm, asked, [one for one in fitting if one.counts(now)])
    chosen = choose(request.label, fitting, asked, now)
    arguments = {"id": chosen.id, "backup": chosen, "origin": restored_from(chosen), "networks": asked.networks}
    if not exists:
        return [Step("create_from_backup", arguments=arguments), *_moves(BACK_TO.get(chosen.power_before, ()))]
    return _replace(vm, chosen, arguments, traits)


def _check_came_from(vm, asked, fitting):
    """Return no steps if the VM came from the requested backup. Raises Refused otherwise."""
    wanted = fitting[-1:] if asked.backup == NEWEST else [one for one in fitting if one.id == asked.backup]
    if any(comes_from(vm, one) for one in wanted):
        return []
    raise Refused(
        f"{vm.name}: the VM exists, and was not restored from backup '{asked.backup}'.",
        "Set another new_name to restore the backup as another VM."
        if asked.is_beside
        else "Set new_name to restore it as another VM, or replace: true to replace this one.",
    )


def _replace(vm, chosen, arguments, traits):
    """Return the steps that replace the disks and the definition of an existing VM.

    It is stopped when the new disks are complete, and its former disks are deleted when it is started again. If an
    interrupted task has replaced it, only the end is missing.
    """
    if chosen.birth not in births_of(vm):
        raise Refused(
            f"{vm.name}: backup '{chosen.id}' is of another VM with this name ({chosen.birth}).",
            "Restore it as another VM (new_name).",
        )
    if not vm.persistent:
        raise Refused(f"{vm.name}: the VM exists only while it runs.", to_persist(vm, traits))
    if vm.power == SUSPENDED:
        raise Refused(
            f"{vm.name}: the VM is suspended, and its saved memory would be lost before the restore is complete.",
            "Start or stop it first.",
        )
    begun = interrupted_restore(vm.mark if vm.owned else None)
    # An interrupted restore may have stopped it.
    back = _moves(BACK_TO.get(begun.get("power"), ()) if vm.power == STOPPED and begun else BACK_TO[vm.power])
    if begun.get("id") == chosen.id:
        left = {one.path: why_kept(vm, one, "owned") for one in vm.files if one.path in begun.get("files", ())}
        kept = {path: reason for path, reason in left.items() if reason}
        arguments = {**arguments, "files": tuple(path for path in left if path not in kept), "kept": kept}
        also = f"An interrupted task has restored '{chosen.id}'; this one completes it. Run it again to restore again."
        return [*(back if vm.power == STOPPED else ()), Step("finish_restore", arguments=arguments, also=(also,))]
    kept, to_delete = _former_files(vm, chosen, begun.get("files", ()))
    check_not_guarded(vm)
    lost = tuple(one.name for one in vm.snapshots)
    also = [f"Snapshots of the VM are lost: {', '.join(lost)}."] if lost else []
    also += [f"Disks are deleted after the restore: {', '.join(to_delete)}."] if to_delete else []
    arguments = {**arguments, "files": tuple(to_delete), "kept": kept, "snapshots": lost}
    return [
        Step("prepare_restore", arguments=arguments, also=tuple(filter(None, [traits.preparing]))),
        *([Step("kill", cost=POWER_OFF, note="the restore discards the running state")] if vm.on else []),
        Step("restore_backup", arguments=arguments, cost=POWER_OFF, also=tuple(also)),
        *back,
        Step("finish_restore", arguments=arguments),
    ]


def _former_files(vm, chosen, replaced):
    """({path: why it is kept}, paths to delete). Raises Refused if the restore would lose a disk.

    Only the backup has the content of a disk, so a disk that is not in it is never deleted. ``replaced`` are disks that
    an interrupted restore has replaced: they are deleted, too.
    """
    slots = {disk.get("source"): slot for slot, disk in (vm.config.get("disks") or {}).items()}
    contained = set((chosen.config or {}).get("disks") or ()) - set(chosen.excluded)
    # The driver deletes the former NVRAM file, too.
    kept = {one.path: why_kept(vm, one, "owned") for one in vm.files if one.role == "nvram" and one.used_by}
    to_delete = []
    making = making_of(vm.mark) if vm.owned else ()
    # Disks that are read-only or shareable have another role.
    replaceable = {path for path, slot in slots.items() if slot not in chosen.excluded}
    disks = [
        replace(one, role="disk") if one.path in replaceable and one.role != "no file" else one for one in vm.files
    ]
    for file in (one for one in disks if one.role in ("disk", "no file")):
        if file.path in making and not why_kept(vm, file, "owned"):
            continue  # The restore removes what an interrupted one has created.
        reason = why_kept(vm, file, "owned") or ("" if vm.created else NOT_CREATED_HERE)
        if not reason and file.path in slots and slots[file.path] not in contained:
            raise Refused(
                f"{vm.name}: backup '{chosen.id}' does not contain disk {slots[file.path]}, which the VM has.",
                "Restore it as another VM (new_name), or remove that disk from the VM first.",
            )
        if reason or file.path not in (*slots, *replaced):
            kept[file.path] = reason or "it is not a disk of the VM now, and no backup is known to contain it"
        else:
            to_delete.append(file.path)
    return kept, to_delete
