# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creations: with or without the start in one batch, undone if they fail, and VMs that others create meanwhile."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed

from unit.module_utils._engine.test_task import IMAGE, ask, carry_out
from unit.module_utils._engine.world import World, refusal


@pytest.fixture(params=[(), ("create",)], ids=["create, then start", "create and start in one batch"])
def world(request):
    return World(synchronous_verbs=request.param)


def create_request(**policy):
    return ask("new", "started", {"cpus": 1}, IMAGE, **policy)


def test_vm_is_created_and_started(world):
    outcome = carry_out(world, create_request())
    assert (outcome.failed, world.verbs()) == (False, ["create", "start"])
    assert (outcome.vms[0]["id"], outcome.vms[0]["state"]) == ("u-new", "running")


def test_unfinished_creation_is_undone(world):
    world.inject_errors("start", refusal("no bootable device"))
    outcome = carry_out(world, create_request())
    assert world.verbs() == ["create", "start", "delete"]
    assert world.machines == []
    assert "no bootable device" in outcome.msg
    assert (outcome.changed, outcome.vms[0]["state"], outcome.diff) == (False, "absent", [])


def test_unfinished_creation_is_kept_with_on_failure_keep(world):
    world.inject_errors("start", refusal("no bootable device"))
    outcome = carry_out(world, create_request(on_failure="keep"))
    assert world.verbs() == ["create", "start"]
    assert (outcome.changed, outcome.failed, outcome.vms[0]["state"]) == (True, True, "stopped")


def test_creation_that_did_not_begin_is_not_undone(world):
    world.inject_errors("create", refusal("disk full"))
    outcome = carry_out(world, create_request())
    assert (world.verbs(), outcome.changed) == (["create"], False)
    assert "disk full" in outcome.msg


def test_other_vm_with_the_same_name_is_not_deleted(world):
    world.inject_errors("start", refusal("no bootable device"))
    create = world._create

    def create_without_mark(vm, step):
        create(vm, step)
        world.machine("new").mark = {"id": "somebody else's"}

    world._create = create_without_mark
    assert carry_out(world, create_request()).failed
    assert (world.verbs(), len(world.machines)) == (["create", "start"], 1)


def test_vm_that_another_task_created_meanwhile_is_not_deleted():
    """Whether the creation failed, or counts as done because the VM exists: it must not be deleted."""
    losses = refusal("it holds something else"), CommandFailed(["tool"], 1, "exists already")
    for lost, synchronous_verbs in itertools.product(losses, [(), ("create",)]):
        world = World(synchronous_verbs=synchronous_verbs)
        world.inject_errors("create", lost, done=True)
        world.inject_errors("start", refusal("no bootable device"))
        assert carry_out(world, create_request()).failed
        assert "delete" not in world.verbs()
        assert len(world.machines) == 1


def test_vm_that_another_task_created_and_started_meanwhile_is_accepted(world):
    create = world._create

    def create_and_start(vm, step):
        create(vm, step)
        world.machine("new").power = "running"
        raise CommandFailed(["tool"], 1, "exists already")

    world._create = create_and_start
    assert not carry_out(world, create_request()).failed
    assert world.machine("new").power == "running"


@pytest.mark.parametrize("lost", ["create", "start"])
def test_vm_is_not_created_or_started_twice_after_a_lost_answer(world, lost):
    world.inject_errors(lost, refusal("try later"), done=True)
    outcome = carry_out(world, create_request())
    assert (outcome.failed, outcome.changed, world.verbs()) == (False, True, ["create", "start"])


def test_synchronous_creation_and_start_are_sent_together():
    world, steps = World(synchronous_verbs=["create"]), []
    apply = world.apply
    world.apply = lambda batch: (
        steps.append([step.verb for _, sent, _ in batch for step in sent]),
        apply(batch),
    )[1]
    carry_out(world, create_request())
    assert (steps, len(world.observations)) == ([["create", "start"]], 3)


def test_end_of_synchronous_creations_is_observed_once_for_all_vms():
    world = World(synchronous_verbs=["create"])
    outcome = carry_out(world, *(ask(name, "stopped", {"cpus": 1}, IMAGE) for name in ("one", "two", "three")))
    assert (outcome.failed, [vm["id"] for vm in outcome.vms]) == (False, ["u-one", "u-two", "u-three"])
    assert len(world.observations) == 2


def test_synchronous_creation_of_a_vm_that_is_deleted_meanwhile_fails():
    world = World(synchronous_verbs=["create"])
    create = world._create

    def create_and_lose(vm, step):
        create(vm, step)
        world.machines.clear()

    world._create = create_and_lose
    outcome = carry_out(world, ask("new", "stopped", {"cpus": 1}, IMAGE))
    assert (outcome.failed, outcome.vms[0]["state"], world.verbs()) == (True, "absent", ["create"])
    assert outcome.msg.startswith("new: ")


@pytest.mark.parametrize("power_after_start", ["failed", "stopped"])
def test_vm_is_kept_after_its_first_start(world, power_after_start):
    create = world._create

    def create_with_a_fault(vm, step):
        create(vm, step)
        world.machine("new").power_after_start = power_after_start

    world._create = create_with_a_fault
    outcome = carry_out(world, create_request())
    assert outcome.msg.startswith(f"new: it was started, but is {power_after_start}")
    assert (world.verbs(), len(world.machines), outcome.changed) == (["create", "start"], 1, True)


def test_first_error_is_reported_if_undoing_fails_too(world):
    world.inject_errors("start", refusal("no bootable device"))
    world.inject_errors("delete", refusal("cannot undefine"))
    outcome = carry_out(world, create_request())
    assert "no bootable device" in outcome.msg
    assert (len(world.machines), outcome.changed) == (1, True)
