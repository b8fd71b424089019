# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creations: with their start in one batch or not, undone if they fail, and what counts if somebody else was faster."""

from __future__ import annotations

import itertools

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import CommandFailed

from unit.module_utils._engine.test_task import IMAGE, ask, carry_out
from unit.module_utils._engine.world import World, refusal


@pytest.fixture(params=[(), ("create",)], ids=["create, then start", "create and start in one batch"])
def world(request):
    return World(synchronous_verbs=request.param)


def make(**policy):
    return ask("new", "started", {"cpus": 1}, IMAGE, **policy)


def test_a_machine_is_made_and_started(world):
    outcome = carry_out(world, make())
    assert (outcome.failed, world.verbs()) == (False, ["create", "start"])
    assert (outcome.vms[0]["id"], outcome.vms[0]["state"]) == ("u-new", "running")


def test_an_unfinished_creation_is_undone(world):
    world.trouble("start", refusal("no bootable device"))
    outcome = carry_out(world, make())
    assert world.verbs() == ["create", "start", "delete"]
    assert world.machines == []
    assert "no bootable device" in outcome.msg
    assert (outcome.changed, outcome.vms[0]["state"], outcome.diff) == (False, "absent", [])


def test_an_unfinished_creation_is_kept_where_that_is_asked(world):
    world.trouble("start", refusal("no bootable device"))
    outcome = carry_out(world, make(on_failure="keep"))
    assert world.verbs() == ["create", "start"]
    assert (outcome.changed, outcome.failed, outcome.vms[0]["state"]) == (True, True, "stopped")


def test_a_creation_that_never_began_leaves_nothing_to_undo(world):
    world.trouble("create", refusal("disk full"))
    outcome = carry_out(world, make())
    assert (world.verbs(), outcome.changed) == (["create"], False)
    assert "disk full" in outcome.msg


def test_a_machine_of_the_same_name_that_is_not_the_one_made_is_not_undone(world):
    world.trouble("start", refusal("no bootable device"))
    create = world._create

    def create_without_mark(vm, step):
        create(vm, step)
        world.machine("new").mark = {"id": "somebody else's"}

    world._create = create_without_mark
    assert carry_out(world, make()).failed
    assert (world.verbs(), len(world.machines)) == (["create", "start"], 1)


def test_a_machine_that_another_task_made_meanwhile_is_not_undone():
    """Whether making it was lost for good, or passed for done because it is there: it is not ours to remove."""
    losses = refusal("it holds something else"), CommandFailed(["tool"], 1, "exists already")
    for lost, synchronous_verbs in itertools.product(losses, [(), ("create",)]):
        world = World(synchronous_verbs=synchronous_verbs)
        world.trouble("create", lost, done=True)
        world.trouble("start", refusal("no bootable device"))
        assert carry_out(world, make()).failed
        assert "delete" not in world.verbs()
        assert len(world.machines) == 1


def test_a_machine_that_another_task_made_and_started_meanwhile_is_as_requested(world):
    create = world._create

    def create_and_start(vm, step):
        create(vm, step)
        world.machine("new").power = "running"
        raise CommandFailed(["tool"], 1, "exists already")

    world._create = create_and_start
    assert not carry_out(world, make()).failed
    assert world.machine("new").power == "running"


@pytest.mark.parametrize("lost", ["create", "start"])
def test_a_machine_whose_answer_was_lost_is_neither_made_nor_started_twice(world, lost):
    world.trouble(lost, refusal("try later"), done=True)
    outcome = carry_out(world, make())
    assert (outcome.failed, outcome.changed, world.verbs()) == (False, True, ["create", "start"])


def test_creation_and_start_are_sent_together_where_a_creation_ends_at_once():
    world, steps = World(synchronous_verbs=["create"]), []
    apply = world.apply
    world.apply = lambda batch: (steps.append([step.verb for _vm, sent in batch for step in sent]), apply(batch))[1]
    carry_out(world, make())
    assert (steps, len(world.looks)) == ([["create", "start"]], 3)


@pytest.mark.parametrize("wakes_as", ["failed", "stopped"])
def test_from_its_first_start_on_a_machine_is_kept(world, wakes_as):
    create = world._create

    def create_with_a_fault(vm, step):
        create(vm, step)
        world.machine("new").wakes_as = wakes_as

    world._create = create_with_a_fault
    outcome = carry_out(world, make())
    assert outcome.msg.startswith(f"new: it was started, but is {wakes_as}")
    assert (world.verbs(), len(world.machines), outcome.changed) == (["create", "start"], 1, True)


def test_the_error_that_is_told_is_the_first_even_if_undoing_fails_too(world):
    world.trouble("start", refusal("no bootable device"))
    world.trouble("delete", refusal("cannot undefine"))
    outcome = carry_out(world, make())
    assert "no bootable device" in outcome.msg
    assert (len(world.machines), outcome.changed) == (1, True)
