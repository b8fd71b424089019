# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one task with several drivers, and prune a fleet. Everything is planned before the first step."""

from __future__ import annotations

from .._core.approval import Approval
from .._core.fleet import surplus_vms
from .._core.model import Request
from .._ports.clock import Clock
from .._ports.net import guest_answers
from .task import Outcome, Task, carry_out, find_places


def run_together(parts, asked, check=False, fleet="", policy=None, approval=None, clock=None, probe=guest_answers):
    """Carry out ``parts``, which are (driver, requests, whether to prune); ``vms`` are in the order of ``asked``.

    ``fleet``: VMs of this fleet that a driver with pruning finds are deleted with ``policy`` unless a request selects
    them; they are last in ``vms``. If one plan is rejected, nothing is done.
    """
    clock = clock or Clock()
    tasks = [Task(driver, requests, clock, probe) for driver, requests, _prunes in parts]
    by_request = {id(work.request): work for task in tasks for work in task.works}
    works = [by_request[id(request)] for request in asked]
    pruning = [task for task, part in zip(tasks, parts) if part[2]]
    works += _add_pruned(pruning, asked, fleet, policy)
    is_refused = carry_out(tasks, works, check, approval or Approval())
    return _joined(tasks, [task.outcome(check and not is_refused) for task in tasks], works)


def _add_pruned(tasks, asked, fleet, policy):
    """Add the requests to delete the surplus VMs of the fleet to ``tasks``; return their works."""
    surplus = [(task, vm) for task in tasks for vm in _surplus(task, asked, fleet)]
    if len({(vm.id, vm.name) for _task, vm in surplus}) < len(surplus):
        find_places(tasks)
    works = {}
    for task, vm in surplus:
        # Two connections can lead to the same host: a VM that both find is deleted once.
        place = task.claims and task.claims.place
        if (place, vm.id, vm.name) not in works:
            request = Request(name=vm.name, id=vm.id, state="absent", policy=policy)
            works[place, vm.id, vm.name] = task.add([request], is_pruned=True)[0]
    return list(works.values())


def _surplus(task, asked, fleet):
    observation = task.observer.observe(None, frozenset({"power", "config"}))
    task.observer.warnings += [
        f"{label}: it cannot be read, so it is not pruned: {error}" for label, error in observation.errors.items()
    ]
    return surplus_vms(observation.vms, asked, fleet, task.traits.folded)


def _joined(tasks, outcomes, works):
    entries = {}
    for task, outcome in zip(tasks, outcomes):
        entries.update({id(work): entry for work, entry in zip(task.works, outcome.vms)})
    return Outcome(
        vms=[entries[id(work)] for work in works],
        diff=[one for outcome in outcomes for one in outcome.diff],
        changed=any(outcome.changed for outcome in outcomes),
        failed=any(outcome.failed for outcome in outcomes),
        msg="\n".join(outcome.msg for outcome in outcomes if outcome.msg),
        warnings=list(dict.fromkeys(warning for outcome in outcomes for warning in outcome.warnings)),
        trace="\n".join(outcome.trace for outcome in outcomes if outcome.trace),
    )
