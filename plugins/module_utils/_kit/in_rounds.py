# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out steps for drivers with a backend that takes the calls of several VMs in one request.

A step is a generator: it yields lists of calls and receives their results; an error is thrown into it. It returns
True if it has changed something in another way.
"""

from __future__ import annotations

from contextlib import suppress

from .._core.errors import PolyvirtError, SomeFailed, unexpected


class Last(list):
    """The last calls of a step, unless they fail: the first calls of the next step can be in the same request."""


def in_rounds(begin, send, batch, granted):
    """Implement a driver's ``apply``: carry out all (VM, steps, Permit) of ``batch``, different VMs at the same time.

    One request has the calls of several VMs, so what one of them may destroy is permitted to all.

    ``begin(vm, step)`` returns the generator of a step. ``send({index: parts})`` sends calls: ``index`` is the place of
    the VM in ``batch``, ``parts`` a list of calls for each of one or more steps. It returns {index: [(result or error,
    whether anything was changed)]}, with one item per part up to the first that failed. Returns for each VM whether
    anything was changed (None: not known), and reports errors as ``one_by_one`` does.
    """
    with granted(*(permit for _vm, _steps, permit in batch)):
        return _in_rounds(send, [_VmRun(begin, vm, steps) for vm, steps, _permit in batch])


def _in_rounds(send, runs):
    for run in runs:
        run.advance()
    while any(run.parts for run in runs):
        waiting = {index: run for index, run in enumerate(runs) if run.parts}
        outcomes = send({index: run.parts for index, run in waiting.items()})
        for index, run in waiting.items():
            run.receive(outcomes[index])
    failed = {index: run.error for index, run in enumerate(runs) if run.error is not None}
    wrote = {index: run.wrote for index, run in enumerate(runs)}
    if failed:
        raise SomeFailed(failed, wrote) if len(runs) > 1 else failed[0]
    return list(wrote.values())


class _VmRun:
    """The steps of one VM. ``parts`` are the lists of calls to send next; empty when all steps have ended."""

    def __init__(self, begin, vm, steps):
        self._begin, self._vm, self._steps = begin, vm, list(steps)
        self._done, self._step, self._next, self._calls = 0, None, None, None
        self.parts, self.error, self.wrote = [], None, False

    def advance(self):
        """Begin the next step; steps without calls end at once, and the one after them begins."""
        while self._calls is None and self.error is None and self._done < len(self._steps):
            self._run_step(self._start)
        self.parts = [] if self._calls is None else [self._calls]
        if isinstance(self._calls, Last) and self._done + 1 < len(self._steps):
            self._add_next_step()

    def _start(self):
        self._step = self._begin(self._vm, self._steps[self._done])
        return next(self._step)

    def _add_next_step(self):
        """Send the first calls of the next step together with the last calls of this step."""
        with suppress(Exception):  # If it fails here, it begins again after this step.
            self._next = self._begin(self._vm, self._steps[self._done + 1])
            self.parts.append(next(self._next))

    def receive(self, outcomes):
        for outcome, wrote in outcomes:
            self.wrote = True if True in (self.wrote, wrote) else None if None in (self.wrote, wrote) else False
            self._resume(outcome)
            if self._calls is not None or self.error is not None:
                break
            self._step = self._next
        self.advance()

    def _resume(self, outcome):
        is_error = isinstance(outcome, Exception)
        self._run_step(lambda: self._step.throw(outcome) if is_error else self._step.send(outcome))

    def _run_step(self, resume):
        self._calls = None
        try:
            self._calls = resume()
        except StopIteration as end:
            self._done += 1
            self.wrote = self.wrote or bool(end.value)
        except PolyvirtError as error:
            self._fail(error)
        except Exception as error:  # A bug here must not lose the results of the other VMs of the batch.
            self._fail(unexpected(error))

    def _fail(self, error):
        error.steps_done, error.wrote = self._done, self.wrote
        self.error = error
