# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors and slow operations during a task: which ones end the task, and when."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError, Refused, Timeout, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Address, Policy, Request

from unit.module_utils._engine.test_waits import answers, ask, carry_out, running
from unit.module_utils._engine.world import Machine, World, refusal

# Repeated stop requests, and kills ------------------------------------------------------------------------------------


ERRORS = (
    Timeout("'virsh shutdown web' had not ended after 60 seconds.", waited=60),
    Unavailable("pve1:8006 does not answer.", why="not_responding"),
    Refused("web: it is protected."),
    ApiError("it is locked", status=500),
    refusal("monitor is away"),
)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_error_of_a_repeated_stop_request_does_not_end_the_wait(error):
    world = World(running(ignored_stops=2, stop_seconds=3), Machine("db", "2"))
    send_stop = world._stop

    def fail_the_second_time(vm, step):
        if len(world.verbs("web")) == 2:
            raise error
        send_stop(vm, step)

    world._stop = fail_the_second_time
    outcome = carry_out(world, ask("web", "stopped"), ask("db", "started"))
    assert (outcome.failed, [vm["state"] for vm in outcome.vms]) == (False, ["stopped", "running"])
    assert world.verbs("web") == ["stop"] * 4


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_failed_kill_is_retried(error):
    world = World(running(stop_seconds=None))
    world.inject_errors("kill", error)
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=5))
    assert (outcome.failed, world.verbs()) == (False, ["stop", "kill", "kill"])
    assert 15 <= world.clock.now() <= 17


def test_error_of_a_kill_that_never_succeeds_is_reported():
    world = World(running(stop_seconds=None))
    world.inject_errors("kill", *[Unavailable("pve1:8006 does not answer.", why="not_responding")] * 100)
    outcome = carry_out(world, ask("web", "stopped", stop_mode="graceful_then_force", stop_timeout=5, timeout=30))
    assert "(waited 35 s for stopped). The repeated request failed: pve1:8006 does not answer. " in outcome.msg
    assert 35 <= world.clock.now() <= 36


# Observations between two tries ---------------------------------------------------------------------------------------


class FailingObservations(World):
    """The observations with these numbers (from 1) fail."""

    def __init__(self, *machines, at=(2,)):
        super().__init__(*machines)
        self.at = at

    def observe(self, targets, facets):
        seen = super().observe(targets, facets)
        if len(self.observations) in self.at:
            raise ApiError("the connection was lost", status=None)
        return seen


def test_failed_observation_between_two_tries_is_not_an_error():
    world = FailingObservations(Machine("web", "1"))
    world.inject_errors("start", refusal("try later"))
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.msg, outcome.vms[0]["state"]) == (False, "", "running")
    assert world.verbs() == ["start", "start"]


def test_step_is_not_retried_after_an_observation_error_of_the_vm():
    world = World(Machine("web", "1"))
    start = world._start

    def lose_its_definition(vm, step):
        world.observation_errors = {"web": Refused("web: its definition cannot be read.")}
        start(vm, step)

    world._start = lose_its_definition
    world.inject_errors("start", refusal("try later"), done=True)
    outcome = carry_out(world, ask("web", "started"))
    assert (world.verbs(), outcome.msg) == (["start"], "web: its definition cannot be read.")


# The platform's own work ----------------------------------------------------------------------------------------------


class Copying(World):
    """A creation copies a disk for ``SECONDS``; the guest has an address afterwards."""

    SECONDS = 400

    def _create(self, vm, step):
        self.clock.sleep(self.SECONDS)
        super()._create(vm, step)
        self.machine(vm.name).addresses = (Address("10.0.0.7", "lease"),)


def new(name="new", **policy):
    return Request(name, state="started", creation={"image": {"source": "/i"}}, policy=Policy(timeout=30, **policy))


def test_copying_does_not_count_towards_timeout():
    world = Copying()
    outcome = carry_out(world, new(wait_for="ssh"), probe=answers(world, ("10.0.0.7", 420)))
    assert (outcome.failed, outcome.msg) == (False, "")
    world = Copying()
    assert carry_out(world, new(wait_for="ssh"), probe=answers(world)).failed
    assert world.clock.now() == 430


def test_transient_error_after_a_long_copy_is_retried():
    world = Copying()
    world.inject_errors("start", refusal("try later"))
    assert not carry_out(world, new()).failed
    assert (world.verbs(), len(world.machines)) == (["create", "start", "start"], 1)


def test_parallel_lanes_do_not_use_up_each_others_timeout():
    world = Copying()
    together = threading.Barrier(2, timeout=20)
    world._create = lambda vm, step: (together.wait(), Copying._create(world, vm, step), together.wait())
    outcome = carry_out(world, new("one", wait_for="ssh"), new("two", wait_for="ssh"), probe=answers(world))
    assert (outcome.failed, world.clock.now()) == (True, 830)


def test_failed_copy_does_not_count_towards_timeout():
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
    """For example, the platform's daemon is restarted during a stop."""
    world = FailingObservations(running(stop_seconds=5), at=(2, 3, 4))
    outcome = carry_out(world, ask("web", state))
    assert (outcome.failed, outcome.msg) == (False, "")


def test_observation_that_never_succeeds_again_ends_the_task_in_time():
    world = FailingObservations(running(stop_seconds=5), at=range(2, 1000))
    outcome = carry_out(world, ask("web", "stopped", stop_timeout=20, timeout=30))
    assert outcome.failed
    assert "the connection was lost" in outcome.msg
    assert (outcome.vms[0]["state"], outcome.changed) == ("unknown", True)
    assert world.clock.now() <= 51


# One deadline ---------------------------------------------------------------------------------------------------------


def test_timeout_covers_all_waits_of_a_vm():
    """Sixty seconds in total: twenty until the VM is not locked any more, the rest for the guest."""
    world = World(running(stop_seconds=2, busy_until=20))
    outcome = carry_out(world, ask("web", "restarted", wait_for="ssh", timeout=60), probe=answers(world))
    assert outcome.failed
    assert 60 <= world.clock.now() <= 64


def test_stop_does_not_count_towards_timeout():
    world = World(running(stop_seconds=90, addresses=(Address("10.0.0.7", "lease"),)))
    request = ask("web", "restarted", wait_for="ssh", stop_timeout=100, timeout=30)
    assert not carry_out(world, request, probe=answers(world, ("10.0.0.7", 115))).failed
