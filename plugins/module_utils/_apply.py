# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's acting half: sends segments lane by lane, waits until their end is seen, undoes unfinished creations."""

from __future__ import annotations

from dataclasses import replace

from ._lifecycle.errors import ApiError, CommandFailed, PartlyApplied, PolyvirtError, SomeFailed, Timeout
from ._lifecycle.model import ABSENT, STOPPED, Step
from ._lifecycle.plan import plan
from ._lifecycle.plan_delete import delete_step
from ._lifecycle.simulate import simulate

#: A guest that did not hear is asked again this often; a power button pressed while the firmware runs is lost.
ASK_AGAIN = 10
_POWER_VERBS = frozenset({"create", "clone", "start", "stop", "kill", "pause", "resume", "suspend", "delete"})
_MAKING = frozenset({"create", "clone"})
_POWER = frozenset({"power"})
#: What a platform answers where the machine does not stand as it must.
_ANSWERS = (ApiError, CommandFailed)
_MADE = frozenset({"power", "config"})


class Applier:
    """Carries out the plans of one Run."""

    def __init__(self, run):
        self.run = run
        self.driver, self.clock, self.traits = run.driver, run.clock, run.traits

    def apply_all(self):
        lanes = {}
        for work in self.run.works:
            if work.plan.changed:
                lanes.setdefault(self.driver.lane(work.vm), []).append(work)
        if len(lanes) > 1:
            # Here, for a task that has nothing to do shall not pay for the import.
            from concurrent.futures import ThreadPoolExecutor

            with ThreadPoolExecutor(max_workers=self.traits.lanes_at_once) as pool:
                list(pool.map(self._apply_lane, lanes.values()))
        elif lanes:
            self._apply_lane(next(iter(lanes.values())))
        touched = [work for works in lanes.values() for work in works]
        if touched:
            self._confirm(touched)

    def _apply_lane(self, works):
        """All machines of a lane go together, segment by segment; a failure ends its machine only."""
        number = 0
        while works:
            self._apply_round(works, number)
            for work in (work for work in works if work.error):
                self._roll_back(work)
            number += 1
            works = [work for work in works if not work.error and number < len(work.plan.segments)]

    def _apply_round(self, works, number):
        expected = {id(work): simulate(work.vm, work.plan.segments[number]) for work in works}
        errors, by_itself = self._send(works, number, expected)
        self._see(works, number, expected, errors)
        for work in works:
            error = errors.get(id(work))
            if error is None and id(work) not in by_itself and work.plan.segments[number][-1].verb in _MAKING:
                work.made_here = True
            self._note_done(work, number, error if work.error else None)

    def _send(self, works, number, expected):
        """Apply, and again to those of which the platform says that they are only busy.

        ({machine's work: last error}, works that got there by somebody else's doing), both by their ids.
        """
        errors, by_itself, pauses = {}, set(), self.run.pauses()
        while works:
            failed = self._sent_once(works, number)
            errors.update((id(work), failed.get(id(work))) for work in works)
            works = [work for work in works if self._passes(failed.get(id(work)))]
            if not works or self.clock.now() >= self.run.deadline:
                break
            self.clock.sleep(next(pauses))
            there = self._there_meanwhile(works, number, expected)
            errors.update(dict.fromkeys(there))
            by_itself |= there
            works = [work for work in works if id(work) not in there and not work.error]
        return {key: error for key, error in errors.items() if error}, by_itself

    def _there_meanwhile(self, works, number, expected):
        """The ids of those that somebody else brought there. A look that fails tells nothing: all are tried again."""
        try:
            self.run.look(works, _POWER)
        except PolyvirtError:
            return set()
        return {id(work) for work in works if not work.error and _is_there(work, number, expected[id(work)])}

    def _apply(self, segment):
        with self.run.work_of_the_platform():
            self.driver.apply(segment)

    def _sent_once(self, works, number):
        """The errors of one try, by the works' ids."""
        try:
            self._apply([(work.vm, work.plan.segments[number]) for work in works])
        except SomeFailed as error:
            return {id(works[place]): one for place, one in error.by_place.items()}
        except PolyvirtError as error:
            return {id(work): error for work in works}
        return {}

    def _passes(self, error):
        return error is not None and self.traits.transient(error)

    def _see(self, works, number, expected, errors):
        """Wait until each machine is seen where the segment ends. An error counts only where it is not."""
        waiting = [_Wait(work, work.plan.segments[number][-1], expected[id(work)], self.clock.now()) for work in works]
        pause = 0.1
        made = any(wait.step.verb in _MAKING for wait in waiting)
        while True:
            self.run.look_again([wait.work for wait in waiting], _MADE if made else _POWER)
            for work in (wait.work for wait in waiting if wait.work.error and id(wait.work) not in errors):
                # The segment went out whole; it is only its end that nobody saw.
                work.error.steps_done = len(work.plan.segments[number])
            waiting = [
                wait
                for wait in waiting
                if not wait.work.error and not self._over(wait, errors.get(id(wait.work)), number)
            ]
            if not waiting:
                return
            self.clock.sleep(pause)
            pause = min(pause * 1.5, 1)

    def _over(self, wait, error, number):
        """True when there is nothing more to wait for on this machine: it arrived, or it failed for good."""
        arrived = _arrived(wait.work, wait.expected)
        if error is not None:
            if wait.work.vm.busy and self.clock.now() < self.run.deadline:
                return False  # Somebody else is at it: only then is to be seen where the machine stands.
            # A race lost to somebody who wanted the same is no failure: what counts is where the machine stands.
            if not (arrived and wait.step.verb in _POWER_VERBS and isinstance(error, (*_ANSWERS, Timeout))):
                wait.work.error = error
            return True
        if arrived:
            return True
        if wait.step.verb == "stop":
            return self._press_on(wait, number)
        if wait.work.vm.power in ("failed", STOPPED, ABSENT) and wait.step.verb == "start":
            error = PolyvirtError(
                f"{wait.work.request.label}: it was started, but is {wait.work.vm.power}"
                f" ({wait.work.vm.reason or 'no reason given'}).",
                "Look at its log on the hypervisor.",
            )
            return self._fail_after(wait, error, number)
        return self._out_of_time(wait, wait.work.request.policy.timeout, number)

    def _fail_after(self, wait, error, number):
        """The segment was carried out whole; it is its outcome that is not as it should be."""
        error.steps_done = len(wait.work.plan.segments[number])
        wait.work.error = error
        return True

    def _press_on(self, wait, number):
        """A guest that was asked to stop: ask again, and in the end cut or give up, as the policy says."""
        work, now = wait.work, self.clock.now()
        limit = work.request.policy.stop_timeout or self.traits.stop_timeout
        if wait.cut or now - wait.since < limit:
            if now - wait.asked >= ASK_AGAIN and not (wait.cut and wait.trouble is None):
                self._ask(wait, "kill" if wait.cut else "stop")
            return wait.cut and self._out_of_time(wait, limit + work.request.policy.timeout, number)
        if work.request.policy.stop_mode != "graceful_then_force":
            return self._out_of_time(wait, limit, number)
        wait.cut = True
        position = sum(len(segment) for segment in work.plan.segments[: number + 1]) - 1
        work.notes[position] = f"forced after {limit} s: the guest did not stop by itself"
        self._ask(wait, "kill")
        return False

    def _ask(self, wait, verb):
        """An error ends nothing: the machine may have stopped in between, or another try succeeds. A look tells."""
        wait.asked, wait.trouble = self.clock.now(), None
        try:
            self._apply([(wait.work.vm, (Step(verb),))])
        except PolyvirtError as error:
            wait.trouble = error

    def _out_of_time(self, wait, limit, number):
        waited = self.clock.now() - wait.since
        if waited < limit:
            return False
        work = wait.work
        remedy = (
            "Raise stop_timeout, or set stop_mode: graceful_then_force."
            if wait.step.verb == "stop"
            else "Raise timeout."
        )
        state = f"{work.vm.power}{f', {work.vm.busy}' if work.vm.busy else ''}"
        message = f"after {wait.step.verb} it is still {state} (waited {waited:.0f} s for {wait.expected.power})."
        trouble = f" Asked again, the platform said: {wait.trouble.message.rstrip('.')}." if wait.trouble else ""
        return self._fail_after(wait, Timeout(f"{work.request.label}: {message}{trouble}", waited, remedy), number)

    def _note_done(self, work, number, error):
        first = sum(len(segment) for segment in work.plan.segments[:number])
        count = len(work.plan.segments[number]) if not work.error else getattr(error or work.error, "steps_done", 0)
        work.done |= set(range(first, first + count))

    def _roll_back(self, work):
        """Undo an unfinished creation; from its first start on a machine is kept.

        What a driver could not make it has cleared away itself: a machine of that name is somebody else's.
        """
        verbs = [step.verb for step in work.plan.steps]
        started = any(verbs[place] == "start" for place in work.done)
        if verbs[0] not in _MAKING or not work.made_here or started or work.request.policy.on_failure == "keep":
            return
        error, work.error = work.error, None
        try:
            self._undo(work)
        except PolyvirtError as trouble:
            error = PolyvirtError(f"{error} Undoing the creation failed too: {trouble}", "Remove what is left by hand.")
        work.error = error

    def _undo(self, work):
        self.run.look([work], frozenset({"power", "config", "files"}))
        # What the platform has not made yet has no mark: it is no more than this task's own description.
        if work.vm.power == STOPPED and (work.vm.owned or work.vm.id is None):
            self._apply([(work.vm, (delete_step(work.vm, "owned", self.traits),))])
            work.done = set()
            work.vm = work.vm.absent(work.request.label)

    def _confirm(self, works):
        """Plan the target anew on what is there now: an empty plan is success, anything else is named."""
        errors = {id(work): work.error for work in works}
        observation = self.run.look_again(works, frozenset({"power", "config", "snapshots", "addresses"}))
        for work in works:
            work.error = errors[id(work)] or work.error
            if work.error:
                continue
            left = plan(work.vm, _without_restart(work.request.target()), self.traits, observation.known)
            if left.refusal or left.changed:
                work.error = PartlyApplied(
                    f"{work.request.label}: not all was reached: {_left(left)}.", "Run the task again."
                )


def _without_restart(request):
    """What is stored only is reached: a restart for it was made if it was to be made."""
    return replace(request, policy=replace(request.policy, allow_restart=False))


class _Wait:
    """One machine being waited for after a step."""

    def __init__(self, work, step, expected, now):
        self.work, self.step, self.expected = work, step, expected
        self.since = self.asked = now
        self.cut = False
        #: The error of the last try to ask it again, or to cut it.
        self.trouble = None


def _is_there(work, number, expected):
    # Where a machine stands says nothing about its settings: those are sent again.
    is_power = all(step.verb in _POWER_VERBS for step in work.plan.segments[number])
    return is_power and _arrived(work, expected)


def _arrived(work, expected):
    return work.vm.power == expected.power and not work.vm.busy


def _left(left):
    if left.refusal:
        return left.refusal.message.split(": ", 1)[-1].rstrip(".")
    paths = [change.path for step in left.steps for change in step.changes]
    return ", ".join(paths or [step.verb for step in left.steps])
