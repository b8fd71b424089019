# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out steps where a backend takes the calls of many VMs in one request.

A step is a generator: it yields lists of calls and receives their results; an error is raised where it yields.
"""

from __future__ import annotations

from .errors import PolyvirtError, SomeFailed, unexpected
from .one_by_one import one_by_one


def apply_in_rounds(begin, send, batch, count):
    """A driver's ``apply``: ``begin``, ``send``, ``batch`` as for ``in_rounds``, ``count`` as for ``one_by_one``."""

    def send_one(calls):
        outcome, _wrote = send({0: calls})[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    if len(batch) == 1:
        return one_by_one(lambda vm, step: drive(begin(vm, step), send_one), batch, count)
    return in_rounds(begin, send, batch)


def drive(step, send):
    """One step alone: ``send(calls)`` returns the result, or raises."""
    calls = next(step, None)
    while calls is not None:
        try:
            result = send(calls)
        except PolyvirtError as error:
            calls = _next(step.throw, error)
        else:
            calls = _next(step.send, result)


def _next(advance, value):
    try:
        return advance(value)
    except StopIteration:
        return None


def in_rounds(begin, send, batch):
    """All steps of (VM, steps) pairs, those of different VMs side by side.

    ``begin(vm, step)`` is the generator of a step. ``send({place: calls})`` returns {place: (result or error, whether
    anything was changed)}. Returns for each VM whether anything was changed (None: nobody knows), as ``one_by_one``.
    """
    ways = [_Way(begin, vm, steps) for vm, steps in batch]
    for way in ways:
        way.advance()
    while any(way.calls is not None for way in ways):
        waiting = {place: way for place, way in enumerate(ways) if way.calls is not None}
        outcomes = send({place: way.calls for place, way in waiting.items()})
        for place, way in waiting.items():
            way.receive(*outcomes[place])
    failed = {place: way.error for place, way in enumerate(ways) if way.error is not None}
    wrote = {place: way.wrote for place, way in enumerate(ways)}
    if failed:
        raise SomeFailed(failed, wrote) if len(batch) > 1 else failed[0]
    return list(wrote.values())


class _Way:
    """One VM's way through its steps; ``calls`` are to be sent next, None at its end."""

    def __init__(self, begin, vm, steps):
        self._begin, self._vm, self._steps = begin, vm, list(steps)
        self._done, self._step = 0, None
        self.calls, self.error, self.wrote = None, None, False

    def advance(self):
        """Begin steps until one has calls."""
        self.calls = None
        while self.calls is None and self.error is None and self._done < len(self._steps):
            self._step = self._begin(self._vm, self._steps[self._done])
            self._go_on(lambda: next(self._step))

    def receive(self, outcome, wrote):
        self.wrote = self.wrote or wrote
        is_error = isinstance(outcome, Exception)
        self._go_on(lambda: self._step.throw(outcome) if is_error else self._step.send(outcome))
        if self.calls is None:
            self.advance()

    def _go_on(self, act):
        self.calls = None
        try:
            self.calls = act()
        except StopIteration:
            self._done += 1
        except PolyvirtError as error:
            self._fail(error)
        except Exception as error:  # A fault of ours must not cost the results of the other VMs of the batch.
            self._fail(unexpected(error))

    def _fail(self, error):
        error.steps_done, error.wrote = self._done, self.wrote
        self.error = error
