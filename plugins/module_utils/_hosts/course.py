# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that changes the settings of a host, and its steps as data: read, plan, carry out, read again, report.

A host has ``read()``, ``plan(state)`` (pure; returns the remaining steps), ``apply(steps)``, ``reconnect()``,
``facts(state, steps)`` and ``transient``, the errors after which it is not known what was carried out.
"""

from __future__ import annotations

from typing import Any

from .._core.errors import PartlyApplied, PolyvirtError
from .._core.frozen import Frozen

#: How many lost connections a task survives.
_RECONNECTS = 5


def run(host, check, approval):
    """Return the result of the task. If it fails, ``changed`` and ``diff`` show what was changed until then."""
    return _Task(host, approval).run(check)


class _Task:
    def __init__(self, host, approval):
        self._host, self._approval = host, approval
        #: {key: (before, after)} of all planned steps, and the keys of those that were (or may have been) carried out.
        self._planned, self._done = {}, set()

    def run(self, check):
        state = self._host.read()
        steps = self._plan(state)
        self._permit(self._planned)
        error = None
        if not check:
            try:
                state, steps = self._carry_out(state, steps)
            except PolyvirtError as caught:
                error = caught
        if error is not None:
            return self._failed(state, error)
        return self._result(state, steps, self._planned)

    def _permit(self, planned):
        """Compare the plan with what was approved; what only waits for a restart changes nothing."""
        shown = [f"{key}: {before} -> {after}" for key, (before, after) in sorted(planned.items())]
        self._approval.permit([[key, *values] for key, values in sorted(planned.items())], [(None, shown)])

    def _plan(self, state):
        steps = self._host.plan(state)
        for step in steps:
            if not step.waits:
                before = self._planned.get(step.key, (step.before,))[0]
                self._planned[step.key] = (before, step.after)
        return steps

    def _carry_out(self, state, steps):
        """Carry out the steps; returns (state, steps that wait for a restart)."""
        confirmed, reconnects = set(), 0
        while next_round(steps):
            ready = next_round(steps)
            repeated = [step.key for step in ready if step.key in confirmed]
            if repeated:
                raise PartlyApplied(
                    f"{', '.join(repeated)}: the host accepted the change, but has not made it.",
                    "Its version may not support the value, or another client has changed it back.",
                )
            try:
                self._host.apply(ready)
                confirmed.update(step.key for step in ready)
            except self._host.transient:
                self._done.update(step.key for step in ready)
                reconnects += 1
                if reconnects > _RECONNECTS:
                    raise
                self._host.reconnect()
            self._done |= confirmed
            state = self._host.read()
            planned = dict(self._planned)
            steps = self._plan(state)
            if self._approval.is_limited and self._planned != planned:
                self._permit(self._planned)
        return state, steps

    def _failed(self, state, error):
        try:
            state = self._host.read()
            left = {step.key: step.before for step in self._host.plan(state)}
            values = {key: (before, left.get(key, after)) for key, (before, after) in self._planned.items()}
            values = {key: (before, now) for key, (before, now) in values.items() if before != now}
        except PolyvirtError:
            values = {key: values for key, values in self._planned.items() if key in self._done}
        return {**self._result(state, [], values), "failed": True, "msg": str(error)}

    def _result(self, state, steps, values):
        return {
            "changed": bool(values),
            "diff": difference(values),
            "pending": [step.key for step in steps if step.waits],
            "warnings": [],
            **self._host.facts(state, steps),
        }


class Step(Frozen):
    """One change. ``key`` names the setting in diffs and errors, ``before`` and ``after`` are its values.

    ``ends_round``: the host must be read again before the steps after this one can be planned exactly. ``restarts``:
    the step restarts the host. ``waits``: the step is possible only after a restart, which the task does not allow.
    """

    key: str
    before: Any
    after: Any
    calls: tuple = ()
    modules: tuple = ()
    ends_round: bool = False
    restarts: bool = False
    waits: bool = False


def next_round(steps):
    """Return the steps that can be carried out before the host must be read again."""
    ready = []
    for step in steps:
        if step.waits:
            continue
        ready.append(step)
        if step.ends_round or step.restarts:
            break
    return ready


def difference(values):
    """Return the diff of {key: (before, after)}."""
    return {
        "before": {key: before for key, (before, _after) in values.items()},
        "after": {key: after for key, (_before, after) in values.items()},
    }
