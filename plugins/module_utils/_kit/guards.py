# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guards: what is checked before the first step of a plan. A driver has one table of them (its guards.py).

Only the guards that a plan is about run: a changed CPU count passes those of CPUs. They run in the order of the table,
and the first one that raises an error decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._core.frozen import Frozen
from .._core.planner.planned_steps import planned


class Guard(Frozen):
    """A check of a whole plan: ``check(driver, plan)`` raises if the plan must not begin, or may return warnings.

    ``about``: verbs of steps, and kinds or fields of the changes to a VM that exists, or to a clone; empty: every plan.
    ``protects``: what would happen without it, for docs/errors.md.
    """

    about: Sequence
    check: Callable
    protects: str

    def run(self, driver, plan, steps, released):
        return self.check(driver, plan)


class SharedGuard(Guard):
    """The same with ``check(driver, plan, released)``: the claims that earlier plans of the task let go of count."""

    def run(self, driver, plan, steps, released):
        return self.check(driver, plan, released)


class StepGuard(Guard):
    """A check of each step that it is about: ``check(driver, plan, one)`` with a Planned (planner/planned_steps)."""

    def run(self, driver, plan, steps, released):
        found = [one for one in steps if not self.about or not _words(one.step).isdisjoint(self.about)]
        return [text for one in found for text in self.check(driver, plan, one) or ()]


def check_all(guards, driver, plan, released):
    """Run the guards that ``plan`` is about: they raise NotFound, Refused or Unsupported. Returns their warnings."""
    warnings, steps = [], tuple(planned(plan))
    words = set().union(*map(_words, plan.steps))
    for one in guards:
        if not one.about or not words.isdisjoint(one.about):
            warnings += one.run(driver, plan, steps, released) or ()
    return warnings


def _words(step):
    return {step.verb, *(word for change in step.changes for word in (change.kind, change.field))}
