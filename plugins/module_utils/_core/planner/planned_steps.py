# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a plan: in segments, and for a driver's ``preflight`` each change with the VM to which it applies."""

from __future__ import annotations

from collections.abc import Sequence

from ..frozen import Frozen, replace
from ..model import LIVE, Step, Vm
from ..verbs import DELETING, VERB
from .differences import additions
from .simulate import simulate


class Planned(Frozen, eq=False):
    """A step, all changes that it makes, and the VM before it.

    A VM to be created has no id and no settings; each of its settings is a change. For a clone that does not exist
    yet, ``vm`` has the new name, but the id of its source and the settings that it copies.
    """

    step: Step
    vm: Vm
    changes: Sequence


def planned(plan):
    """Yield a Planned for each step of ``plan``, in order."""
    vm = plan.before
    for step in plan.steps:
        changes = step.changes
        if step.verb == "create":
            vm = Vm(name=plan.after.name)
            changes = additions({name: value for name, value in step.arguments["config"].items() if value is not None})
        elif step.verb == "clone":
            vm = Vm(name=plan.after.name, id=step.arguments["source"].id, config=step.arguments["config"])
        yield Planned(step, vm, changes)


def planned_changes(plan):
    """Return (VM, change) for all changes of ``plan``."""
    return [(one.vm, change) for one in planned(plan) for change in one.changes]


def added_disks(step):
    """Return {slot: requested disk} of the disks that a step creates or attaches."""
    if step.verb in ("create", "clone"):
        return {slot: disk or {} for slot, disk in (step.arguments["config"].get("disks") or {}).items()}
    return {change.key: change.new for change in step.changes if change.kind == "disks.add"}


def deleted_files(plan):
    """Return the files that ``plan`` deletes; a VM that is recreated can use their names again."""
    return [path for step in plan.steps if step.verb in DELETING for path in step.arguments.get("files", ())]


def with_settings_of_new(plan, settings):
    """Return ``plan`` with ``settings`` of its new VM, which the driver has chosen: they are shown and approved."""
    segments = tuple(tuple(_with_settings(step, settings) for step in segment) for segment in plan.segments)
    steps = [step for segment in segments for step in segment]
    return replace(plan, segments=segments, after=simulate(plan.before, steps))


def _with_settings(step, settings):
    if step.verb not in ("create", "clone"):
        return step
    config = {**step.arguments["config"], **settings}
    return replace(step, arguments={**step.arguments, "config": config})


def disturbs_jobs(plan):
    """Return whether a plan must wait for a job that runs on its VM. A disk in a job cannot be detached or resized."""
    changes = [change for step in plan.steps for change in step.changes if change.cost == LIVE]
    is_about_disks = any(change.kind in ("disks.remove", "disks.size") for change in changes)
    return is_about_disks or any(VERB[step.verb].disturbs and not _completes_job(step) for step in plan.steps)


def _completes_job(step):
    """Whether a step completes the backup that a running job writes."""
    return step.verb == "backup" and "made" in step.arguments and step.arguments["made"].is_written


def into_segments(steps, synchronous_verbs=frozenset()):
    """Return segments that end with a step to be observed; the verbs in ``synchronous_verbs`` need no observation."""
    segments, open_segment = [], []
    for step in steps:
        open_segment.append(step)
        if VERB[step.verb].is_observed and step.verb not in synchronous_verbs:
            segments.append(tuple(open_segment))
            open_segment = []
    if open_segment:
        segments.append(tuple(open_segment))
    return tuple(segments)
