# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare the plans of all VMs of a task, whichever driver they have: their order, and what they claim together."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

from .._core import errors
from .._core.frozen import replace
from .._core.model import ABSENT, Plan, is_started
from .._core.planner.planned_steps import deleted_files
from .._core.sharing.claims import (
    BASE,
    DELETE,
    FILE,
    MOVE,
    OWN,
    READ,
    WRITE,
    Claim,
    Held,
    claims_of_steps,
)
from .._core.sharing.losses import asked_about, can_claim, claims_of_all, claims_of_plan, permit_of
from .._core.verbs import CREATING, DELETING, Permit
from .._ports import exclusive
from .order import in_order, reject_twice_listed, sorted_by

#: For so many conflicts it is determined whether another order helps. That takes as long as the comparison itself.
_MOST_EXPLAINED = 5
#: The files of so many VMs are locked at the same time: each lock is an open file.
_MOST_LOCKED = 64
_LATE = "Nothing was deleted. Run the task again, in check mode first: it makes a new plan."


def compare_plans(works):
    """Return ``works`` in the order in which their plans take effect.

    A plan that other plans or other VMs exclude gets ``work.conflict``. ``work.after`` are the works that a plan has to
    wait for, ``work.released`` is what earlier plans let go of: {(kind, identity)}.
    """
    ordered = in_order(works)
    reject_twice_listed(works)
    for task in {id(work.task): work.task for work in works}.values():
        task.read_ahead()
    wanted = {}
    for work in filter(_is_claiming, works):
        with _rejected_on_error([work]):
            wanted[id(work)] = _wanted(work)
    if any(wanted.values()):
        return _Comparison(works, ordered, _held(works, wanted)).ordered()
    for work in works:
        work.permit = permit_of(work.plan)
    return ordered


def permit_of_next(work):
    """Return the Permit of the next steps of ``work``. An undo deletes the VM that this task has created: no plan
    lists that."""
    if work.claims is None or not _is_undoing(work):
        return work.permit.of(work.progress.wish.steps)
    vm = work.progress.vm
    plan = Plan(vm, vm.having(power=ABSENT), segments=(work.progress.wish.steps,))
    return permit_of(plan, claims_of_steps(plan, (), work.claims))


def _is_undoing(work):
    from .progress.state import UNDOING  # Check mode does not need it.

    return work.progress.phase == UNDOING


