# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other VMs exclude, for the tests of a driver: plans go through the engine's own comparison."""

from __future__ import annotations

from types import SimpleNamespace

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Plan, Request, Traits
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan_delete import delete_step
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import planned
from ansible_collections.polyvirt.core.plugins.module_utils._engine.conflicts import compare_plans
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import Work


class _Planned:
    """A task whose plans are given; only the deletion of a VM is planned again, with the users of its files."""

    def __init__(self, driver, traits):
        self.driver, self.claims, self.traits = driver, driver.claims, traits
        self.observer = SimpleNamespace(warnings=[])

    def read_ahead(self):
        """The driver of a unit test has read everything."""

    def planned(self, work, found):
        step = delete_step(found, work.request.policy.delete_disks, self.traits)
        return type(work.plan)(found, work.plan.after, segments=((step,),))


def arranged(driver, *plans, policy=None, traits=None):
    """Return the works of these plans after the engine has compared them with what all VMs hold."""
    task = _Planned(driver, traits or Traits("test"))
    works = []
    for plan in plans:
        request = Request(plan.after.name, id=plan.before.id, **({"policy": policy} if policy else {}))
        works.append(Work(request, task, found=plan.before, plan=plan))
    return compare_plans(works)


def check_claims(driver, *plans, **options):
    """Raise Refused for the first plan that others exclude; return the works otherwise."""
    works = arranged(driver, *plans, **options)
    for work in works:
        if work.conflict is not None or work.plan.refusal:
            message, remedy = work.conflict or (work.plan.refusal.message, work.plan.refusal.remedy)
            raise Refused(message, remedy)
    return works


def run_guard(check, driver, vm, step):
    """Call the check of a StepGuard for a step of the VM."""
    (one,) = planned(plan := Plan(vm, vm, segments=((step,),)))
    check(driver, plan, one)
