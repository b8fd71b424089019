# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs that are processed together: each has its own result, independent of the others."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PartlyApplied, PolyvirtError, SomeFailed
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits
from ansible_collections.polyvirt.core.plugins.module_utils._ports.progress import received_by

from unit.module_utils._engine.test_task import IMAGE, ask, carry_out
from unit.module_utils._engine.world import Machine, World, refusal

NAMES = ("one", "two", "three")


class Together(World):
    """All VMs are in one lane and processed one after the other; ``faults`` are {name: [errors of its start]}."""

    def __init__(self, *machines, **faults):
        super().__init__(*machines, lane="all")
        self.faults = faults

    def apply(self, segment):
        self.segments.append([vm.name for vm, _steps, _permit in segment])
        return one_by_one(self.carry_out, segment, change_counter.count, permits.granted)

    def _start(self, vm, step):
        if self.faults.get(vm.name):
            raise self.faults[vm.name].pop(0)
        super()._start(vm, step)
        change_counter.note()


def _three(**faults):
    return Together(*(Machine(name, f"u-{name}") for name in NAMES), **faults)


def _started(world):
    return carry_out(world, *(ask(name, "started", timeout=30) for name in NAMES))


def test_failed_vm_does_not_stop_others_of_its_lane():
    world = _three(one=[refusal("no disk")])
    outcome = _started(world)
    assert [machine.power for machine in world.machines] == ["stopped", "running", "running"]
    assert [(vm["failed"], vm["changed"]) for vm in outcome.vms] == [(True, False), (False, True), (False, True)]
    assert outcome.msg.startswith("one: ")
    assert "no disk" in outcome.msg


def test_steps_are_reported_before_they_are_sent_and_their_end():
    world, reports = _three(), []
    with received_by(lambda step, _done, _total: reports.append((step, len(world.segments)))):
        _started(world)
    assert reports == [("one: start; two: start; three: start", 0), (None, 1)]


def test_partly_applied_step_is_a_change():
    outcome = _started(_three(one=[PartlyApplied("half of it is there", "Look at it.")]))
    assert [(vm["failed"], vm["changed"]) for vm in outcome.vms] == [(True, True), (False, True), (False, True)]


def test_each_failure_is_reported_for_its_vm():
    outcome = _started(_three(one=[refusal("no disk")], three=[PolyvirtError("no network")]))
    messages = [vm["msg"] for vm in outcome.vms]
    assert "no disk" in messages[0]
    assert messages[1] == ""
    assert "no network" in messages[2]


def test_only_transient_errors_are_retried():
    world = _three(two=[refusal("try later"), refusal("try later")], three=[refusal("no disk")])
    outcome = _started(world)
    assert world.segments == [list(NAMES), ["two"], ["two"]]
    assert [vm["failed"] for vm in outcome.vms] == [False, False, True]


def test_other_error_than_a_rejected_command_fails_the_task_although_the_vm_runs():
    """For example, the guest runs, but could not be configured."""
    world = _three()

    def runs_and_fails(vm, step):
        World._start(world, vm, step)
        if vm.name == "two":
            raise PolyvirtError("two: its script failed.")

    world._start = runs_and_fails
    outcome = _started(world)
    assert [vm["state"] for vm in outcome.vms] == ["running"] * 3
    assert [vm["failed"] for vm in outcome.vms] == [False, True, False]


def test_only_unfinished_creations_are_undone():
    world = Together(two=[refusal("no disk")])
    outcome = carry_out(world, *(ask(name, "started", creation=IMAGE) for name in NAMES))
    assert [machine.name for machine in world.machines] == ["one", "three"]
    assert [vm["failed"] for vm in outcome.vms] == [False, True, False]


def test_vm_without_an_id_is_undone():
    """A VM that is defined but not created yet has no mark."""
    world = Together(one=[refusal("no box")])
    seen = world._seen
    world._seen = lambda machine, facets: seen(machine, facets).having(id=None, mark=None)
    world._existing = lambda vm: world.machine(vm.name)
    assert carry_out(world, ask("one", "started", creation=IMAGE)).failed
    assert world.machines == []


def test_message_of_some_failed_has_all_errors():
    error = SomeFailed({0: PolyvirtError("one: no."), 2: PolyvirtError("three: no.", "Try it.")})
    assert str(error) == "one: no. three: no. Try it."


def test_guest_that_ignores_requests_does_not_delay_others_of_its_lane():
    """VMs of one lane are not processed at the same time, but are waited for at the same time."""
    deaf = Machine("deaf", "1", power="running", stop_seconds=None)
    world = World(deaf, Machine("web", "2", power="running", stop_seconds=2), lane="the host")
    carry_out(world, ask("deaf", "restarted", stop_timeout=90), ask("web", "restarted"))
    assert next(second for second, verb, name in world.calls if (verb, name) == ("start", "web")) < 5


@pytest.mark.parametrize("lane", ["all", None])
def test_bug_does_not_lose_the_results_of_other_vms(lane):
    world = World(Machine("one", "1"), Machine("two", "2"), Machine("three", "3"), lane=lane)
    start = world._start

    def raise_bug(vm, step):
        if vm.name == "two":
            raise KeyError("a bug")
        start(vm, step)
        change_counter.note()

    world._start = raise_bug
    world.apply = lambda batch: one_by_one(world.carry_out, batch, change_counter.count, permits.granted)
    outcome = _started(world)
    assert [(vm["state"], vm["changed"], vm["failed"]) for vm in outcome.vms] == [
        ("running", True, False), ("stopped", False, True), ("running", True, False),
    ]  # fmt: skip
    assert "two: Unexpected KeyError: 'a bug'. This is a bug in polyvirt.core; please report it." in outcome.msg
    assert "raise_bug" in outcome.trace
    assert "Traceback" not in outcome.msg


def test_error_of_the_whole_driver_is_reported_for_each_vm():
    world = World(Machine("one", "1"), Machine("two", "2"), lane="all")

    def break_down(batch):
        raise RuntimeError("a bug")

    world.apply = break_down
    outcome = carry_out(world, ask("one", "started"), ask("two", "started"))
    assert [vm["failed"] for vm in outcome.vms] == [True, True]
    assert len(outcome.msg.splitlines()) == 2


class Overtaken(Together):
    """Someone else starts each VM just before this task does."""

    def _start(self, vm, step):
        self._existing(vm).power = "running"


def test_step_that_someone_else_carried_out_is_not_a_change():
    outcome = _started(Overtaken(*(Machine(name, f"u-{name}") for name in NAMES)))
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, [])
    assert [(vm["state"], vm["changed"]) for vm in outcome.vms] == [("running", False)] * 3
