# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One VM's way through its plan, as data: events go in, wishes come out.

Pure: no input, no output and no clock inside. ``advance(progress, event, now)`` is the progress after an event;
``progress.wish`` is what has to happen next, and ``progress.due`` the earliest time for it. Times are seconds of one
clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import replace

from .._lifecycle.errors import ApiError, CommandFailed, PolyvirtError, Timeout
from .._lifecycle.model import ABSENT, FAILED, RUNNING, STOP_TIMEOUT, STOPPED, UNKNOWN, Step, Vm
from .._lifecycle.plan import plan
from .._lifecycle.plan_delete import delete_step
from .._lifecycle.simulate import simulate
from . import failures, guests
from .state import (
    CREATING,
    CUT,
    FIRST_PAUSE,
    GUEST,
    JUDGING,
    LONGEST_PAUSE,
    OVER,
    PATIENT,
    PRESSING,
    READY,
    RETRYING,
    SETTLED,
    SHORTEST_PAUSE,
    UNDOING,
    WAITING,
    Look,
    Probe,
    Probed,
    Progress,
    Send,
    Sent,
)  # fmt: skip

#: A guest that did not react is asked to stop again after so many seconds: a request during its boot is lost.
ASK_AGAIN = 10
#: Seconds between two observations of a VM whose own steps are awaited.
_FIRST_LOOK, _LONGEST_LOOK = 0.1, 1

#: The note of a stop that ended otherwise than it was asked to.
CRASHED = "the guest crashed while it was stopping"

POWER_VERBS = frozenset({"create", "clone", "start", "stop", "kill", "pause", "resume", "suspend", "delete"})
#: Errors with which a platform answers a request, perhaps because the VM is already where the request leads.
_ANSWERS = (ApiError, CommandFailed, Timeout)

_POWER = frozenset({"power"})
_CREATED = frozenset({"power", "config"})
_TO_UNDO = frozenset({"power", "config", "files"})
#: What the result is told from.
FINAL = frozenset({"power", "config", "snapshots", "addresses"})


def begin(request, traits, planned, patience, now):
    """The progress of a VM about to be worked on."""
    progress = Progress(request, traits, planned, planned.before, patience, at=now, due=now)
    if planned.changed:
        return _next_segment(progress)
    return _to_guest(progress) if request.policy.wait_for != "state" else replace(progress, phase=OVER)


def advance(progress, event, now):
    """The progress after ``event``, which came at ``now``."""
    waited = now - progress.at if progress.phase in PATIENT else 0
    progress = replace(progress, at=now, patience=max(progress.patience - waited, 0))
    if isinstance(event, Sent):
        return _SENT.get(progress.phase, _after_steps)(progress, event)
    if isinstance(event, Probed):
        return _after_probe(progress, event)
    if event.error is not None:
        return _not_seen(progress, event.error)
    return _SEEN[progress.phase](replace(progress, vm=event.vm), event)


def fail(progress, error):
    """The progress of a VM that is given up; an unfinished creation is undone first."""
    progress = replace(progress, error=error)
    if not _is_undone_on_failure(progress):
        return _settle(progress)
    return replace(progress, phase=UNDOING, wish=Look(_TO_UNDO), due=progress.at)


# Steps ----------------------------------------------------------------------------------------------------------------


def _next_segment(progress):
    """Send what comes next; with all steps done, wait for the guest, and settle."""
    first, end = progress.segment
    if first == end:
        return _to_guest(progress) if progress.policy.wait_for != "state" else _settle(progress)
    steps = progress.plan.steps[first:end]
    expected = simulate(progress.vm, steps)
    return replace(_resend(progress), expected=expected, pause=FIRST_PAUSE, trouble=None)


def _resend(progress):
    """Send the segment from its first step that is not done."""
    steps = progress.plan.steps[progress.done : progress.segment[1]]
    return replace(progress, phase=READY, wish=Send(tuple(steps)), due=progress.at)


