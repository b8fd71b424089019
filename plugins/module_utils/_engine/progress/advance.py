# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state machine that carries out the plan of one VM: it takes events and returns wishes (next actions).

Pure: no I/O and no clock. ``advance(progress, event, now)`` returns the progress after an event; ``progress.wish`` is
what has to happen next, and ``progress.due`` the earliest time for it. Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from ..._core.frozen import replace
from ..._core.model import UNKNOWN
from .boot_keys import after_key, while_pressing
from .cloud_init import after_answer
from .ending import after_undoing, before_undoing, fail, fail_after, finish, not_undone
from .guests import after_probe, confirm_with_guest, wait_for_guest, while_guest_boots
from .sending import (
    after_steps,
    before_power_back,
    next_segment,
    send_again,
    while_judging,
    while_replanning,
    while_retrying,
)
from .state import (
    ANSWERS,
    CONFIRMING,
    EXPIRY,
    FORGETTING,
    GUEST,
    JUDGING,
    KEYS,
    KILLING,
    OVER,
    PATIENT,
    POWER_BACK,
    RECORDING,
    REPLANNING,
    RETRYING,
    STOPPING,
    UNDOING,
    WAITING,
    Answered,
    Pressed,
    Probed,
    Progress,
    Sent,
    observe_later,
)  # fmt: skip
from .waiting import (
    after_request,
    observe_while_stopping,
    stop_is_overdue,
    while_killing,
    while_reading_expiry,
    while_stopping,
    while_waiting,
)


def begin(request, traits, planned, patience, now):
    """Return the initial progress of a VM."""
    progress = Progress(request, traits, planned, planned.before, patience, at=now, due=now)
    if planned.changed:
        return next_segment(progress)
    return wait_for_guest(progress) if request.awaits(planned.before) else replace(progress, phase=OVER)


def advance(progress, event, now):
    """Return the progress after ``event``, which happened at ``now``."""
    waited = now - progress.at if progress.phase in PATIENT else 0
    progress = replace(progress, at=now, patience=max(progress.patience - waited, 0))
    if isinstance(event, Sent):
        return _SENT.get(progress.phase, after_steps)(progress, event)
    if isinstance(event, Probed):
        return after_probe(progress, event)
    if isinstance(event, Answered):
        return after_answer(progress, event)
    if isinstance(event, Pressed):
        return after_key(progress, event)
    if event.error is not None:
        return _not_observed(progress, event.error)
    return _OBSERVED[progress.phase](replace(progress, vm=_with_needs(event.vm, progress.plan.before)), event)


def _with_needs(vm, before):
    """Return an observed VM with what the comparison of the plans has found: who else needs its backups."""
    needed = {one.id: one.needed for one in before.backups if one.needed}
    backups = tuple(replace(one, needed=needed.get(one.id, "")) for one in vm.backups)
    return vm.having(backups=backups) if needed else vm


def _not_observed(progress, error):
    """An observation failed: repeat it while the error may be temporary and time is left."""
    if _is_temporary(progress, error):
        later = replace(progress, last_error=progress.last_error or error)
        if progress.phase == STOPPING and not stop_is_overdue(progress):
            return observe_while_stopping(later)
        if progress.phase != STOPPING and progress.patience > 0:
            return replace(observe_later(later, progress.phase, progress.wish.facets), wish=progress.wish)
    if progress.phase == CONFIRMING:
        unknown = progress.vm.having(power=UNKNOWN, reason=f"it could not be observed: {error.message}")
        vm = progress.vm if progress.undone else unknown
        return replace(progress, phase=OVER, error=progress.error or error, vm=vm)
    if progress.phase == UNDOING:
        return not_undone(progress, error)
    if progress.phase == JUDGING:
        return fail(progress, progress.last_error)
    return fail_after(progress, error) if progress.phase in (WAITING, KILLING) else fail(progress, error)


def _is_temporary(progress, error):
    """Return whether the error may be temporary."""
    is_technical = isinstance(error, ANSWERS) or getattr(error, "why", "") == "not_responding"
    return is_technical or progress.traits.transient(error)


#: A restart goes on without its record, and the final observation shows whether it is removed.
_SENT = {
    RECORDING: lambda progress, _event: send_again(progress), FORGETTING: lambda progress, _event: finish(progress),
    STOPPING: after_request, KILLING: after_request, UNDOING: after_undoing,
}  # fmt: skip
_OBSERVED = {
    RETRYING: while_retrying, WAITING: while_waiting, STOPPING: while_stopping, KILLING: while_killing,
    JUDGING: while_judging, REPLANNING: while_replanning, EXPIRY: while_reading_expiry, GUEST: while_guest_boots,
    KEYS: while_pressing, UNDOING: before_undoing, POWER_BACK: before_power_back, CONFIRMING: confirm_with_guest,
}  # fmt: skip
