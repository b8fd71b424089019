# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the end of a segment; repeat the shutdown request, or power the VM off. Pure."""

from __future__ import annotations

from ..._core.frozen import replace
from ..._core.model import ABSENT, FAILED, STOPPED, Step
from ..._core.planner.plan import plan
from . import failures
from .ending import fail_after, finish, stopped_in_vain
from .sending import complete, reading_expiry, send_again
from .state import (
    CREATING,
    EXPIRY,
    KILLING,
    LONGEST_OBSERVATION,
    POWER_ONLY,
    WAITING,
    Observe,
    Send,
    has_arrived,
    observe_later,
    wrote_with,
)  # fmt: skip

#: Seconds after which the shutdown request is repeated: a guest ignores it while it boots.
REQUEST_AGAIN = 10
#: The note of a stop that ended with a crash.
CRASHED = "the guest crashed while it was stopping"


def _ended(progress):
    """Return the next progress if the segment has ended or the VM was deleted; None if not."""
    if has_arrived(progress):
        return complete(progress)
    return _end_without_vm(progress) if _is_gone(progress) else None


def _is_gone(progress):
    """Return whether someone else deleted the VM while this task processed it."""
    is_new = progress.created or progress.last_step.verb in CREATING
    return progress.vm.power == ABSENT and not progress.vm.busy and not is_new


def _end_without_vm(progress):
    """The VM was deleted: finish if it was requested to be absent, else fail."""
    if progress.request.state == "absent":
        return finish(progress)
    return fail_after(progress, failures.gone(progress))


def while_waiting(progress, _event):
    ended = _ended(progress)
    if ended is not None:
        return ended
    if progress.last_step.verb == "start" and progress.vm.power in (FAILED, STOPPED, ABSENT):
        return fail_after(progress, failures.not_started(progress))
    if progress.patience <= 0:
        return fail_after(progress, failures.out_of_time(progress, "Raise timeout."))
    return observe_later(progress, WAITING, progress.wish.facets, LONGEST_OBSERVATION)


def while_stopping(progress, _event):
    """Repeat the request; after ``stop_timeout``, power the VM off or fail, depending on the policy."""
    ended = _ended(_with_note_of_crash(progress) if has_arrived(progress) else progress)
    if ended is not None:
        return ended
    if progress.vm.power == FAILED:
        # A failed guest ignores requests, and its unwritten data is already lost, so it can be powered off.
        return _request(replace(_with_note(progress, CRASHED), phase=KILLING), "kill")
    if stop_is_overdue(progress):
        if progress.policy.stop_mode != "graceful_then_force":
            return fail_after(progress, failures.out_of_time(progress, failures.longer_stop(progress)))
        return reading_expiry(progress) if progress.policy.expired_for is not None else _kill_overdue(progress)
    if progress.at - progress.requested_at >= REQUEST_AGAIN:
        return _request(progress, "stop")
    return observe_while_stopping(progress)


def _kill_overdue(progress):
    note = f"forced after {_stop_timeout(progress)} s: the guest did not stop by itself"
    return _request(replace(_with_note(progress, note), phase=KILLING), "kill")


def while_reading_expiry(progress, event):
    """Delete or force off what has still expired. A VM that somebody has extended gets its power state back."""
    new = plan(progress.vm, progress.request, progress.traits, event.known)
    if new.busy and progress.patience > 0:
        return observe_later(progress, EXPIRY, progress.wish.facets)
    is_stopping = progress.last_step.verb == "stop"
    if new.changed and not (new.busy or new.refusal):
        return _kill_overdue(progress) if is_stopping else send_again(progress)
    if progress.vm.power == ABSENT or not (progress.done or is_stopping or new.busy or new.refusal):
        return finish(progress)
    return stopped_in_vain(progress, failures.still_wanted(progress, new))


def _with_note_of_crash(progress):
    """Add a note if the guest crashed: it is stopped, too, but unwritten data may be lost."""
    return _with_note(progress, CRASHED) if progress.vm.reason == "crashed" else progress


def _with_note(progress, text):
    """Set the note of the segment's last step."""
    return replace(progress, notes={**progress.notes, progress.segment[1] - 1: text})


def _stop_timeout(progress):
    return progress.policy.stop_timeout or progress.traits.stop_timeout


def stop_is_overdue(progress):
    return progress.at - progress.since >= _stop_timeout(progress)


def _request(progress, verb):
    return replace(progress, wish=Send((Step(verb),)), due=progress.at, requested_at=progress.at)


def observe_while_stopping(progress):
    """Observe after a pause, but not later than the next request or the end of ``stop_timeout``."""
    end = progress.at + progress.patience if progress.phase == KILLING else progress.since + _stop_timeout(progress)
    next_request = max(progress.requested_at + REQUEST_AGAIN, progress.at + LONGEST_OBSERVATION)
    at_most = min(end, next_request) - progress.at
    return observe_later(progress, progress.phase, POWER_ONLY, LONGEST_OBSERVATION, at_most)


def after_request(progress, event):
    """Observe the VM, also after an error: it may have stopped meanwhile, or the next request may succeed."""
    return replace(
        progress, wish=Observe(POWER_ONLY), due=progress.at, last_error=event.error, wrote=wrote_with(progress, event)
    )


def while_killing(progress, _event):
    ended = _ended(progress)
    if ended is not None:
        return ended
    if progress.patience <= 0:
        return fail_after(progress, failures.out_of_time(progress, failures.longer_stop(progress)))
    if progress.last_error is not None and progress.at - progress.requested_at >= REQUEST_AGAIN:
        return _request(progress, "kill")
    return observe_while_stopping(progress)