def _after_steps(progress, event):
    first, end = progress.segment
    creating = progress.plan.steps[first : end if event.error is None else progress.done + event.done]
    created = progress.created or any(step.verb in CREATING for step in creating)
    progress = replace(progress, wrote=_either(progress.wrote, event.wrote), created=created, since=progress.at)
    if event.error is None:
        return _await_end(progress)
    # The last step counts when its end was seen: until then it may be sent again.
    progress = replace(progress, done=min(progress.done + event.done, end - 1), trouble=event.error)
    if progress.traits.transient(event.error) and progress.patience > 0:
        return _look_later(progress, RETRYING, _POWER)
    return replace(progress, phase=JUDGING, wish=Look(_facets(progress)), due=progress.at, pause=_FIRST_LOOK)


def _either(wrote, more):
    """Whether something was changed: True, False, or None where nobody knows."""
    return True if wrote or more else None if None in (wrote, more) else False


def _await_end(progress):
    phase = PRESSING if progress.last_step.verb == "stop" else WAITING
    wish = Look(_facets(progress))
    return replace(
        progress, phase=phase, wish=wish, due=progress.at, asked=progress.at, pause=_FIRST_LOOK, trouble=None
    )


def _facets(progress):
    return _CREATED if progress.last_step.verb in CREATING else _POWER


def _arrived(progress):
    return progress.vm.power == progress.expected.power and not progress.vm.busy


def _complete(progress):
    """The segment's end was seen."""
    return _next_segment(replace(progress, done=progress.segment[1], trouble=None))


def _while_retrying(progress, _event):
    first, end = progress.segment
    # A power state says nothing about settings: those are sent again.
    is_power_only = all(step.verb in POWER_VERBS for step in progress.plan.steps[first:end])
    return _complete(progress) if is_power_only and _arrived(progress) else _resend(progress)


def _while_judging(progress, _event):
    """A race lost to somebody who wanted the same is no failure: what counts is the VM's state."""
    if progress.vm.busy and progress.patience > 0:
        return _look_later(progress, JUDGING, progress.wish.facets)
    harmless = progress.last_step.verb in POWER_VERBS and isinstance(progress.trouble, _ANSWERS)
    # What somebody else created meanwhile may run already; whether it is as requested is seen in the end.
    exists = progress.last_step.verb in CREATING and progress.vm.power != ABSENT
    return _complete(progress) if harmless and (exists or _arrived(progress)) else fail(progress, progress.trouble)


def _is_gone(progress):
    """Whether somebody else removed the VM while this task worked on it."""
    is_new = progress.created or progress.last_step.verb in CREATING
    return progress.vm.power == ABSENT and not progress.vm.busy and not is_new


def _end_without_vm(progress):
    """What was asked to be absent is; else there is nothing left to work on, and nothing to wait for."""
    if progress.request.state == "absent":
        return _settle(progress)
    return _fail_after(progress, failures.gone(progress))


def _ended(progress):
    """What follows once nothing is to be awaited any more: the segment's end was seen, or the VM is gone. Else None."""
    if _arrived(progress):
        return _complete(progress)
    return _end_without_vm(progress) if _is_gone(progress) else None


def _while_waiting(progress, _event):
    ended = _ended(progress)
    if ended is not None:
        return ended
    if progress.last_step.verb == "start" and progress.vm.power in (FAILED, STOPPED, ABSENT):
        return _fail_after(progress, failures.not_started(progress))
    if progress.patience <= 0:
        return _fail_after(progress, failures.out_of_time(progress, "Raise timeout."))
    return _look_later(progress, WAITING, progress.wish.facets, _LONGEST_LOOK)


def _look_later(progress, phase, facets, longest=LONGEST_PAUSE, at_most=None):
    """Observe after a pause that grows each time, and not after the time is up (``at_most`` seconds)."""
    at_most = progress.patience if at_most is None else at_most
    pause = max(min(progress.pause, at_most), SHORTEST_PAUSE)
    longer = min(progress.pause * 1.5, longest)
    return replace(progress, phase=phase, wish=Look(facets), due=progress.at + pause, pause=longer)


