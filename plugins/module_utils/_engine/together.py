# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one task with several drivers, and prune a fleet. Everything is planned before the first step."""

from __future__ import annotations

from dataclasses import replace

from .._lifecycle.fleet import surplus_vms
from .._lifecycle.model import Request
from .._ports.clock import Clock
from .._ports.net import guest_answers
from .task import Outcome, Task


def run_together(parts, asked, check=False, fleet="", clock=None, probe=guest_answers):
    """Carry out ``parts``, which are (driver, requests); ``vms`` of the Outcome are in the order of ``asked``.

    ``fleet``: VMs of this fleet are deleted unless a request selects them; they are last in ``vms``. If one plan is
    rejected, nothing is done.
    """
    clock = clock or Clock()
    tasks = [Task(driver, requests, clock, probe) for driver, requests in parts]
    pruned = _pruned(tasks[0], asked, fleet) if fleet else []
    tasks[0].add(pruned)
    for task in tasks:
        task.plan()
    for task in tasks:
        task.preflight()
    is_refused = any(task.is_refused for task in tasks)
    if not check and not is_refused:
        for task in tasks:
            task.execute()
    return _joined(tasks, [task.outcome(check and not is_refused) for task in tasks], [*asked, *pruned])


def _pruned(task, asked, fleet):
    """Return the requests to delete the surplus VMs of the fleet."""
    observation = task.observer.observe(None, frozenset({"power", "config"}))
    task.observer.warnings += [
        f"{label}: it cannot be read, so it is not pruned: {error}" for label, error in observation.errors.items()
    ]
    policy = replace(asked[0].policy, wait_for="state", purge=frozenset(), at_start={})
    return [
        Request(name=vm.name, id=vm.id, state="absent", policy=policy)
        for vm in surplus_vms(observation.vms, asked, fleet)
    ]


def _joined(tasks, outcomes, order):
    entries = {}
    for task, outcome in zip(tasks, outcomes):
        entries.update({id(work.request): entry for work, entry in zip(task.works, outcome.vms)})
    return Outcome(
        vms=[entries[id(request)] for request in order],
        diff=[one for outcome in outcomes for one in outcome.diff],
        changed=any(outcome.changed for outcome in outcomes),
        failed=any(outcome.failed for outcome in outcomes),
        msg="\n".join(outcome.msg for outcome in outcomes if outcome.msg),
        warnings=list(dict.fromkeys(warning for outcome in outcomes for warning in outcome.warnings)),
        trace="\n".join(outcome.trace for outcome in outcomes if outcome.trace),
    )
