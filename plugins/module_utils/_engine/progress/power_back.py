# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a VM back to its previous power state if the task stopped it and then failed. Once, and pure."""

from __future__ import annotations

from dataclasses import replace

from ..._core.model import LIVE, STOPPED, SUSPENDED, Step
from ..._core.power import BACK_TO, COST_OF_MOVE
from ..._core.segments import into_segments
from . import failures
from .state import CREATED, FIRST_PAUSE, POWER_BACK, STOPPING, Observe

#: Seconds that this may take at least, because the error may be that the time of the task is over.
PATIENCE = 60
NOTE = "the task failed, so the previous power state is restored"
#: If these steps failed half-way, the VM is not the one that was stopped, so it must not be started.
_REPLACING = ("delete", "restore")


def is_due(progress, attempted):
    """Return whether the task has stopped the VM, and must bring it back to its previous power state after an error.

    ``attempted`` is the number of steps up to the one that failed. After a failed start, nothing is brought back: the
    platform would reject the same start again. A stop that the platform rejected counts only if the VM is stopped.
    """
    planned = progress.plan
    verbs = [step.verb for step in planned.steps[:attempted]]
    stops = [number for number, verb in enumerate(verbs) if verb in ("stop", "kill")]
    if not (stops and planned.after.on and BACK_TO.get(planned.before.power)):
        return False
    since = verbs[stops[-1] + 1 :]
    if len(since) == 1 and since[0] in _REPLACING:
        return progress.last_wrote is False
    was_sent = stops[-1] < progress.done or progress.phase == STOPPING
    return since == ["configure"] or (not since and (was_sent or progress.vm.power == STOPPED))


def was_stopped(progress):
    """Return whether the steps that are done have stopped a VM with a power state to go back to."""
    stops = [step for step in progress.plan.steps[: progress.done] if step.verb in ("stop", "kill")]
    return bool(stops and BACK_TO.get(progress.plan.before.power))


def observed_first(progress):
    """Return the progress that observes the VM: what the failed step did is not known yet."""
    patience = max(progress.patience, PATIENCE)
    wish = Observe(CREATED)
    return replace(progress, phase=POWER_BACK, wish=wish, due=progress.at, pause=FIRST_PAUSE, patience=patience)


def with_way_back(progress):
    """Return the progress with further steps at the end of its plan; the steps that are not done are left out."""
    planned, before = progress.plan, progress.plan.before.power
    steps = [Step(verb, cost=COST_OF_MOVE.get(verb, LIVE), note=NOTE) for verb in BACK_TO[before]]
    segments = (*planned.segments, *into_segments(steps, progress.traits.synchronous_verbs))
    error = failures.memory_lost(progress.error) if before == SUSPENDED else progress.error
    left_out = range(progress.done, len(planned.steps))
    plan = replace(planned, segments=segments)
    return replace(progress, plan=plan, done=left_out.stop, left_out=left_out, error=error)
