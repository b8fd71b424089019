# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that stopped a VM and then fails brings it back to its previous power state, if it was to end switched on."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import (
    ApiError,
    PolyvirtError,
    Refused,
    Stale,
    Timeout,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    POWER_OFF,
    Field,
    Policy,
    Request,
    Snapshot,
)
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._engine.progress.power_back import NOTE

from unit.module_utils._engine.world import GIB, Machine, World, refusal

REJECTED = refusal("unknown model")
LOST = Timeout("The call was abandoned after 60 seconds.", 60)
NOT_BACK = "It could not be brought back to its previous power state"


class House(World):
    """A platform that can also pause, suspend and restore; ``firmware`` and ``bus`` can be changed only while off."""

    def traits(self):
        traits = super().traits()
        fields = {
            "bus": Field(cost=DESTRUCTIVE),
            "snapshot.take": Field(),
            "snapshot.drop": Field(),
            "snapshot.restore": Field(cost=POWER_OFF),
        }
        return replace(traits, fields={**traits.fields, **fields})

    def _seen(self, machine, facets):
        taken = (Snapshot("on", power="running"), Snapshot("off", power="stopped"))
        return super()._seen(machine, facets).having(snapshots=taken if "snapshots" in facets else ())

    def _to(self, power):
        return lambda vm, step: setattr(self._existing(vm), "power", power)

    def __getattr__(self, name):
        powers = {"_pause": "paused", "_resume": "running", "_suspend": "suspended", "_restore": "running"}
        if name not in powers:
            raise AttributeError(name)
        return self._to(powers[name])


def found(power="running", **more):
    config = {"cpus": 2, "memory": 2 * GIB, "firmware": "bios", "bus": "old", "description": ""}
    return Machine("web", "u-web", power, config, mark={"id": "u-web"}, **more)


def ask(state="present", stop_mode="force", config=None, **policy):
    policy = Policy(stop_mode=stop_mode, allow_restart=True, **policy)
    return Request("web", state=state, config={"firmware": "uefi"} if config is None else config, policy=policy)


def carry_out(world, request, check=False):
    return task.run(world, [request], check, clock=world.clock, probe=None)


def steps_of(outcome):
    """The verbs of the completed steps, and of the others."""
    steps = outcome.vms[0]["steps"]
    return [step["verb"] for step in steps if step["done"]], [step["verb"] for step in steps if not step["done"]]


def failing(*errors, verb="configure", power="running", done=False, **more):
    world = House(found(power, **more))
    world.inject_errors(verb, *errors, done=done)
    return world


# Which VMs are brought back -------------------------------------------------------------------------------------------

#: (power before, requested state, stop mode, complete steps, steps left out, power after).
BROUGHT_BACK = [
    ("running", "present", "force", ["kill", "start"], ["configure", "start"], "running"),
    ("running", "present", "graceful", ["stop", "start"], ["configure", "start"], "running"),
    ("running", "started", "force", ["kill", "start"], ["configure", "start"], "running"),
    ("running", "restarted", "force", ["kill", "start"], ["configure", "start"], "running"),
    ("running", "paused", "force", ["kill", "start"], ["configure", "start", "pause"], "running"),
    ("running", "suspended", "force", ["kill", "start"], ["configure", "start", "suspend"], "running"),
    ("paused", "present", "force", ["kill", "start", "pause"], ["configure", "start", "pause"], "paused"),
    ("paused", "started", "force", ["kill", "start", "pause"], ["configure", "start"], "paused"),
    ("suspended", "present", "force", ["kill", "start", "suspend"], ["configure", "start", "suspend"], "suspended"),
    ("suspended", "started", "force", ["kill", "start", "suspend"], ["configure", "start"], "suspended"),
]


@pytest.mark.parametrize(("power", "state", "stop_mode", "complete", "left_out", "after"), BROUGHT_BACK)
def test_failed_change_brings_the_previous_power_state_back(power, state, stop_mode, complete, left_out, after):
    world = failing(REJECTED, power=power)
    outcome = carry_out(world, ask(state, stop_mode))
    assert (outcome.failed, outcome.changed, outcome.vms[0]["state"]) == (True, True, after)
    assert steps_of(outcome) == (complete, left_out)
    assert world.machine("web").power == after
    assert outcome.msg.startswith("web: platform failed with exit code 1: unknown model")
    assert NOT_BACK not in outcome.msg
    back = [step for step in outcome.vms[0]["steps"] if step["note"] == NOTE]
    assert [step["verb"] for step in back] == complete[1:]
    assert not carry_out(world, ask(state, stop_mode)).failed, "the same task again, without the error"


#: (power before, requested state): the VM was off, or is to be off, so it stays off.
LEFT_OFF = [("running", "stopped"), ("paused", "stopped"), ("stopped", "present"), ("stopped", "started")]


