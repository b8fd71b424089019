# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task waits only for ends that it asked for: somebody else may start, stop or delete a VM meanwhile."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, SnapshotRequest

from unit.module_utils._engine.test_power_back import House, ask, carry_out, found

TAKE = Request("web", snapshot=SnapshotRequest("new"), policy=Policy(timeout=600))
#: {verb of the only step: request}.
ONLY = {"configure": Request("web", config={"cpus": 4}, policy=Policy(timeout=600)), "snapshot": TAKE}


def meanwhile(power, verb, change):
    """A platform on which ``change(world)`` happens while it carries out ``verb`` on a VM."""
    world = House(found(power))
    done = getattr(world, f"_{verb}", lambda vm, step: None)

    def carried_out(vm, step):
        done(vm, step)
        change(world)

    setattr(world, f"_{verb}", carried_out)
    return world


@pytest.mark.parametrize("verb", list(ONLY))
@pytest.mark.parametrize(("before", "after"), [("stopped", "running"), ("running", "stopped"), ("running", "paused")])
def test_power_state_that_the_task_did_not_ask_for_is_not_waited_for(verb, before, after):
    world = meanwhile(before, verb, lambda world: setattr(world.machine("web"), "power", after))
    outcome = carry_out(world, ONLY[verb])
    assert world.clock.now() < 60, outcome.msg
    assert ("it is still" in outcome.msg, world.machine("web").power, world.verbs()) == (False, after, [verb])
    assert verb != "configure" or not outcome.failed, outcome.msg


def test_deleted_vm_is_an_error_and_is_not_waited_for():
    world = meanwhile("stopped", "configure", lambda world: world.machines.clear())
    outcome = carry_out(world, ONLY["configure"])
    assert (outcome.failed, "somebody else deleted the VM" in outcome.msg) == (True, True)
    assert world.clock.now() < 60


def test_busy_vm_is_waited_for():
    world = meanwhile("stopped", "configure", lambda world: setattr(world.machine("web"), "busy_until", 20))
    assert not carry_out(world, ONLY["configure"]).failed
    assert world.clock.now() >= 20


def test_power_state_that_was_asked_for_is_waited_for():
    world = House(found("running", stop_seconds=30))
    assert not carry_out(world, ask("stopped", "graceful", {}, stop_timeout=60)).failed
    assert world.clock.now() >= 30