class Look:
    """The last look before the steps of ``works`` that attach files, or lose what is in them.

    The files are locked until the last of these works has ended its steps, then they are compared with what all VMs
    hold now: once for all ``works``, which are of one task and place. ``check`` raises Held if another task has locked
    a file, so nobody waits with a lock, or Refused if somebody needs it who did not when the plans were compared. What
    is below a disk is only needed, so its lock is shared. ``later`` are {id(work)} beyond the number of VMs whose files
    are locked at the same time.
    """

    def __init__(self, works):
        self._errors, self._locks, self._locked = {}, ExitStack(), set()
        #: {id(work): Permit of its next steps}, if these attach or lose a file. An undo loses what this task created.
        self._permits = {id(one): permit_of_next(one) for one in works if not _is_undoing(one)}
        looked = [one for one in works if _is_looked_at(self._permits.get(id(one)))]
        now, self.later = looked[:_MOST_LOCKED], {id(one) for one in looked[_MOST_LOCKED:]}
        self._open = {id(one) for one in now}
        for work in now:
            self._try(work, self._lock)
        # A base that is only linked to is locked: who deletes it has to wait, and then finds the new disk.
        self._compare([one for one in now if id(one) not in self._errors and _is_compared(self._permits[id(one)])])

    def check(self, work):
        """Raise what forbids the next steps of a work."""
        if id(work) in self._errors:
            raise self._errors[id(work)]

    def close(self, work):
        """The steps of a work have ended."""
        self._open.discard(id(work))
        if not self._open:
            self._locks.close()

    def _try(self, work, action):
        try:
            action(work)
        except errors.PolyvirtError as error:
            self._errors[id(work)] = error
        except Exception as error:  # A bug here must not lose the results of the other VMs.
            self._errors[id(work)] = errors.unexpected(error)

    def _lock(self, work):
        permit = self._permits[id(work)]
        for claim in sorted((*permit.attached, *permit.lost), key=lambda one: str(one.identity)):
            name = f"file {claim.identity[1]}"
            if name not in self._locked and not self._locks.enter_context(
                exclusive.held(name, shared=claim.mode == BASE)
            ):
                doing = "deleting or changing" if claim in permit.lost else "attaching"
                raise errors.Held(f"{work.request.label}: {claim.path or claim.text}", f"{doing} {claim.text}")
            self._locked.add(name)

    def _compare(self, works):
        if not works:
            return
        permits = [self._permits[id(work)] for work in works]
        wanted = [claim for permit in permits for claim in (*permit.lost, *permit.attached)]
        try:
            held = works[0].claims.held_now(wanted)
        except errors.PolyvirtError as error:
            self._errors.update({id(work): error for work in works})
            return
        # An earlier attempt of a creation may have stored it.
        new = {work.name for work in works if any(step.verb in CREATING for step in work.progress.wish.steps)}
        self._held = [one for one in held if one.name not in new]
        self._world = _world(self._held)
        for work in works:
            self._try(work, self._check)

    def _check(self, work):
        permit, own, label = self._permits[id(work)], self._world.of(work.owner_id), work.request.label
        attached = [self._of_source_now(work, claim) for claim in permit.attached]
        after = Held(work.owner_id, work.name, work.plan.after.power, (*own.claims, *attached))
        conflict, _works = self._world.enter(work, permit.lost, after)
        if conflict is not None:
            is_deletion = conflict.claim.mode == DELETE
            raise errors.Refused(conflict.message(label), _LATE if is_deletion else conflict.remedy)
        taken = {path for step in work.progress.wish.steps for path in work.claims.takes_now(work.plan, step)}
        late = sorted(taken - set(permit.deleted))
        if late:
            raise errors.Refused(f"{label}: {late[0]} would be deleted, too: it was added after the plan.", _LATE)

    def _of_source_now(self, work, claim):
        """Return a claim on the disk of a clone's source, of which this task knows no id if it has created it."""
        if claim.source is None or work.source is None:
            return claim
        vm, named = work.source.vm, (one.owner_id for one in self._held if one.name == work.source.name)
        return replace(claim, source=work.owner_of(vm.id) if vm.id else next(named, claim.source))


def _is_compared(permit):
    return bool(permit.lost) or any(claim.mode != BASE for claim in permit.attached)


def _is_looked_at(permit):
    return permit is not None and bool(permit.attached or permit.lost)


def _world(held):
    """Return a World; most plans claim nothing that others could have."""
    from .._core.sharing.world import World

    return World(held)


@contextmanager
def _rejected_on_error(works):
    """A context in which what ``works`` claim is read; if that is not possible, their plans are rejected."""
    try:
        yield
    except errors.PolyvirtError as error:
        for work in works:
            work.plan = work.refused(work.labelled(error.message), error.remedy)


def _is_claiming(work):
    options = getattr(work.task.driver, "file_options", ())
    return work.plan.changed and can_claim(work.plan, options) and work.claims is not None


# What is held before the task -----------------------------------------------------------------------------------------


def _held(works, wanted):
    """Return what all VMs hold, read once from each place; ``wanted`` is {id(work): claims}."""
    by_place, held = {}, []
    for work in (one for one in works if wanted.get(id(one))):
        by_place.setdefault(work.place, []).append(work)
    for at_place in by_place.values():
        claims = [claim for work in at_place for claim in wanted[id(work)]]
        # No VM has to be read for an ISO image alone.
        if any(claim.mode != READ for claim in claims):
            with _rejected_on_error(at_place):
                held += at_place[0].claims.held(claims)
                if at_place[0].claims.warnings:
                    at_place[0].task.observer.warnings += at_place[0].claims.warnings
    known = [one for one in works if one.claims is not None and not one.claims.lists_all and one.found.power != ABSENT]
    return [*held, *(one.claims.observed(one.found) for one in known)]


def _wanted(work):
    """Return what a plan claims in addition to what its VM holds, and OWN if it uses what the VM holds."""
    own = _disks_of(work.plan.before, work.claims)
    source = _source_of(work.plan)
    held = source and Held(work.owner_of(source.id or source.name), source.name, source.power)
    held = held and replace(held, claims=_disks_of(source, work.claims))
    during, after = claims_of_plan(work.plan, own, work.claims, held)
    used = [Claim(OWN, work.owner_id)] if _uses_own(work.plan) else []
    backups = asked_about(_deleted_from(work), work.claims)
    return [*during, *(claim for claim in after if claim not in own), *used, *backups]


