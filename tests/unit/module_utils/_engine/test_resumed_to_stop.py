# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A saved or paused VM has to run to shut down. If its guest does not, the VM is saved or paused again."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, SnapshotRequest

from unit.module_utils._engine.test_power_back import NOT_BACK, ask, carry_out, failing, found, steps_of
from unit.module_utils._engine.world import refusal

RESUMED = {"suspended": "start", "paused": "resume"}
AGAIN = {"suspended": "suspend", "paused": "pause"}
#: Requested states in which a guest is asked to shut down, whatever it is for.
STATES = ("present", "stopped", "absent", "restarted")
#: Saved memory is discarded with the VM, so it is not resumed.
CASES = [(power, state) for power in AGAIN for state in STATES if (power, state) != ("suspended", "absent")]
each_power = pytest.mark.parametrize("power", list(AGAIN))


def deaf(power, **more):
    return failing(power=power, stop_seconds=None, **more)


@pytest.mark.parametrize(("power", "state"), CASES)
def test_guest_that_ignores_the_stop_request_leaves_the_vm_as_it_was(power, state):
    world = deaf(power)
    config = {"firmware": "uefi"} if state == "present" else {}
    outcome = carry_out(world, ask(state, "graceful", config, stop_timeout=5))
    assert (outcome.failed, world.machine("web").power, outcome.vms[0]["state"]) == (True, power, power)
    assert "after stop it is still running" in outcome.msg and "memory was lost" not in outcome.msg
    assert (world.verbs()[0], world.verbs()[-1], world.verbs().count(AGAIN[power])) == (RESUMED[power], AGAIN[power], 1)
    assert steps_of(outcome)[0][-1] == AGAIN[power]


@each_power
@pytest.mark.parametrize("error", [Refused("web: no shutdown service."), refusal("no"), PolyvirtError("A bug.")])
def test_stop_that_the_platform_rejects_leaves_the_vm_as_it_was(power, error):
    world = failing(error, verb="stop", power=power)
    outcome = carry_out(world, ask(stop_mode="graceful"))
    assert (outcome.failed, world.machine("web").power) == (True, power)
    assert world.verbs() == [RESUMED[power], "stop", AGAIN[power]]


@each_power
def test_power_off_that_fails_after_the_stop_request_leaves_the_vm_as_it_was(power):
    world = deaf(power)
    world._kill = lambda vm, step: None
    outcome = carry_out(world, ask("stopped", "graceful_then_force", {}, stop_timeout=5, timeout=5))
    assert (outcome.failed, world.machine("web").power) == (True, power)


@each_power
@pytest.mark.parametrize(("stop_seconds", "state", "after"), [(0, "present", None), (0, "stopped", "stopped")])
def test_stop_that_could_not_be_observed_ends_as_before_or_as_requested(power, stop_seconds, state, after):
    world = failing(power=power, stop_seconds=stop_seconds)
    observe, errors = world.observe, [Refused("web: the list cannot be read.")]

    def fail_once(targets, facets):
        if "stop" in world.verbs() and errors:
            raise errors.pop()
        return observe(targets, facets)

    world.observe = fail_once
    outcome = carry_out(world, ask(state, "graceful", {"firmware": "uefi"} if state == "present" else {}))
    assert outcome.msg.startswith("web: the list cannot be read.")
    assert world.machine("web").power == (after or power)


@each_power
def test_start_whose_answer_was_lost_is_taken_back(power):
    world = failing(PolyvirtError("A bug."), verb=RESUMED[power], power=power, done=True)
    outcome = carry_out(world, ask("stopped", "graceful", {}))
    assert (outcome.failed, world.verbs(), world.machine("web").power) == (True, [RESUMED[power], AGAIN[power]], power)


@each_power
def test_vm_that_someone_else_started_after_the_stop_is_left_alone(power):
    world = failing(power=power)

    def start_meanwhile(vm, step):
        world.machine("web").power = "running"
        raise refusal("it runs")

    world._configure = start_meanwhile
    outcome = carry_out(world, ask(stop_mode="graceful"))
    assert (outcome.failed, world.machine("web").power, world.verbs()[-1]) == (True, "running", "configure")


@each_power
def test_start_that_was_requested_is_not_taken_back(power):
    world = failing(PolyvirtError("A bug."), verb=RESUMED[power], power=power, done=True)
    outcome = carry_out(world, ask("started", "graceful", {}))
    assert (outcome.failed, world.verbs(), world.machine("web").power) == (True, [RESUMED[power]], "running")


def test_remedy_of_a_restore_names_no_options_that_snapshot_modules_lack():
    """Vagrant itself starts a VM that it has restored, so a VM that is to be off is asked to shut down."""
    world = deaf("stopped")
    traits = replace(world.traits(), restored_as={"stopped": "running"})
    world.traits = lambda: traits
    request = Request("web", snapshot=SnapshotRequest("off", state="restored", power="keep"))
    outcome = carry_out(world, request)
    assert (outcome.failed, "Stop the VM in a task after it." in outcome.msg) == (True, True)
    assert "stop_mode" not in outcome.msg


def test_vm_that_was_off_or_ran_is_not_paused():
    world = failing(stop_seconds=None)
    assert carry_out(world, ask(stop_mode="graceful", stop_timeout=5)).failed
    assert (set(world.verbs()), world.machine("web").power) == ({"stop"}, "running")


def test_both_errors_are_reported_if_it_cannot_be_saved_again():
    world = deaf("suspended")
    world.inject_errors("suspend", Refused("web: the disk is full."))
    outcome = carry_out(world, ask("stopped", "graceful", {}, stop_timeout=5))
    assert f"{NOT_BACK} (suspended): web: the disk is full." in outcome.msg
    assert outcome.vms[0]["state"] == world.machine("web").power == "running"


@each_power
def test_check_mode_plans_the_stop(power):
    world = deaf(power)
    assert not carry_out(world, ask("stopped", "graceful", {}), check=True).failed
    assert (world.verbs(), found().power) == ([], "running")