def _not_seen(progress, error):
    """An observation failed: it is repeated while the error may pass and time is left."""
    if _may_pass(progress, error):
        noted = replace(progress, trouble=progress.trouble or error)
        if progress.phase == PRESSING and not _stop_is_overdue(progress):
            return _look_while_stopping(noted)
        if progress.phase != PRESSING and progress.patience > 0:
            return replace(_look_later(noted, progress.phase, progress.wish.facets), wish=progress.wish)
    if progress.phase == SETTLED:
        unseen = progress.vm.having(power=UNKNOWN, reason=f"it could not be observed: {error.message}")
        vm = progress.vm if progress.undone else unseen
        return replace(progress, phase=OVER, error=progress.error or error, vm=vm)
    if progress.phase == UNDOING:
        return _not_undone(progress, error)
    if progress.phase == JUDGING:
        return fail(progress, progress.trouble)
    return _fail_after(progress, error) if progress.phase in (WAITING, CUT) else fail(progress, error)


def _may_pass(progress, error):
    """Whether the platform only did not answer this time."""
    is_technical = isinstance(error, _ANSWERS) or getattr(error, "why", "") == "not_responding"
    return is_technical or progress.traits.transient(error)


def _fail_after(progress, error):
    """The segment was carried out, and its end is not as it should be."""
    return fail(replace(progress, done=progress.segment[1]), error)


# Stopping -------------------------------------------------------------------------------------------------------------


def _while_pressing(progress, _event):
    """Ask a guest again; when ``stop_timeout`` is over, cut it off or give up, as the policy says."""
    ended = _ended(_noting_a_crash(progress) if _arrived(progress) else progress)
    if ended is not None:
        return ended
    if progress.vm.power == FAILED:
        # A guest that has failed hears no request, and what it had not written is lost: there is nothing to wait for.
        return _ask(replace(_noting(progress, CRASHED), phase=CUT), "kill")
    if _stop_is_overdue(progress):
        if progress.policy.stop_mode != "graceful_then_force":
            return _fail_after(progress, failures.out_of_time(progress, failures.LONGER_STOP))
        note = f"forced after {_stop_timeout(progress)} s: the guest did not stop by itself"
        return _ask(replace(_noting(progress, note), phase=CUT), "kill")
    if progress.at - progress.asked >= ASK_AGAIN:
        return _ask(progress, "stop")
    return _look_while_stopping(progress)


def _noting_a_crash(progress):
    """A guest that crashed is off as well, and may have lost what it had not written yet."""
    return _noting(progress, CRASHED) if progress.vm.reason == "crashed" else progress


def _noting(progress, text):
    """The note of the segment's last step."""
    return replace(progress, notes={**progress.notes, progress.segment[1] - 1: text})


def _stop_timeout(progress):
    return progress.policy.stop_timeout or STOP_TIMEOUT


def _stop_is_overdue(progress):
    return progress.at - progress.since >= _stop_timeout(progress)


def _ask(progress, verb):
    return replace(progress, wish=Send((Step(verb),)), due=progress.at, asked=progress.at)


def _look_while_stopping(progress):
    """Observe after a pause, and not after the next request is due or the guest's time is up."""
    end = progress.at + progress.patience if progress.phase == CUT else progress.since + _stop_timeout(progress)
    next_request = max(progress.asked + ASK_AGAIN, progress.at + _LONGEST_LOOK)
    at_most = min(end, next_request) - progress.at
    return _look_later(progress, progress.phase, _POWER, _LONGEST_LOOK, at_most)


def _after_asking(progress, event):
    """An error ends nothing: the VM may have stopped in between, or another try succeeds. Its state tells."""
    wrote = _either(progress.wrote, event.wrote)
    return replace(progress, wish=Look(_POWER), due=progress.at, trouble=event.error, wrote=wrote)


def _while_cut(progress, _event):
    ended = _ended(progress)
    if ended is not None:
        return ended
    if progress.patience <= 0:
        return _fail_after(progress, failures.out_of_time(progress, failures.LONGER_STOP))
    if progress.trouble is not None and progress.at - progress.asked >= ASK_AGAIN:
        return _ask(progress, "kill")
    return _look_while_stopping(progress)


