# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Someone else changes a VM after planning: it is planned again, once, and nothing is done beyond the first plan."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused, Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import GIB, Machine, World

ALLOWED = {"allow_restart": True, "stop_mode": "force"}


class Interfered(World):
    """``meanwhile`` is what someone else does just before each of the first ``times`` writes."""

    def __init__(self, machine, meanwhile, times=1):
        super().__init__(machine)
        self.meanwhile, self.times = meanwhile, times

    def _configure(self, vm, step):
        if self.times:
            self.times -= 1
            self.meanwhile(self)
            raise Stale("web: it was changed.", "Run the task again.")
        super()._configure(vm, step)


def _set(**config):
    return lambda world: world.machines[0].config.update(config)


def _start(world):
    world.machines[0].power = "running"


def _outcome(world, state="present", policy=None, **config):
    request = Request("web", state=state, config=config or {"firmware": "uefi"}, policy=Policy(**(policy or {})))
    return task.run(world, [request], clock=world.clock, probe=None)


def _found(power="stopped"):
    return Machine("web", "u-web", power, {"cpus": 2, "memory": 2 * GIB, "firmware": "bios", "description": ""})


def _after(outcome):
    return [one["after"] for one in outcome.diff]


def test_change_that_someone_else_made_is_not_repeated():
    world = Interfered(_found(), _set(cpus=4))
    outcome = _outcome(world, cpus=4)
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, []), outcome.msg
    assert world.verbs() == ["configure"]


def test_diff_has_only_changes_of_this_task():
    outcome = _outcome(Interfered(_found(), _set(memory=GIB)), cpus=4, memory=GIB)
    assert (outcome.failed, _after(outcome)) == (False, [{"cpus": 4}]), outcome.msg


@pytest.mark.parametrize(
    ("meanwhile", "difference"),
    [
        ({"description": "of somebody"}, {"firmware": "uefi", "restarted": True}),
        ({"firmware": "uefi"}, {"restarted": True}),
    ],
    ids=["another option", "the same option"],
)
def test_vm_that_was_stopped_for_a_change_is_started_again(meanwhile, difference):
    world = Interfered(_found("running"), _set(**meanwhile))
    outcome = _outcome(world, policy=ALLOWED)
    assert (outcome.failed, _after(outcome)) == (False, [difference]), outcome.msg
    assert (world.verbs()[0], world.verbs()[-1], world.machines[0].power) == ("kill", "start", "running")
    assert [step["verb"] for step in outcome.vms[0]["steps"]][:1] == ["kill"]


@pytest.mark.parametrize(
    ("policy", "reason"), [(ALLOWED, "would now also need kill"), ({}, "only while the VM is off")]
)
def test_running_vm_is_not_stopped_if_it_was_planned_as_stopped(policy, reason):
    world = Interfered(_found(), _start)
    outcome = _outcome(world, policy=policy)
    assert (outcome.failed, outcome.changed, world.machines[0].power) == (True, False, "running")
    assert "somebody else changed the VM while this task ran" in outcome.msg and reason in outcome.msg


def test_vm_that_was_deleted_meanwhile_is_reported():
    outcome = _outcome(Interfered(_found(), lambda world: world.machines.clear()), cpus=4)
    assert outcome.failed and "somebody else deleted the VM" in outcome.msg


def test_vm_is_planned_again_only_once():
    world = Interfered(_found(), _set(description="other"), times=2)
    outcome = _outcome(world, cpus=4)
    assert (outcome.failed, outcome.changed, outcome.msg) == (True, False, "web: it was changed. Run the task again.")
    assert world.verbs() == ["configure", "configure"]


def test_new_plan_is_checked_against_its_host():
    def meanwhile(world):
        world.refused_by_host["web"] = Refused("web: no more room.")

    world = Interfered(_found(), meanwhile)
    outcome = _outcome(world, cpus=4)
    assert (outcome.failed, outcome.changed, outcome.msg) == (True, False, "web: no more room.")
    assert world.verbs() == ["configure"]
