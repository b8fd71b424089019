# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loop of a task: sends steps that are ready, observes all waiting VMs at once, sleeps until the next is due."""

from __future__ import annotations

from contextlib import ExitStack

from .._core.errors import PartlyApplied, PolyvirtError, SomeFailed, unexpected
from .._core.frozen import replace
from .._ports.progress import report
from .progress.advance import advance
from .progress.ending import fail
from .progress.replan import is_outdated
from .progress.state import (
    CONFIRMING,
    OVER,
    READY,
    Answered,
    Ask,
    Observe,
    Press,
    Pressed,
    Probe,
    Probed,
    Send,
    Sent,
)  # fmt: skip

_PROBES_AT_ONCE = 32
_SENDERS, _PROBERS = 0, 1


class Execution:
    """Processes the VMs of a task, which may have several drivers.

    ``works`` have a ``progress``, and in ``after`` the works to wait for.
    """

    def __init__(self, works):
        self.works = works
        self.clock, self._probe = works[0].task.clock, works[0].task.probe
        #: {future: (works, lane)} of the calls that are running.
        self._running = {}
        #: {id(work): Look} of the works whose steps are being sent.
        self._looks = {}

    def run(self):
        with ExitStack() as pools:
            self._pools = self._open_pools(pools)
            while self._unfinished():
                self._is_idle = True
                self._fail_blocked()
                self._send()
                self._start_probes()
                if not self._observe():
                    self._wait()

    def _open_pools(self, pools):
        """Return thread pools for several VMs, None for one VM, which saves the time of the import."""
        if len(self.works) == 1:
            return None
        from concurrent.futures import ThreadPoolExecutor

        senders = pools.enter_context(
            ThreadPoolExecutor(max_workers=max(work.task.traits.lanes_at_once for work in self.works))
        )
        return senders, pools.enter_context(ThreadPoolExecutor(max_workers=_PROBES_AT_ONCE))

    def _unfinished(self):
        return [work for work in self.works if work.progress.phase != OVER]

    def _with_wish(self, kind):
        """Return the works with this kind of wish, except those with a running call."""
        busy = {id(work) for works, _lane in self._running.values() for work in works}
        return [work for work in self._unfinished() if id(work) not in busy and isinstance(work.progress.wish, kind)]

    def _feed(self, work, event):
        try:
            work.progress = advance(work.progress, event, self.clock.now())
        except Exception as error:  # A bug here must not lose the results of the other VMs.
            work.progress = replace(work.progress, phase=OVER, error=work.progress.error or unexpected(error))

    # Steps ------------------------------------------------------------------------------------------------------------

    def _fail_blocked(self):
        for work in self._with_wish(Send):
            blocker = next((one for one in work.after if one.progress.error is not None), None)
            if work.progress.phase == READY and not work.progress.done and blocker is not None:
                message = f"{work.progress.label}: not started, because {blocker.progress.label} failed."
                work.progress = fail(work.progress, PolyvirtError(message))

    def _send(self):
        """Send the steps of all VMs that are ready, in one batch for each lane without a running call."""
        lanes = {}
        for work in self._with_wish(Send):
            if all(one.progress.phase in (CONFIRMING, OVER) for one in work.after):
                lanes.setdefault((work.place, work.task.driver.lane(work.progress.vm)), []).append(work)
        busy_lanes = {lane for _works, lane in self._running.values()}
        # Two connections can lead to the same lane: their steps are sent one after the other.
        ready = {
            lane: [work for work in works if work.task is works[0].task]
            for lane, works in lanes.items()
            if lane not in busy_lanes
        }
        later = self._look([work for works in ready.values() for work in works])
        for lane, works in ready.items():
            works = [work for work in works if id(work) not in later]
            if works:
                self._submit(_SENDERS, works, lambda works=works: self._apply(works), lane)

    def _look(self, works):
        """Look once more at the files that the next steps attach or lose, for all VMs of a task together.

        Returns {id(work)} of those that have to wait until others have unlocked their files.
        """
        by_task, later = {}, set()
        for work in works:
            if work.claims is not None:
                by_task.setdefault(id(work.task), []).append(work)
        if by_task:
            from .conflicts import Look  # A task that only waits for guests does not need it.

            for group in by_task.values():
                look = Look(group)
                self._looks.update(dict.fromkeys(map(id, group), look))
                later |= look.later
        return later

    def _steps(self, work):
        """Return the steps to send; the source of a clone is observed again if this task has changed it."""
        # It was planned again. The way back to the previous power state needs no check.
        if work.plan is not work.progress.plan and work.progress.error is None:
            work.task.driver.preflight(work.progress.plan)
            work.plan = work.progress.plan
        steps = work.progress.wish.steps
        if steps[0].verb != "clone" or work.source is None:
            return steps
        source = work.task.observer.source(work.source.target)
        return (replace(steps[0], arguments={**steps[0].arguments, "source": source}), *steps[1:])

    def _apply(self, works):
        """Apply the steps of ``works``; returns [Sent], None for those that have got their events already.

        A driver with ``alone`` lets no other task change a VM meanwhile. It does not wait for that: the VM is tried
        again like after any temporary error, until its ``timeout`` is over.
        """
        driver = works[0].task.driver
        if not hasattr(driver, "alone"):
            return self._applied(works)
        with ExitStack() as held:
            try:
                for work in works:
                    held.enter_context(driver.alone(work.progress.vm, work.progress.wish.steps))
            except PolyvirtError as error:
                return [_failed(error)] * len(works)
            return [self._with_new_plan(work, sent) for work, sent in zip(works, self._applied(works))]

    def _with_new_plan(self, work, sent):
        """If the plan is outdated, plan again and carry it out before others can change the VM again."""
        if not is_outdated(work.progress, sent):
            return sent
        self._feed(work, sent)
        for _work, event in work.task.observer.observed([work], work.progress.wish.facets):
            self._feed(work, event)
        is_planned = work.progress.phase == READY and isinstance(work.progress.wish, Send)
        return self._applied([work])[0] if is_planned else None

    def _applied(self, works):
        """Apply the steps of ``works``; returns [Sent]. An error (also of reading a source) fails only its VM."""
        from .conflicts import permit_of_next

        batch, sent = {}, {}
        for work in works:
            try:
                if id(work) in self._looks:
                    self._looks[id(work)].check(work)
                batch[id(work)] = (work.progress.vm, self._steps(work), permit_of_next(work))
            except PolyvirtError as error:
                sent[id(work)] = _failed(error)
        report(_text_of(works))
        sent.update(zip(batch, self._apply_batch(works[0].task.driver, list(batch.values()))))
        report(None)
        return [sent[id(work)] for work in works]

    def _apply_batch(self, driver, batch):
        """Apply a batch; returns [Sent] in its order."""
        try:
            wrote = (driver.apply(batch) if batch else None) or [True] * len(batch)
        except SomeFailed as error:
            return [
                _failed(error.by_index[index]) if index in error.by_index else Sent(wrote=error.wrote.get(index, True))
                for index in range(len(batch))
            ]
        except PolyvirtError as error:
            return [_failed(error)] * len(batch)
        return [Sent(wrote=one) for one in wrote]

    def _fail_all(self):
        """Fail all VMs, because they wait for each other. No known task leads to that."""
        for work in self._unfinished():
            error = PolyvirtError(f"{work.progress.label}: VMs of this task wait for each other.", "Use two tasks.")
            work.progress = fail(work.progress, error)

    # Observing --------------------------------------------------------------------------------------------------------

    def _observe(self):
        """Observe all VMs that are due, in one call for each driver; False if none is."""
        waiting, now = self._with_wish(Observe), self.clock.now()
        # One final observation gives the results of all VMs, so it waits until no VM needs another one before.
        is_final = len(waiting) == len(self._unfinished()) and all(work.progress.wish.final for work in waiting)
        due = [work for work in waiting if work.progress.due <= now and work.progress.wish.final == is_final]
        if not due:
            return False
        facets = frozenset().union(*(work.progress.wish.facets for work in due))
        for task in {id(work.task): work.task for work in due}.values():
            for work, event in task.observer.observed([work for work in due if work.task is task], facets):
                self._feed(work, event)
        return True

    # Guests -----------------------------------------------------------------------------------------------------------

    def _start_probes(self):
        for work in self._with_wish(Probe):
            self._submit(_PROBERS, [work], lambda work=work: [self._probed(work)])
        for work in self._with_wish(Ask):
            self._submit(_PROBERS, [work], lambda work=work: [_answered(work)])
        for work in self._with_wish(Press):
            self._submit(_PROBERS, [work], lambda work=work: [_pressed(work)])

    def _probed(self, work):
        for one in work.progress.wish.endpoints:
            if self._probe(one.host, one.port, one.what):
                return Probed(one)
        return Probed()

    # Running calls ----------------------------------------------------------------------------------------------------

    def _submit(self, pool, works, action, lane=None):
        """Call ``action``, which returns an event for each of ``works``, in a thread if there are several VMs."""
        self._is_idle = False
        if self._pools is None:
            self._finish(works, action)
        else:
            self._running[self._pools[pool].submit(action)] = (works, lane)

    def _finish(self, works, result):
        try:
            events = result()
        except Exception as error:  # As in _feed.
            events = [Sent(error=unexpected(error)) for _work in works]
        for work in works:
            if id(work) in self._looks:
                self._looks.pop(id(work)).close(work)
        for work, event in zip(works, events):
            if event is not None:
                self._feed(work, event)

    def _wait(self):
        """Wait until a running call has ended, or the next observation is due."""
        waiting = [work.progress for work in self._with_wish(Observe)]
        next_ones = [one for one in waiting if not one.wish.final] or ([] if self._running else waiting)
        pause = min((one.due - self.clock.now() for one in next_ones), default=None)
        if pause is None and not self._running and self._is_idle:
            self._fail_all()
        if (pause is not None and pause <= 0) or (pause is None and not self._running):
            return
        for future in self.clock.wait(list(self._running), pause):
            works, _lane = self._running.pop(future)
            self._finish(works, future.result)


def _text_of(works):
    """Return the steps that are sent, as a text for the user."""
    return "; ".join(f"{work.name}: {', '.join(step.verb for step in work.progress.wish.steps)}" for work in works)


def _answered(work):
    """Run a command in the guest by its agent."""
    try:
        return Answered(*work.task.driver.run_in_guest(work.progress.vm, work.progress.wish.command))
    except PolyvirtError as error:
        return Answered(error=error)


def _pressed(work):
    try:
        work.task.driver.press_key(work.progress.vm)
    except PolyvirtError as error:
        return Pressed(error)
    except Exception as error:  # As in _feed.
        return Pressed(unexpected(error))
    return Pressed()


def _failed(error):
    done = getattr(error, "steps_done", 0)
    wrote = True if isinstance(error, PartlyApplied) else getattr(error, "wrote", bool(done))
    return Sent(done, error, wrote)
