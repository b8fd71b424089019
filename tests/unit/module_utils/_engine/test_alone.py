# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A driver that lets one task at a time change a VM: when the lock is taken, what happens with it, and without it."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed, Held, Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import GIB, Machine, World


class Locked(World):
    """Another task holds the lock of each VM for ``held_for`` seconds. ``events``: what happens, in order."""

    def __init__(self, *machines, held_for=0.0, meanwhile=()):
        super().__init__(*machines)
        self.held_for, self.meanwhile = held_for, list(meanwhile)
        self.events, self.owned = [], set()
        sleep = self.clock.sleep

        def asleep(seconds):
            assert not self.owned, "a task waits for something while others wait for it"
            sleep(seconds)

        self.clock.sleep = asleep

    def traits(self):
        traits = super().traits()
        return replace(traits, transient=lambda error: isinstance(error, Held) or "try later" in str(error))

    @contextmanager
    def alone(self, vm, steps):
        self.events.append("asked")
        if self.clock.now() < self.held_for:
            raise Held(vm.name)
        self.owned.add(vm.id)
        try:
            yield
        finally:
            self.events.append("released")
            self.owned.remove(vm.id)

    def observe(self, targets, facets):
        self.events.append("read")
        return super().observe(targets, facets)

    def _configure(self, vm, step):
        assert vm.id in self.owned
        self.events.append("configure")
        if self.meanwhile:
            self.meanwhile.pop(0)(self)
            raise Stale("web: it was changed.", "Run the task again.")
        super()._configure(vm, step)


def _found(name="web", power="stopped"):
    return Machine(name, f"u-{name}", power, {"cpus": 2, "memory": 2 * GIB, "firmware": "bios", "description": ""})


def _outcome(world, *names, policy=None, state="present", **config):
    requests = [
        Request(name, state=state, config=config, policy=Policy(**(policy or {}))) for name in names or ("web",)
    ]
    return task.run(world, requests, clock=world.clock, probe=None)


def _set(**config):
    return lambda world: world.machines[0].config.update(config)


def test_lock_is_taken_for_the_change_and_released_before_the_result_is_read():
    world = Locked(_found())
    outcome = _outcome(world, cpus=4)
    assert not outcome.failed, outcome.msg
    assert world.events[:4] == ["read", "asked", "configure", "released"]


def test_task_without_changes_asks_for_no_lock():
    world = Locked(_found(), held_for=1000)
    assert not _outcome(world, cpus=2).failed
    assert "asked" not in world.events


def test_task_waits_for_another_one_however_long_its_change_takes():
    world = Locked(_found(), held_for=200)
    outcome = _outcome(world, policy={"timeout": 300}, cpus=4)
    assert (outcome.failed, outcome.changed, world.machines[0].config["cpus"]) == (False, True, 4), outcome.msg
    assert 200 <= world.clock.now() <= 210


@pytest.mark.parametrize("timeout", [5, 60])
def test_task_fails_at_the_end_of_its_timeout_and_changes_nothing(timeout):
    world = Locked(_found(), held_for=1000)
    outcome = _outcome(world, policy={"timeout": timeout}, cpus=4)
    assert (outcome.failed, outcome.changed, outcome.diff) == (True, False, [])
    assert outcome.msg.startswith("web: another task is changing this VM. Run the task again")
    assert world.machines[0].config["cpus"] == 2
    assert timeout <= world.clock.now() <= timeout + 6
    assert "configure" not in world.events


def test_lock_is_released_after_an_error():
    world = Locked(_found())
    world.inject_errors("configure", CommandFailed(["x"], 1, "no such device"))
    assert _outcome(world, cpus=4).failed
    assert (world.events.count("asked"), world.events.count("released"), world.owned) == (1, 1, set())


def test_changed_vm_is_planned_again_while_the_lock_is_held():
    """Otherwise the next task could change it again before the second plan, which is the last one."""
    world = Locked(_found(), meanwhile=[_set(description="by another task")])
    outcome = _outcome(world, cpus=4)
    assert (outcome.failed, [one["after"] for one in outcome.diff]) == (False, [{"cpus": 4}]), outcome.msg
    assert world.events[:6] == ["read", "asked", "configure", "read", "configure", "released"]
    assert world.machines[0].config == {
        "cpus": 4, "memory": 2 * GIB, "firmware": "bios", "description": "by another task",
    }  # fmt: skip


def test_second_plan_that_would_do_more_is_not_carried_out():
    def started(world):
        world.machines[0].power = "running"

    world = Locked(_found(), meanwhile=[started])
    outcome = _outcome(world, policy={"allow_restart": True}, firmware="uefi")
    assert outcome.failed and "would now also need" in outcome.msg
    assert world.events.count("configure") == 1
    assert world.owned == set()


def test_change_that_the_other_task_has_made_already_is_not_repeated():
    world = Locked(_found(), meanwhile=[_set(cpus=4)])
    outcome = _outcome(world, cpus=4)
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, []), outcome.msg
    assert world.events.count("configure") == 1
    assert world.owned == set()


def test_lock_is_not_held_while_a_guest_shuts_down():
    """The clock of this platform fails if a task sleeps with a lock."""
    world = Locked(_found(power="running"))
    outcome = _outcome(world, policy={"allow_restart": True}, firmware="uefi")
    assert (outcome.failed, world.machines[0].power) == (False, "running"), outcome.msg
    assert world.clock.now() >= 2


def test_vms_of_one_task_have_a_lock_each():
    world = Locked(*map(_found, ("web", "db")), held_for=3)
    outcome = _outcome(world, "web", "db", cpus=4)
    assert not outcome.failed, outcome.msg
    assert [machine.config["cpus"] for machine in world.machines] == [4, 4]
    assert world.events.count("released") == 2
