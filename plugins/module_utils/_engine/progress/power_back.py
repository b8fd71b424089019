# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a VM back to its previous power state if the task stopped or resumed it, and then failed. Once, and pure."""

from __future__ import annotations

from ..._core.frozen import replace
from ..._core.model import ABSENT, IN_USE, LIVE, RUNNING, STOPPED, SUSPENDED, Change, Step
from ..._core.planner.planned_steps import into_segments
from ..._core.planner.power import AGAIN, BACK_TO, COST_OF_MOVE
from ..._core.record.leases import iso
from ..._core.record.mark import INTERRUPTED, interrupted_restart
from ..._core.verbs import POWER_VERBS
from ..observe import planning_facets
from . import failures
from .state import CREATED, FIRST_PAUSE, FORGETTING, POWER_BACK, RECORDING, STOPPING, Observe, Send

#: Seconds that this may take at least, because the error may be that the time of the task is over.
PATIENCE = 60
NOTE = "the task failed, so the previous power state is restored"
#: If these steps failed half-way, the VM is not the one that was stopped, so it must not be started.
_REPLACING = ("delete", "restore", "restore_backup")
_STOPS = ("stop", "kill")


def recording(progress):
    """Return the progress that records the power state, if the next steps begin a permitted restart; else None."""
    before, policy, end = progress.plan.before, progress.policy, progress.segment[1]
    verbs, now = [step.verb for step in progress.plan.steps], policy.controller_time
    is_restart = {*_STOPS} & {*verbs[progress.done : end]} and "start" in verbs[end:] and policy.allow_restart
    is_possible = INTERRUPTED in progress.traits.fields and before.owned and before.power in IN_USE and now is not None
    if not (is_restart and is_possible) or {*verbs} - POWER_VERBS - {"configure"} or progress.is_recorded:
        return None
    return _marked(replace(progress, phase=RECORDING, is_recorded=True), f"{before.power} {iso(now)}")


def forgetting(progress):
    """Return the progress that removes the record of a restart, if the VM is on again and has one; else None."""
    before, is_about_vm = progress.plan.before, progress.request.snapshot is progress.request.backup is None
    was_left_off = is_about_vm and before.power == STOPPED and interrupted_restart(before)[0]
    if not (progress.is_recorded or was_left_off) or progress.vm.power not in IN_USE or progress.phase == FORGETTING:
        return None
    # It is no error that the VM was changed since the plan.
    return _marked(replace(progress, phase=FORGETTING, vm=progress.vm.having(revision=None)), "")


def _marked(progress, text):
    step = Step("configure", changes=(Change(INTERRUPTED, "", text),))
    return replace(progress, wish=Send((step,)), due=progress.at)


def ways_back(progress, attempted):
    """Return {power state in which the VM may be after an error: verbs to its previous one}; {} if there are none.

    ``attempted`` is the number of steps up to the one that failed. After a failed start, nothing is brought back: the
    platform would reject the same start again. A stop that the platform rejected counts only if the VM is stopped.
    """
    planned, before = progress.plan, progress.plan.before.power
    ways = {RUNNING: AGAIN[before]} if before in AGAIN and _was_resumed_to_be_stopped(planned, attempted) else {}
    # Of a VM that is still there after all, nobody asked that it is off.
    is_wanted = planned.after.on or planned.after.power == ABSENT
    if is_wanted and BACK_TO.get(before) and _may_be_off(progress, attempted):
        ways[STOPPED] = BACK_TO[before]
    return ways


def _was_resumed_to_be_stopped(planned, attempted):
    """Return whether the task has resumed the VM only for the graceful stop that follows, and has not stopped it."""
    verbs = [step.verb for step in planned.steps]
    stop = next((number for number, verb in enumerate(verbs) if verb in _STOPS), 0)
    return bool({"start", "resume"} & set(verbs[: min(stop, attempted)])) and attempted <= stop + 1


def _may_be_off(progress, attempted):
    """Return whether the task has stopped the VM, and may start it after the error."""
    verbs = [step.verb for step in progress.plan.steps[:attempted]]
    stops = [number for number, verb in enumerate(verbs) if verb in _STOPS]
    if not stops:
        return False
    since = verbs[stops[-1] + 1 :]
    if len(since) == 1 and since[0] in _REPLACING:
        return progress.last_wrote is False or _is_doubtful_deletion(progress)
    was_sent = stops[-1] < progress.done or progress.phase == STOPPING
    return since in (["configure"], ["backup"]) or (not since and (was_sent or progress.vm.power == STOPPED))


def _is_doubtful_deletion(progress):
    """Return whether a deletion has failed that may have changed nothing: an observation shows that."""
    attempted = progress.plan.steps[progress.done : progress.done + 1]
    return progress.last_wrote is None and [step.verb for step in attempted] == ["delete"]


def may_be_started(progress):
    """Return whether the VM that was observed after an error is as complete as the one that was stopped."""
    before, vm = progress.plan.before, progress.vm
    if not _is_doubtful_deletion(progress):
        return True
    paths = [{file.path for file in one.files} for one in (before, vm)]
    return (before.config, before.mark, paths[0]) == (vm.config, vm.mark, paths[1])


def ways_after_stop(progress):
    """Return the same if the steps that are done have stopped a VM with a power state to go back to."""
    stops = [step for step in progress.plan.steps[: progress.done] if step.verb in _STOPS]
    verbs = BACK_TO.get(progress.plan.before.power)
    return {STOPPED: verbs} if stops and verbs else {}


def observed_first(progress, ways):
    """Return the progress that observes the VM: what the failed step did is not known yet."""
    patience = max(progress.patience, PATIENCE)
    progress = replace(progress, phase=POWER_BACK, ways_back=ways, patience=patience)
    facets = planning_facets([progress.request], progress.traits) if _is_doubtful_deletion(progress) else CREATED
    return replace(progress, wish=Observe(facets), due=progress.at, pause=FIRST_PAUSE)


def with_way_back(progress, verbs):
    """Return the progress with further steps at the end of its plan; the steps that are not done are left out."""
    planned = progress.plan
    steps = [Step(verb, cost=COST_OF_MOVE.get(verb, LIVE), note=NOTE) for verb in verbs]
    segments = (*planned.segments, *into_segments(steps, progress.traits.synchronous_verbs))
    is_lost = planned.before.power == SUSPENDED and progress.vm.power == STOPPED
    error = failures.memory_lost(progress.error) if is_lost else progress.error
    left_out = range(progress.done, len(planned.steps))
    plan = replace(planned, segments=segments)
    return replace(progress, plan=plan, done=left_out.stop, left_out=left_out, error=error)