def _disks_of(vm, claims):
    """Return the claims of a VM on its disks, without what is below them."""
    disks = (vm.config.get("disks") or {}).items()
    return [claim for slot, disk in disks for claim in claims.disk({**disk, "format": "raw"}, WRITE, f"disks.{slot}")]


def _source_of(plan):
    """Return the Vm that a plan clones, or None."""
    return next((step.arguments["source"] for step in plan.steps if step.verb == "clone"), None)


def _uses_own(planned):
    """Return whether a plan uses what its VM holds already: it starts the VM, or writes to its disks."""
    has_any = any(planned.before.config.get(field) for field in ("disks", "port_forwards"))
    is_used = is_started(planned.before.power, planned.after.power)
    return has_any and (is_used or any(step.verb == "restore" for step in planned.steps))


# Arranging ------------------------------------------------------------------------------------------------------------


class _Comparison:
    """The works of a task, as the user lists them and in their order, and what all VMs hold before it."""

    def __init__(self, listed, works, held):
        self._listed, self._works, self._held = listed, works, held

    def ordered(self):
        world = _world(self._held)
        self._works = sorted_by(self._works, lambda work: self._needed_by(world, work), _is_deletion)
        conflicts = {}
        for work, plan, conflict, waits, work.permit, work.released in self._entered(self._works):
            work.plan = plan
            if conflict is not None:
                conflicts[work] = conflict
            work.after += [one for one in waits if one not in work.after]
        unread = dict.fromkeys(claim.text for claim in world.unreadable())
        for work in filter(_deleted_from, self._works):
            about = f"{work.request.label}: backups are deleted, although not all disks could be read"
            work.task.observer.warnings += [f"{about}: {text.rstrip('.')}." for text in unread]
        for place, (work, conflict) in enumerate(conflicts.items()):
            work.conflict = self._explained(work, conflict, conflicts if place < _MOST_EXPLAINED else None)
        return self._works

    def _entered(self, works):
        """Yield (work, plan, Conflict or None, works to wait for, Permit, what earlier plans let go of)."""
        world = _world(self._held)
        for work in works:
            plan, released = _with_users(world, work), frozenset(world.released)
            yield (work, plan, *_enter(world, work, plan), released)

    def _needed_by(self, world, work):
        """Return the works before ``work``: its source, and those that delete users of the files that it deletes."""
        needed = [work.source] if work.source else []
        if work.claims is None or not _deletes(work):
            return needed
        identities = [work.claims.identity(file.path) for file in work.found.files]
        users = {one.owner_id for identity in identities for one in world.holders(work.owner_id, FILE, identity)}
        gone = [one for one in self._works if one is not work and _deletes(one) and one.owner_id in users]
        return needed + gone

    # Conflicts --------------------------------------------------------------------------------------------------------

    def _explained(self, work, conflict, conflicts):
        """Return (message, remedy): another order, if that helps; ``conflicts`` are all of them, None to skip that."""
        label = work.request.label
        if _is_created_meanwhile(work, conflict.holder):
            error = errors.CreatedMeanwhile(label)
            return error.message, error.remedy
        message, remedy = conflict.message(label), conflict.remedy
        other = next((one for one in self._works if one.owner_id == conflict.holder.owner_id and one is not work), None)
        if other is None or not other.plan.changed or conflicts is None:
            return message, remedy
        first, second = sorted((work, other), key=self._works.index)
        others = self._in_other_order(first, second)
        is_listed = self._listed.index(first) < self._listed.index(second)
        if is_listed and others is not None and others.keys() <= self._rejected(conflicts) - {first, second}:
            remedy = f"List {second.request.label} before {first.request.label}."
            return message, "Prune in a task before this one." if second.is_pruned else remedy
        back = getattr((others or {}).get(other), "holder", None)
        is_exchanged = back and back.owner_id == work.owner_id and conflict.held.mode != MOVE
        if is_exchanged and conflict.claim.identity not in self._identities_after(other):
            what = f"{label} and {other.request.label} exchange {conflict.claim.text}"
            return f"{label}: {conflict.claim.path}: {what}.", "Use two tasks."
        return message, remedy

    def _rejected(self, conflicts):
        return {*conflicts, *(work for work in self._works if work.plan.refusal)}

    def _in_other_order(self, first, second):
        """Return what ``_conflicts`` returns if ``second`` is before ``first``; None if that is not possible."""
        works = [one for one in self._works if one is not second]
        works.insert(works.index(first), second)
        if any(one.source in works[place:] for place, one in enumerate(works)):
            return None
        return self._conflicts(works)

    def _conflicts(self, works):
        """Return {work: Conflict, or Refusal of its plan} for those of ``works`` that have one."""
        found = {work: conflict or plan.refusal for work, plan, conflict, *_others in self._entered(works)}
        return {work: one for work, one in found.items() if one is not None}

    def _identities_after(self, work):
        """Return the identities of what a VM holds after its plan."""
        return {claim.identity for claim in claims_of_all(_claims_of(_world(self._held), work, work.plan))[1]}


