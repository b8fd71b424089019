# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong, or takes long, while a task is under way ends no more than it must."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import (
    ApiError,
    Refused,
    Timeout,
    Unavailable,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Address, Policy, Request

from unit.module_utils._engine.test_waits import answers, ask, carry_out, running
from unit.module_utils._engine.world import Machine, World, refusal

# Asking again, and cutting off ----------------------------------------------------------------------------------------


ERRORS = (
    Timeout("'virsh shutdown web' had not ended after 60 seconds.", waited=60),
    Unavailable("pve1:8006 does not answer.", why="not_responding"),
    Refused("web: it is protected."),
    ApiError("it is locked", status=500),
    refusal("monitor is away"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_while_a_guest_is_asked_again_ends_neither_its_wait_nor_the_task(error):
    world = World(running(deaf_for=2, stops_within=3), Machine("db", "2"))
    press = world._stop

    def fail_the_second_time(vm, step):
        if len(world.verbs("web")) == 2:
            raise error
        press(vm, step)

    world._stop = fail_the_second_time
    outcome = carry_out(world, ask("web", "stopped"), ask("db", "started"))
    assert (outcome.failed, [vm["state"] for vm in outcome.vms]) == (False, ["stopped", "running"])
    assert world.verbs("web") == ["stop"] * 4


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_cut_that_failed_is_tried_again(error):
    world = World(running(stops_within=None))
    world.trouble("kill", error)
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=5))
    assert (outcome.failed, world.verbs()) == (False, ["stop", "kill", "kill"])
    assert 15 <= world.clock.now() <= 17


def test_what_the_platform_says_of_a_cut_that_never_succeeds_is_told():
    world = World(running(stops_within=None))
    world.trouble("kill", *[Unavailable("pve1:8006 does not answer.", why="not_responding")] * 100)
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=5, timeout=30))
    assert "(waited 35 s for stopped). The repeated request failed: pve1:8006 does not answer. " in outcome.msg
    assert 35 <= world.clock.now() <= 36


# Looking between two tries --------------------------------------------------------------------------------------------


class LooksFail(World):
    """Nobody sees where a machine stands at these looks, counted from 1."""

    def __init__(self, *machines, at=(2,)):
        super().__init__(*machines)
        self.at = at

    def observe(self, targets, facets):
        seen = super().observe(targets, facets)
        if len(self.looks) in self.at:
            raise ApiError("the connection was lost", status=None)
        return seen


def test_a_look_that_fails_between_two_tries_makes_no_success_a_failure():
    world = LooksFail(Machine("web", "1"))
    world.trouble("start", refusal("try later"))
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.msg, outcome.vms[0]["state"]) == (False, "", "running")
    assert world.verbs() == ["start", "start"]


def test_a_machine_of_which_a_look_between_two_tries_says_no_good_is_not_tried_again():
    world = World(Machine("web", "1"))
    start = world._start

    def lose_its_definition(vm, step):
        world.observation_errors = {"web": Refused("web: its definition cannot be read.")}
        start(vm, step)

    world._start = lose_its_definition
    world.trouble("start", refusal("try later"), done=True)
    outcome = carry_out(world, ask("web", "started"))
    assert (world.verbs(), outcome.msg) == (["start"], "web: its definition cannot be read.")


# The platform's own work ----------------------------------------------------------------------------------------------


class Copying(World):
    """Making a machine copies a disk for so many seconds; its guest answers 20 seconds after that."""

    SECONDS = 400

    def _create(self, vm, step):
        self.clock.sleep(self.SECONDS)
        super()._create(vm, step)
        self.machine(vm.name).addresses = (Address("10.0.0.7", "lease"),)


def new(name="new", **policy):
    return Request(name, state="started", creation={"image": {"source": "/i"}}, policy=Policy(timeout=30, **policy))


def test_a_guest_is_waited_for_as_long_as_is_said_however_long_its_disk_was_copied():
    world = Copying()
    outcome = carry_out(world, new(wait_for="ssh"), probe=answers(world, ("10.0.0.7", 420)))
    assert (outcome.failed, outcome.msg) == (False, "")
    world = Copying()
    assert carry_out(world, new(wait_for="ssh"), probe=answers(world)).failed
    assert world.clock.now() == 430


def test_a_passing_error_is_tried_again_though_a_disk_was_copied_before():
    world = Copying()
    world.trouble("start", refusal("try later"))
    assert not carry_out(world, new()).failed
    assert (world.verbs(), len(world.machines)) == (["create", "start", "start"], 1)


def test_work_in_several_lanes_at_once_counts_once():
    world = Copying()
    together = threading.Barrier(2, timeout=20)
    world._create = lambda vm, step: (together.wait(), Copying._create(world, vm, step), together.wait())
    outcome = carry_out(world, new("one", wait_for="ssh"), new("two", wait_for="ssh"), probe=answers(world))
    assert (outcome.failed, world.clock.now()) == (True, 830)


def test_work_that_failed_was_work_too():
    world = Copying()
    copy = world._create

    def fail_the_first_time(vm, step):
        if len(world.verbs()) == 1:
            world.clock.sleep(400)
            raise refusal("try later")
        copy(vm, step)

    world._create = fail_the_first_time
    assert not carry_out(world, new()).failed
    assert world.verbs() == ["create", "create", "start"]


# Observations that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["stopped", "restarted"])
def test_observation_that_fails_while_waiting_is_repeated(state):
    """As when the platform's daemon is restarted during a stop."""
    world = LooksFail(running(stops_within=5), at=(2, 3, 4))
    outcome = carry_out(world, ask("web", state))
    assert (outcome.failed, outcome.msg) == (False, "")


def test_observation_that_never_succeeds_again_ends_the_task_in_time():
    world = LooksFail(running(stops_within=5), at=range(2, 1000))
    outcome = carry_out(world, ask("web", "stopped", stop_timeout=20, timeout=30))
    assert outcome.failed
    assert "the connection was lost" in outcome.msg
    assert (outcome.vms[0]["state"], outcome.changed) == ("unknown", True)
    assert world.clock.now() <= 51


# One deadline ---------------------------------------------------------------------------------------------------------


def test_waiting_is_counted_once_for_all_steps_of_a_vm():
    """Sixty seconds in all: twenty until the lock is gone, and what is left for the guest."""
    world = World(running(stops_within=2, busy_until=20))
    outcome = carry_out(world, ask("web", "restarted", wait_for="ssh", timeout=60), probe=answers(world))
    assert outcome.failed
    assert 60 <= world.clock.now() <= 64


def test_slow_stop_takes_nothing_from_the_wait_for_a_guest():
    world = World(running(stops_within=90, addresses=(Address("10.0.0.7", "lease"),)))
    request = ask("web", "restarted", wait_for="ssh", stop_timeout=100, timeout=30)
    assert not carry_out(world, request, probe=answers(world, ("10.0.0.7", 115))).failed