@pytest.mark.parametrize(("power", "state"), LEFT_OFF)
def test_vm_stays_off_if_it_was_off_or_is_to_be_off(power, state):
    world = failing(REJECTED, power=power)
    outcome = carry_out(world, ask(state))
    assert (outcome.failed, world.machine("web").power, "start" in world.verbs()) == (True, "stopped", False)


def test_crashed_vm_is_not_started():
    world = failing(REJECTED, power="failed")
    outcome = carry_out(world, ask("present"))
    assert (outcome.failed, world.verbs()) == (True, ["kill", "configure"])


def test_restart_is_in_the_diff():
    assert [one["after"] for one in carry_out(failing(REJECTED), ask()).diff] == [{"restarted": True}]


def test_lost_memory_of_a_suspended_vm_is_in_the_message():
    message = "web: it is full. It was suspended, and its saved memory was lost when the task stopped it."
    assert carry_out(failing(Refused("web: it is full."), power="suspended"), ask()).msg == message
    assert "memory" not in carry_out(failing(REJECTED), ask()).msg


def test_check_mode_predicts_no_way_back():
    outcome = carry_out(failing(REJECTED), ask(), check=True)
    assert steps_of(outcome) == (["kill", "configure", "start"], [])


# Failed power steps ---------------------------------------------------------------------------------------------------


def test_rejected_start_is_not_repeated():
    world = failing(refusal("MAX 2 vcpus allowed"), verb="start")
    outcome = carry_out(world, ask("started"))
    assert (outcome.failed, world.verbs()) == (True, ["kill", "configure", "start"])
    assert NOT_BACK not in outcome.msg


def test_vm_that_stops_after_its_start_is_not_started_again():
    world = failing()
    world.machine("web").power_after_start = "stopped"
    outcome = carry_out(world, ask())
    assert (outcome.failed, world.verbs()) == (True, ["kill", "configure", "start"])


@pytest.mark.parametrize(("verb", "stop_mode"), [("kill", "force"), ("stop", "graceful")])
def test_nothing_is_brought_back_after_a_failed_stop(verb, stop_mode):
    world = failing(Refused("web: no permission."), verb=verb)
    outcome = carry_out(world, ask(stop_mode=stop_mode))
    assert (outcome.msg, world.verbs(), outcome.changed) == ("web: no permission.", [verb], False)


def test_guest_that_ignores_the_stop_request_keeps_running():
    world = failing(stop_seconds=None)
    outcome = carry_out(world, ask(stop_mode="graceful", stop_timeout=25))
    assert (outcome.failed, set(world.verbs()), world.clock.now() < 30) == (True, {"stop"}, True)


def test_vm_is_brought_back_after_a_stop_that_failed_but_was_carried_out():
    world = failing(PolyvirtError("This is a bug."), verb="kill", done=True)
    outcome = carry_out(world, ask())
    assert (outcome.failed, world.verbs(), world.machine("web").power) == (True, ["kill", "start"], "running")


# What the failed step did ---------------------------------------------------------------------------------------------


def test_vm_is_observed_before_it_is_brought_back():
    world = failing(LOST, done=True)
    carry_out(world, ask())
    kinds = [sorted(facets) for _second, facets in world.observations]
    assert (world.verbs(), kinds[-3]) == (["kill", "configure", "start"], ["config", "power"])


def test_change_whose_answer_was_lost_is_reported():
    outcome = carry_out(failing(LOST, done=True), ask())
    assert (outcome.failed, outcome.vms[0]["state"]) == (True, "running")
    assert [one["after"] for one in outcome.diff] == [{"firmware": "uefi", "restarted": True}]


def test_vm_that_someone_else_started_is_left_alone():
    world = failing()

    def start_meanwhile(vm, step):
        world.machine("web").power = "running"
        raise REJECTED

    world._configure = start_meanwhile
    outcome = carry_out(world, ask())
    assert (outcome.failed, world.verbs(), world.machine("web").power) == (True, ["kill", "configure"], "running")


def test_vm_that_someone_else_deleted_is_not_started():
    world = failing()

    def delete_meanwhile(vm, step):
        world.machines.clear()
        raise REJECTED

    world._configure = delete_meanwhile
    assert (carry_out(world, ask()).failed, world.verbs()) == (True, ["kill", "configure"])


def test_busy_vm_is_brought_back_when_it_is_free():
    world = failing()

    def lock(vm, step):
        world.machine("web").busy_until = world.clock.now() + 20
        raise Refused("web: it is locked.")

    world._configure = lock
    outcome = carry_out(world, ask())
    assert (outcome.msg, world.machine("web").power) == ("web: it is locked.", "running")
    assert world.calls[-1][0] >= 20


def test_failed_observation_is_repeated():
    world = failing(REJECTED)
    observe, errors = world.observe, [ApiError("it does not answer", None)] * 3

    def fail_after_the_error(targets, facets):
        if "configure" in world.verbs() and errors:
            raise errors.pop()
        return observe(targets, facets)

    world.observe = fail_after_the_error
    outcome = carry_out(world, ask())
    assert (outcome.failed, world.verbs(), errors) == (True, ["kill", "configure", "start"], [])
    assert outcome.msg.startswith("web: platform failed with exit code 1: unknown model")


