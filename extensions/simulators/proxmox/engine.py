# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated time, and processes that run in it.

A process is a generator that yields the seconds for which it waits. Everything that takes time (a task, a slow call, a
guest that shuts down) is a process, so hours of a cluster pass as fast as the steps can be run. No code needs a lock
against other threads, because the steps run one after another.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time

from .errors import LockTimeout

#: Both clocks begin here, so that times in configurations are the same in every run.
START = 1_790_000_000.0


class DrivenClock:
    """A clock that only moves when it is advanced."""

    driven = True

    def __init__(self):
        self.now = START


class RealClock:
    """A clock that runs ``factor`` times as fast as real time."""

    driven = False

    def __init__(self, factor=1.0):
        self.factor = factor
        self._began = time.monotonic()

    @property
    def now(self):
        return START + (time.monotonic() - self._began) * self.factor


class Process:
    """A running generator; ``value`` is its result or ``error`` the exception with which it ended."""

    def __init__(self, body, when_done=None):
        self.body = body
        self.done = False
        self.value = None
        self.error = None
        #: The number of completed steps.
        self.turn = 0
        self._when_done = when_done

    def finish(self, value=None, error=None):
        self.done, self.value, self.error = True, value, error
        if self._when_done:
            self._when_done(self)


class Engine:
    """Runs the steps of processes in the order of their times."""

    def __init__(self, clock):
        self.clock = clock
        self.now = clock.now
        self._due = []
        self._order = itertools.count()
        #: The process that is running a step.
        self.current = None
        #: A test may advance the clock while a server's thread answers.
        self.lock = threading.RLock()

    def start(self, body, when_done=None):
        """Start a process; its first step runs at once."""
        process = Process(body, when_done)
        with self.lock:
            self._step(process)
        return process

    def after(self, seconds, action):
        heapq.heappush(self._due, (self.now + seconds, next(self._order), action))

    def next_due(self):
        """The time of the next event, or None."""
        return self._due[0][0] if self._due else None

    def run_due(self):
        """Run all events that are due now. With a real clock, call it before the state is read."""
        self.run_until(self.clock.now)

    def run_until(self, moment):
        with self.lock:
            while self._due and self._due[0][0] <= moment:
                when, _order, action = heapq.heappop(self._due)
                self.now = max(self.now, when)
                action()
            self.now = max(self.now, moment)

    def advance(self, seconds):
        """Advance a driven clock by ``seconds``."""
        with self.lock:
            moment = self.clock.now + seconds
            self.run_until(moment)
            self.clock.now = max(moment, self.clock.now)

    def finish(self, process):
        """Advance a driven clock until ``process`` has ended."""
        with self.lock:
            while not process.done:
                self.advance(max(0.0, self.next_due() - self.clock.now))

    def interrupt(self, process, error):
        """Throw ``error`` into a process, which can clean up."""
        with self.lock:
            self._step(process, error)

    def _step(self, process, error=None, turn=None):
        # After an interruption, the event for which the process waited still occurs, and must be ignored.
        if process.done or turn not in (None, process.turn):
            return
        process.turn += 1
        before, self.current = self.current, process
        try:
            pause = process.body.throw(error) if error else next(process.body)
        except StopIteration as end:
            process.finish(end.value)
        except Exception as raised:
            process.finish(error=raised)
        else:
            self.after(pause, lambda turn=process.turn: self._step(process, turn=turn))
        finally:
            self.current = before


class FileLock:
    """A lock file: held exclusively by one process or shared by several; others fail after their timeout."""

    def __init__(self, engine, path):
        self._engine = engine
        self._path = path
        self._exclusive = False
        self._sharing = 0
        self._foreign_until = 0.0

    @property
    def is_held(self):
        return self._exclusive or self._sharing > 0 or self._engine.now < self._foreign_until

    def hold_for(self, seconds):
        """Somebody else holds the lock for some seconds."""
        self._foreign_until = self._engine.now + seconds

    def holding(self, body, timeout):
        """Run ``body`` with the exclusive lock."""
        yield from self._free(timeout, lambda: self._sharing == 0)
        self._exclusive = True
        try:
            return (yield from body)
        finally:
            self._exclusive = False

    def sharing(self, body, timeout):
        """Run ``body`` with a shared lock."""
        yield from self._free(timeout, lambda: True)
        self._sharing += 1
        try:
            return (yield from body)
        finally:
            self._sharing -= 1

    def _free(self, timeout, allowed):
        give_up = self._engine.now + timeout
        while self._exclusive or not allowed() or self._engine.now < self._foreign_until:
            if self._engine.now >= give_up:
                raise LockTimeout(f"can't lock file '{self._path}' - got timeout")
            yield 0.05