# Guests ---------------------------------------------------------------------------------------------------------------


def _to_guest(progress):
    return replace(progress, phase=GUEST, wish=Look(guests.FACETS), due=progress.at)


def _while_guest_boots(progress, _event):
    if progress.vm.power != RUNNING:
        return fail(progress, guests.went_away(progress.request, progress.vm))
    wanted, endpoints = progress.policy.wait_for, guests.endpoints(progress.vm, progress.policy.wait_for)
    if any(guests.is_certain(one, wanted) for one in endpoints):
        return _settle(progress)
    # At least one probe is made: a task that comes late still finds a guest that is there already.
    if endpoints and (progress.patience > 0 or not progress.tried):
        return replace(progress, wish=Probe(tuple(endpoints)), tried=tuple(endpoints), due=progress.at)
    return _after_probe(progress, Probed())


def _after_probe(progress, event):
    if event.endpoint is not None:
        return _settle(replace(progress, vm=guests.reached(progress.vm, event.endpoint)))
    if progress.patience <= 0:
        return fail(progress, guests.silent(progress.request, progress.tried))
    return replace(progress, wish=Look(guests.FACETS), due=progress.at + min(guests.PAUSE, progress.patience))


# The end --------------------------------------------------------------------------------------------------------------


def _is_undone_on_failure(progress):
    """Whether this is an unfinished creation of this task: from its first start on, a VM is kept."""
    verbs = [step.verb for step in progress.plan.steps]
    if not verbs or verbs[0] not in CREATING or not progress.created or progress.policy.on_failure == "keep":
        return False
    return "start" not in verbs[: progress.done] and progress.phase not in (UNDOING, GUEST)


def _before_undoing(progress, _event):
    vm = progress.vm
    # What the platform has not created yet has no mark: it is no more than this task's own description.
    if vm.power != STOPPED or not (vm.owned or vm.id is None):
        return _settle(progress)
    try:
        step = delete_step(vm, "owned", progress.traits)
    except PolyvirtError as error:
        return _not_undone(progress, error)
    return replace(progress, wish=Send((step,)), due=progress.at)


def _after_undoing(progress, event):
    if event.error is not None:
        return _not_undone(progress, event.error)
    return _settle(replace(progress, undone=True, done=0, vm=Vm.absent(progress.plan.before.name)))


def _not_undone(progress, trouble):
    return _settle(replace(progress, error=failures.not_undone(progress.error, trouble)))


def _settle(progress):
    if not progress.plan.changed:
        return replace(progress, phase=OVER, wish=None)
    return replace(progress, phase=SETTLED, wish=Look(FINAL, final=True), due=progress.at, pause=FIRST_PAUSE)


def _confirm(progress, event):
    """Plan the target again on what is there now: an empty plan is success, anything else is named."""
    if progress.error is not None:
        return replace(progress, phase=OVER, wish=None)
    left = plan(progress.vm, _target(progress), progress.traits, event.known)
    if left.busy and progress.patience > 0:
        later = _look_later(progress, SETTLED, FINAL)
        return replace(later, wish=Look(FINAL, final=True))
    error = None
    if left.busy or left.refusal or left.changed:
        error = failures.not_reached(progress, left)
    return replace(progress, phase=OVER, wish=None, error=error)


def _target(progress):
    """What has to hold in the end. What is only stored is reached: a restart was made if it was to be made."""
    target = progress.request.target()
    policy = replace(target.policy, allow_restart=False)
    if not any(step.verb in CREATING for step in progress.plan.steps):
        return replace(target, policy=policy)
    # A VM that was created again has a new id.
    return replace(target, policy=policy, name=target.name or progress.vm.name, id=None)


_SENT = {PRESSING: _after_asking, CUT: _after_asking, UNDOING: _after_undoing}
_SEEN = {
    RETRYING: _while_retrying, WAITING: _while_waiting, PRESSING: _while_pressing, CUT: _while_cut,
    JUDGING: _while_judging, GUEST: _while_guest_boots, UNDOING: _before_undoing, SETTLED: _confirm,
}  # fmt: skip
