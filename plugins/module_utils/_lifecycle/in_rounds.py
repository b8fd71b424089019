# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out steps where a backend takes the calls of many VMs in one request.

A step is a generator: it yields lists of calls and receives their results; an error is raised where it yields.
"""

from __future__ import annotations

from contextlib import suppress

from .errors import PolyvirtError, SomeFailed, unexpected


class Last(list):
    """The last calls of a step, unless they fail: those of the next step can follow in the same request."""


def in_rounds(begin, send, batch):
    """A driver's ``apply``: all steps of (VM, steps) pairs, those of different VMs side by side.

    ``begin(vm, step)`` is the generator of a step. ``send({place: parts})`` takes the calls of one step or of several,
    a list for each. It returns {place: [(result or error, whether anything was changed)]}, with an item for each part
    up to the one that failed. Returns for each VM whether anything was changed (None: nobody knows), and reports errors
    as ``one_by_one`` does.
    """
    ways = [_Way(begin, vm, steps) for vm, steps in batch]
    for way in ways:
        way.advance()
    while any(way.parts for way in ways):
        waiting = {place: way for place, way in enumerate(ways) if way.parts}
        outcomes = send({place: way.parts for place, way in waiting.items()})
        for place, way in waiting.items():
            way.receive(outcomes[place])
    failed = {place: way.error for place, way in enumerate(ways) if way.error is not None}
    wrote = {place: way.wrote for place, way in enumerate(ways)}
    if failed:
        raise SomeFailed(failed, wrote) if len(batch) > 1 else failed[0]
    return list(wrote.values())


class _Way:
    """One VM's way through its steps; ``parts`` are to be sent next, none at its end."""

    def __init__(self, begin, vm, steps):
        self._begin, self._vm, self._steps = begin, vm, list(steps)
        self._done, self._step, self._next, self._calls = 0, None, None, None
        self.parts, self.error, self.wrote = [], None, False

    def advance(self):
        """Begin steps until one has calls."""
        while self._calls is None and self.error is None and self._done < len(self._steps):
            self._go_on(self._start)
        self.parts = [] if self._calls is None else [self._calls]
        if isinstance(self._calls, Last) and self._done + 1 < len(self._steps):
            self._add_next_step()

    def _start(self):
        self._step = self._begin(self._vm, self._steps[self._done])
        return next(self._step)

    def _add_next_step(self):
        """The first calls of the next step are sent with the last ones of this step."""
        with suppress(Exception):  # The step begins again in its turn.
            self._next = self._begin(self._vm, self._steps[self._done + 1])
            self.parts.append(next(self._next))

    def receive(self, outcomes):
        for outcome, wrote in outcomes:
            self.wrote = True if True in (self.wrote, wrote) else None if None in (self.wrote, wrote) else False
            self._take(outcome)
            if self._calls is not None or self.error is not None:
                break
            self._step = self._next
        self.advance()

    def _take(self, outcome):
        is_error = isinstance(outcome, Exception)
        self._go_on(lambda: self._step.throw(outcome) if is_error else self._step.send(outcome))

    def _go_on(self, act):
        self._calls = None
        try:
            self._calls = act()
        except StopIteration:
            self._done += 1
        except PolyvirtError as error:
            self._fail(error)
        except Exception as error:  # A fault of ours must not cost the results of the other VMs of the batch.
            self._fail(unexpected(error))

    def _fail(self, error):
        error.steps_done, error.wrote = self._done, self.wrote
        self.error = error
