# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a VM again, once, if someone else changed it between planning and the first change. Pure.

The new plan is carried out only if it does nothing beyond the first plan, which the user may have checked in check mode
and given permission for.
"""

from __future__ import annotations

from ..._core.errors import Stale
from ..._core.model import Plan
from ..._core.planner.plan import plan
from ..._core.planner.planned_steps import into_segments
from ..._core.planner.simulate import simulate
from .state import MOVES, READY

#: Verbs that only the new plan may have, because they do not interrupt the guest.
_HARMLESS = frozenset({"configure", "start", "resume"})


def is_outdated(progress, event):
    """Return whether steps failed because the plan is outdated, and the VM can be planned again.

    That is possible once, and only if this task has changed nothing but the VM's power state.
    """
    steps = progress.plan.steps
    return (
        isinstance(event.error, Stale)
        and not (progress.phase != READY or progress.replanned or event.done or event.wrote is not False)
        and steps[progress.done].verb == "configure"
        and all(step.verb in MOVES for step in steps[: progress.done])
    )


def planned_again(progress, known):
    """Return (new Plan, what it does beyond the first plan), for the VM as it is now with its original power state.

    A VM that this task has stopped for a change must get its power state back.
    """
    first, done = progress.plan, progress.done
    before = progress.vm
    if done:
        before = before.having(power=first.before.power, active=first.before.active, mark=first.before.mark)
    new = plan(before, progress.request, progress.traits, known)
    if done and not (new.refusal or new.busy):
        changing = [step for step in new.steps if step.verb == "configure"]
        steps = [*first.steps[:done], *changing, *first.steps[done + 1 :]]
        segments = (tuple(steps[:done]), *into_segments(steps[done:], progress.traits.synchronous_verbs))
        new = Plan(before, simulate(before, steps), segments, not_compared=new.not_compared)
    return new, _beyond(first, new) or (_not_approved(first, new, progress.request) if progress.is_limited else [])


def _not_approved(first, new, request):
    """Return what to report if the new plan is not the one that was approved."""
    # Few tasks are planned again.
    from ..._core.results.plan_content import content_of, digest

    is_same = digest(content_of(first, request)) == digest(content_of(new, request))
    return [] if is_same else ["another plan than the one that was approved"]


def _beyond(first, new):
    """Return the verbs and paths of devices that are only in the new plan."""
    verbs = {step.verb for step in new.steps} - {step.verb for step in first.steps} - _HARMLESS
    known = [_device(first, change) for change in _changes(first) if _is_about_device(change)]
    others = [change.path for change in _changes(new) if _is_about_device(change) and _device(new, change) not in known]
    return sorted(verbs) + sorted({*others, *_on_other_disks(first, new)})


def _changes(planned):
    return [change for step in planned.steps for change in step.changes]


def _is_about_device(change):
    return change.kind.endswith((".add", ".remove"))


def _device(planned, change):
    return change.kind, change.key, _disk(planned, change.key) if change.field == "disks" else None


def _disk(planned, slot):
    """Return the source of the disk in a slot; it distinguishes the disk from another one in the same slot."""
    return (planned.before.config.get("disks") or {}).get(slot, {}).get("source")


def _on_other_disks(first, new):
    disks = [change for change in _changes(new) if change.field == "disks" and change.attribute is not None]
    return [change.path for change in disks if _disk(first, change.key) != _disk(new, change.key)]