def _is_created_meanwhile(work, holder):
    """Return whether the holder of a claim is the VM of ``work``, which did not exist when it was observed."""
    return work.owner_of(holder.name) == work.owner_id != holder.owner_id


def _enter(world, work, plan):
    """Enter a plan of a work; returns (Conflict or None, works to wait for, its Permit)."""
    if not plan.changed or work.claims is None:
        return None, [], Permit()
    claimed = _claims_of(world, work, plan)
    during, after = claims_of_all(claimed)
    held = Held(work.owner_id, work.name, plan.after.power, tuple(after))
    permit = permit_of(plan, claimed, world.of(work.owner_id).claims)
    return (*world.enter(work, during, held), permit)


def _claims_of(world, work, plan):
    """Return what the steps of a plan claim; the source of a clone holds what the plans before have left it."""
    source, own = _source_of(work.plan), world.of(work.owner_id).claims
    held = source and world.of(work.owner_of(source.id or source.name))
    return claims_of_steps(plan, own, work.claims, held, work.task.traits.copies_running)


def _deletes(work):
    return any(step.verb in DELETING for step in work.plan.steps)


def _is_deletion(work):
    return _deletes(work) and work.plan.after.power == ABSENT


def _deleted_from(work):
    """Return the backups from which a plan deletes some; none if it deletes no backup."""
    is_dropping = any(step.verb == "drop_backup" for step in work.plan.steps)
    return work.found.backups if is_dropping and work.claims is not None else ()


def _needed(world, work, backup):
    """Return who needs files of a backup, its own VM included, as a sentence without its end; empty if nobody does."""
    users = {os.path.basename(path): world.users("", work.claims.identity(path)) for path in backup.files}
    return "; ".join(f"its file {name} is needed by {', '.join(found)}" for name, found in users.items() if found)


def _with_users(world, work):
    """Return the plan of a deletion that keeps the files which somebody still needs, or may need."""
    if work.claims is None or not _deletes(work):
        return work.plan
    backups = tuple(replace(one, needed=_needed(world, work, one)) for one in _deleted_from(work))
    if any(one.needed for one in backups):
        return work.task.planned(work, found=work.found.having(backups=backups))
    deleted = {work.claims.identity(path) for path in deleted_files(work.plan)}
    files = tuple(_with_needs(world, work, file, deleted) for file in work.found.files)
    files = tuple(_closed_downwards(work, files))
    return (
        work.plan if files == tuple(work.found.files) else work.task.planned(work, found=work.found.having(files=files))
    )


def _with_needs(world, work, file, deleted):
    identity = work.claims.identity(file.path)
    users = world.users(work.owner_id, identity, deleted)
    is_kept = file.role in ("medium", "no file")
    return replace(
        file,
        used_by=tuple(sorted({*file.used_by, *users})),
        unknown="" if is_kept else file.unknown or world.unknown(work.owner_id, identity),
    )


def _closed_downwards(work, files):
    """Yield ``files``; what is below one that somebody needs is needed, too, and would be worthless without it."""
    below, unknown = {}, ""
    for file in files:
        if file.role in ("disk", "support") and (file.used_by or file.unknown):
            try:
                below.update({work.claims.identity(path): file.path for path in work.claims.chain(file.path)})
            except errors.PolyvirtError as error:
                unknown = f"{file.path}, which is kept: {error}"
    for file in files:
        top = below.get(work.claims.identity(file.path))
        users = (*file.used_by, *([f"{top}, which is kept"] if top else ()))
        yield replace(file, used_by=tuple(sorted(users)), unknown=file.unknown or unknown)
