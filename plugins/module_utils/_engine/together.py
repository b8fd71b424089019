# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run one task with several drivers, and prune a fleet. Everything is planned before the first step."""

from __future__ import annotations

from typing import Optional

from .._core.frozen import Frozen
from .._core.model import Policy, Request
from .._core.planner.fleet import check_prune_max, is_pruned_with, may_be_pruned, surplus_vms
from .._core.results.approval import Approval
from .._ports.clock import Clock
from .._ports.net import guest_answers
from .task import Outcome, Task, carry_out


class Pruning(Frozen):
    """VMs of ``fleet`` that no request selects are deleted with ``policy``, at most ``most`` (None: the default)."""

    fleet: str
    policy: Policy
    most: Optional[int] = None


def run_together(parts, asked, check=False, pruning=None, approval=None, clock=None, probe=guest_answers):
    """Carry out ``parts``, which are (driver, requests, whether to prune); ``vms`` are in the order of ``asked``.

    ``pruning`` applies to the VMs that the drivers with pruning find; they are last in ``vms``. If one plan is
    rejected, nothing is done. Raises Refused if too many VMs would be pruned.
    """
    clock = clock or Clock()
    tasks = [Task(driver, requests, clock, probe) for driver, requests, _prunes in parts]
    by_request = {id(work.request): work for task in tasks for work in task.works}
    works = [by_request[id(request)] for request in asked]
    if pruning is not None:
        works += _add_pruned([task for task, part in zip(tasks, parts) if part[2]], asked, pruning)
    is_refused = carry_out(tasks, works, check, approval or Approval())
    return _joined(tasks, [task.outcome(check and not is_refused) for task in tasks], works)


def _add_pruned(tasks, asked, pruning):
    """Add the requests to delete the surplus VMs of the fleet to ``tasks``; return their works."""
    members = _distinct([(task, vm) for task in tasks for vm in _members(task, pruning.fleet)], tasks)
    surplus = [
        (task, vm)
        for task in tasks
        for vm in surplus_vms([vm for found_by, vm in members if found_by is task], asked, task.traits.folded)
        if may_be_pruned(vm, pruning.policy)
    ]
    check_prune_max([vm.name for _task, vm in surplus], len(members), pruning.fleet, pruning.most)
    requests = [(task, Request(name=vm.name, id=vm.id, state="absent", policy=pruning.policy)) for task, vm in surplus]
    return [task.add([request], is_pruned=True)[0] for task, request in requests]


def _distinct(members, tasks):
    """Return ``members`` without VMs that are found twice: two connections can lead to the same host."""
    if len({(vm.id, vm.name) for _task, vm in members}) < len(members):
        from .places import find_places

        find_places(tasks)
    distinct = {}
    for task, vm in members:
        distinct.setdefault((task.claims and task.claims.place, vm.id, vm.name), (task, vm))
    return list(distinct.values())


def _members(task, fleet):
    observation = task.observer.observe(None, frozenset({"power", "config"}))
    task.observer.warnings += [
        f"{label}: it cannot be read, so it is not pruned: {error}" for label, error in observation.errors.items()
    ]
    return [vm for vm in observation.vms if is_pruned_with(vm, fleet)]


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