@pytest.mark.parametrize("timeout", [0, 20])
def test_used_up_timeout_does_not_prevent_it(timeout):
    world = failing(*[refusal("try later")] * 100)
    world.inject_errors("start", refusal("try later"), refusal("try later"))
    outcome = carry_out(world, ask(timeout=timeout))
    assert (outcome.failed, world.machine("web").power) == (True, "running")
    assert world.clock.now() <= timeout + 60


def test_wait_for_a_guest_is_left_out():
    outcome = carry_out(failing(REJECTED), ask("started", wait_for="ssh"))
    assert "unknown model" in outcome.msg and "ssh" not in outcome.msg


# Replanning, bugs -----------------------------------------------------------------------------------------------------


def test_outdated_plan_brings_the_previous_power_state_back():
    world = failing()

    def remove_and_add(vm, step):
        world.machine("web").config["bus"] = "new"
        raise Stale("web: it was changed.", "Run the task again.")

    world._configure = remove_and_add
    outcome = carry_out(world, ask(config={"firmware": "uefi", "bus": "old"}))
    assert "somebody else changed the VM while this task ran" in outcome.msg
    assert (world.machine("web").power, steps_of(outcome)[0]) == ("running", ["kill", "start"])


def test_new_plan_that_the_host_rejects_brings_the_previous_power_state_back():
    world = failing()
    times = []

    def change_meanwhile(vm, step):
        times.append(1)
        world.machine("web").config["description"] = "of somebody"
        world.refused_by_host["web"] = Refused("web: no more room.")
        raise Stale("web: it was changed.", "Run the task again.")

    world._configure = change_meanwhile
    outcome = carry_out(world, ask())
    assert (outcome.msg, len(times)) == ("web: no more room.", 1)
    assert (world.machine("web").power, world.verbs()[-1]) == ("running", "start")


def test_bug_in_a_step_brings_the_previous_power_state_back():
    world = failing()

    def fail(vm, step):
        raise ValueError("a bug")

    world._configure = fail
    outcome = carry_out(world, ask())
    assert "Unexpected ValueError: a bug" in outcome.msg and "Traceback" in outcome.trace
    assert world.machine("web").power == "running"


# Two errors -----------------------------------------------------------------------------------------------------------


def test_both_errors_are_reported_if_it_cannot_be_brought_back():
    world = failing(Refused("web: it is full.", "Free some space."))
    world.inject_errors("start", Refused("web: no memory.", "Stop another VM."))
    outcome = carry_out(world, ask("started"))
    assert outcome.msg == (
        f"web: it is full. Free some space. {NOT_BACK} (running): web: no memory."
        " Stop another VM. Check its power state, and run the task again."
    )
    assert (world.verbs(), outcome.vms[0]["state"]) == (["kill", "configure", "start"], "stopped")
    assert steps_of(outcome) == (["kill"], ["configure", "start", "start"])
    assert [one["after"] for one in outcome.diff] == [{"state": "stopped"}]


def test_both_errors_are_reported_if_it_cannot_be_observed():
    world = failing(Refused("web: it is full."))
    fail = world.observe

    def observe(targets, facets):
        if "configure" in world.verbs() and "power" in facets:
            raise Refused("No permission.", "Grant it.")
        return fail(targets, facets)

    world.observe = observe
    outcome = carry_out(world, ask())
    assert outcome.msg == (
        "web: it is full. It could not be observed, so it was not brought back to running: No permission. Grant it."
        " Check its power state, and run the task again."
    )
    assert (world.verbs(), outcome.vms[0]["state"], outcome.changed) == (["kill", "configure"], "unknown", True)


@pytest.mark.parametrize("stop_mode", ["force", "graceful"])
def test_vm_is_brought_back_if_its_stop_could_not_be_observed(stop_mode):
    world = failing(stop_seconds=0)
    observe, errors = world.observe, [Refused("web: the list cannot be read.")]

    def fail_once(targets, facets):
        if world.verbs() and errors:
            raise errors.pop()
        return observe(targets, facets)

    world.observe = fail_once
    outcome = carry_out(world, ask(stop_mode=stop_mode))
    assert (outcome.msg, world.machine("web").power) == ("web: the list cannot be read.", "running")
    assert world.verbs() == ["kill" if stop_mode == "force" else "stop", "start"]


def test_trace_of_a_bug_is_kept_if_it_cannot_be_brought_back():
    world = failing(refusal("no"), verb="start")

    def fail(vm, step):
        raise ValueError("a bug")

    world._configure = fail
    outcome = carry_out(world, ask())
    assert NOT_BACK in outcome.msg and "Traceback" in outcome.trace


def test_it_is_tried_once():
    world = failing(REJECTED)
    world.inject_errors("start", *[refusal("no")] * 5)
    carry_out(world, ask())
    assert world.verbs() == ["kill", "configure", "start"]
