# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the steps of a segment; retry after temporary errors, and check the VM's state after all others. Pure."""

from __future__ import annotations

from ..._core.errors import Held
from ..._core.frozen import replace
from ..._core.model import ABSENT, RUNNING
from ..._core.planner.simulate import simulate
from ..._core.verbs import STARTING
from ..observe import planning_facets
from . import failures
from .boot_keys import after_last_step
from .ending import fail, finish
from .power_back import may_be_started, recording, with_way_back
from .replan import is_outdated, planned_again
from .state import (
    ANSWERS,
    CREATING,
    EXPIRY,
    FIRST_OBSERVATION,
    FIRST_PAUSE,
    JUDGING,
    POWER_BACK,
    POWER_ONLY,
    READY,
    REPLANNING,
    RETRYING,
    SHOWN_BY_POWER,
    STOPPING,
    WAITING,
    Observe,
    Send,
    facets_of_end,
    has_arrived,
    observe_later,
    wrote_with,
)  # fmt: skip


def next_segment(progress):
    """Send the next segment, if not all steps are done."""
    first, end = progress.segment
    if first == end:
        return after_last_step(progress)
    steps = progress.plan.steps[first:end]
    expected = simulate(progress.vm, steps)
    return replace(_resend(progress), expected=expected, pause=FIRST_PAUSE, last_error=None)


def _resend(progress):
    """Send the segment from its first step that is not done, or first read whether the VM has still expired."""
    if _ends_lease_after_wait(progress):
        return reading_expiry(progress)
    return send_again(progress)


def reading_expiry(progress):
    return replace(progress, phase=EXPIRY, wish=_planning(progress), due=progress.at, pause=FIRST_PAUSE)


def send_again(progress):
    steps = progress.plan.steps[progress.done : progress.segment[1]]
    return recording(progress) or replace(progress, phase=READY, wish=Send(tuple(steps)), due=progress.at)


def _ends_lease_after_wait(progress):
    """Return whether the next step deletes what has expired, and somebody could extend it since it was planned."""
    is_deleting = progress.plan.steps[progress.done].verb in ("delete", "drop_snapshot")
    has_waited = progress.done > 0 or progress.phase != READY
    return progress.policy.expired_for is not None and is_deleting and has_waited


def _planning(progress):
    return Observe(planning_facets([progress.request], progress.traits))


def after_steps(progress, event):
    _first, end = progress.segment
    done_steps = progress.wish.steps if event.error is None else progress.wish.steps[: event.done]
    created = progress.created or any(step.verb in CREATING for step in done_steps)
    wrote = wrote_with(progress, event)
    progress = replace(progress, wrote=wrote, last_wrote=event.wrote, created=created, since=progress.at)
    if event.error is None:
        return _await_end(progress)
    # The last step counts as done only when its end was observed; until then, it may be sent again.
    progress = replace(progress, done=min(progress.done + event.done, end - 1), last_error=event.error)
    if is_outdated(progress, event):
        return replace(progress, phase=REPLANNING, wish=_planning(progress), due=progress.at, pause=FIRST_PAUSE)
    is_temporary = isinstance(event.error, Held) or progress.traits.transient(event.error)
    if is_temporary and progress.patience > 0:
        return observe_later(progress, RETRYING, POWER_ONLY)
    wish = Observe(facets_of_end(progress))
    return replace(progress, phase=JUDGING, wish=wish, due=progress.at, pause=FIRST_OBSERVATION)


def _await_end(progress):
    if progress.segment[1] == len(progress.plan.steps) and progress.last_step.verb in progress.traits.synchronous_verbs:
        return complete(progress)  # The final observation shows the rest.
    phase = STOPPING if progress.last_step.verb == "stop" else WAITING
    progress = replace(progress, due=progress.at, requested_at=progress.at, pause=FIRST_OBSERVATION, last_error=None)
    return replace(progress, phase=phase, wish=Observe(facets_of_end(progress)))


def complete(progress):
    """The end of the segment was observed."""
    return next_segment(replace(progress, done=progress.segment[1], last_error=None))


def while_retrying(progress, _event):
    first, end = progress.segment
    # The power state does not show whether settings were changed, so these steps are sent again.
    is_power_only = all(step.verb in SHOWN_BY_POWER for step in progress.plan.steps[first:end])
    if is_power_only and has_arrived(progress):
        return complete(progress)
    return _resend(_after_next(progress) if _is_next_done(progress) else progress)


def _is_next_done(progress):
    """Return whether the next step would create a VM that exists, or start one that runs, and other steps follow it.

    They follow in the same segment, so the state to which the segment leads does not show it.
    """
    verb = progress.plan.steps[progress.done].verb
    if progress.done + 1 == progress.segment[1]:
        return False
    return progress.vm.power != ABSENT if verb in CREATING else verb in STARTING and progress.vm.power == RUNNING


def _after_next(progress):
    return replace(progress, done=progress.done + 1)


def while_replanning(progress, event):
    """Continue with a new plan for the changed VM, or fail and report what the new plan would do beyond the first."""
    if progress.vm.power == ABSENT:
        return fail(progress, failures.gone(progress))
    new, beyond = planned_again(progress, event.known)
    if new.busy and progress.patience > 0:
        return observe_later(progress, REPLANNING, progress.wish.facets)
    if new.busy or new.refusal or beyond:
        return fail(progress, failures.outdated(progress, new, beyond))
    return next_segment(replace(progress, plan=new, replanned=True))


def while_judging(progress, _event):
    """Ignore the error if the VM has the expected state, for example because someone else did the same meanwhile."""
    if progress.vm.busy and progress.patience > 0:
        return observe_later(progress, JUDGING, progress.wish.facets)
    harmless = progress.last_step.verb in SHOWN_BY_POWER and isinstance(progress.last_error, ANSWERS)
    # A VM that someone else created meanwhile may be running; whether it is as requested is checked at the end.
    exists = progress.last_step.verb in CREATING and progress.vm.power != ABSENT
    if harmless and (exists or has_arrived(progress)):
        return complete(replace(progress, ignored_error=progress.last_error))
    if harmless and _is_next_done(progress):
        return _resend(_after_next(progress))
    return fail(progress, progress.last_error)


def before_power_back(progress, _event):
    """Bring the VM back to its previous power state, unless something else has changed its power state."""
    verbs = progress.ways_back.get(progress.vm.power)
    if not verbs or not may_be_started(progress):
        return finish(progress)
    if progress.vm.busy and progress.patience > 0:
        return observe_later(progress, POWER_BACK, progress.wish.facets)
    return next_segment(with_way_back(progress, verbs))
