# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task that is killed during a permitted restart: the record says what the VM was, and the next task completes it."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Field, Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import iso
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import INTERRUPTED, with_settings
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import GIB, Machine, World, refusal

NOW, HOUR = 1_800_000_000, 3600
MARK = {"id": "u-web"}
GRACEFUL = ["configure", "stop", "configure", "start", "configure"]
PAUSED = ["configure", "resume", "stop", "configure", "start", "pause", "configure"]
KILLS = [
    (power, (number, when))
    for power, verbs in (("running", GRACEFUL), ("paused", PAUSED))
    for number in range(len(verbs))
    for when in ("before", "after")
]


class Killed(BaseException):
    """Ends the task like SIGKILL."""


class Recorder(World):
    """A platform whose marks are with the VM; the task is killed before or after one of its calls."""

    def __init__(self, machine, kill=(None, "")):
        super().__init__(machine)
        self.kill, self.has_field = kill, True

    def traits(self):
        traits = super().traits()
        return replace(traits, fields={**traits.fields, INTERRUPTED: Field()}) if self.has_field else traits

    def _do(self, vm, step):
        number, (place, when) = len(self.calls), self.kill
        if (number, "before") == (place, when):
            raise Killed
        super()._do(vm, step)
        if (number, "after") == (place, when):
            raise Killed

    def _configure(self, vm, step):
        machine = self._existing(vm)
        own = [change for change in step.changes if change.field == INTERRUPTED]
        super()._configure(vm, replace(step, changes=[one for one in step.changes if one not in own]))
        for change in own:
            machine.mark = with_settings(machine.mark, {INTERRUPTED: change.new})

    def _pause(self, vm, step):
        self._existing(vm).power = "paused"

    def _resume(self, vm, step):
        self._existing(vm).power = "running"


def machine(power="running", mark=MARK, **config):
    return Machine("web", "u-web", power, {"cpus": 2, "memory": 2 * GIB, "firmware": "bios", **config}, mark=mark)


def ask(state="present", now=NOW, **config):
    return Request("web", state=state, config=config, policy=Policy(allow_restart=True, controller_time=now))


def interrupted(power="running", at=NOW - HOUR):
    return {**MARK, INTERRUPTED: f"{power} {iso(at)}"}


def carry_out(world, request, check=False):
    world.calls.clear()
    return task.run(world, [request], check, clock=world.clock, probe=None)


def verbs_of(outcome):
    return [step["verb"] for step in outcome.vms[0]["steps"]]


# The record -----------------------------------------------------------------------------------------------------------


def test_power_is_recorded_before_the_stop_and_forgotten_after_the_start():
    world = Recorder(machine())
    check = carry_out(world, ask(firmware="uefi"), check=True)
    outcome = carry_out(world, ask(firmware="uefi"))
    assert (outcome.failed, world.verbs()) == (False, GRACEFUL)
    assert (world.machine("web").mark, world.machine("web").power) == (MARK, "running")
    assert verbs_of(check) == verbs_of(outcome) == ["stop", "configure", "start"], "no part of the plan"
    assert INTERRUPTED not in repr(outcome.result())


#: Why there is no record.
UNRECORDED = {
    "the platform cannot": (machine(), ask(firmware="uefi"), False),
    "the VM has no mark": (machine(mark=None), ask(firmware="uefi"), True),
    "the mark is of another VM": (machine(mark={"id": "u-other"}), ask(firmware="uefi"), True),
    "it ends stopped": (machine(), ask("stopped", firmware="uefi"), True),
    "it is off": (machine("stopped"), ask("started", firmware="uefi"), True),
    "no restart": (machine(), ask(description="text"), True),
    "no time": (machine(), ask(now=None, firmware="uefi"), True),
}


@pytest.mark.parametrize(("vm", "request_", "can"), UNRECORDED.values(), ids=UNRECORDED)
def test_power_is_not_recorded(vm, request_, can):
    world = Recorder(replace_mark(vm))
    world.has_field = can
    assert not carry_out(world, request_).failed
    assert world.verbs() in ([], ["configure"], ["stop", "configure"], ["configure", "start"],
                             ["stop", "configure", "start"])  # fmt: skip


def replace_mark(vm):
    return Machine(vm.name, vm.id, vm.power, dict(vm.config), mark=vm.mark)


@pytest.mark.parametrize("error", [refusal("no"), Stale("changed"), refusal("try later")])
def test_restart_goes_on_without_its_record(error):
    world = Recorder(machine())
    world.inject_errors("configure", error)
    outcome = carry_out(world, ask(firmware="uefi"))
    assert (outcome.failed, world.verbs(), world.machine("web").mark) == (False, GRACEFUL, MARK)


def test_record_is_removed_if_the_stop_fails():
    world = Recorder(machine())
    world.inject_errors("stop", refusal("no agent"))
    outcome = carry_out(world, ask(firmware="uefi"))
    assert (outcome.failed, outcome.changed, world.machine("web").mark) == (True, False, MARK)


def test_record_is_removed_if_the_change_fails_and_the_vm_is_brought_back():
    world = Recorder(machine())
    world.injected_errors["configure"] = [(None, True), (refusal("unknown model"), False)]
    outcome = carry_out(world, ask(firmware="uefi"))
    assert (outcome.failed, world.verbs()) == (True, GRACEFUL)
    assert (world.machine("web").power, world.machine("web").mark) == ("running", MARK)


def test_vm_whose_start_failed_is_started_by_the_next_task():
    world = Recorder(machine())
    world.inject_errors("start", refusal("no memory"))
    assert carry_out(world, ask(firmware="uefi")).vms[0]["state"] == "stopped"
    assert carry_out(world, ask(firmware="uefi")).vms[0]["state"] == "running"
    assert world.machine("web").mark == MARK


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("power", "kill"), KILLS)
def test_next_task_completes_a_restart_that_was_killed(power, kill):
    world = Recorder(machine(power), kill)
    with pytest.raises(Killed):
        carry_out(world, ask(firmware="uefi"))
    world.kill = (None, "")
    world.clock.sleep(10)  # The guest obeys the request.
    check = carry_out(world, ask(now=NOW + HOUR, firmware="uefi"), check=True)
    outcome = carry_out(world, ask(now=NOW + HOUR, firmware="uefi"))
    assert not outcome.failed, outcome.msg
    assert (verbs_of(check), check.changed) == (verbs_of(outcome), outcome.changed)
    is_lost = power == "paused" and world.machine("web").power == "running"
    assert is_lost or (world.machine("web").power, world.machine("web").config["firmware"]) == (power, "uefi")
    assert world.machine("web").mark == MARK
    assert not carry_out(world, ask(now=NOW + HOUR, firmware="uefi")).changed


# The next task --------------------------------------------------------------------------------------------------------

#: (power, record, state, time since, power after, the record is left, it warns).
NEXT = [
    ("stopped", "running", "present", HOUR, "running", False, False),
    ("stopped", "paused", "present", HOUR, "paused", False, False),
    ("stopped", "running", "present", -60, "running", False, False),
    ("stopped", "running", "present", -HOUR, "stopped", True, True),
    ("stopped", "running", "present", 25 * HOUR, "stopped", True, True),
    ("stopped", "running", "started", 25 * HOUR, "running", False, False),
    ("stopped", "paused", "started", HOUR, "running", False, False),
    ("stopped", "running", "stopped", HOUR, "stopped", False, False),
    ("running", "running", "stopped", HOUR, "stopped", False, False),
    ("running", "running", "present", 25 * HOUR, "running", False, False),
    ("paused", "running", "present", HOUR, "paused", False, False),
    ("stopped", "nonsense", "present", HOUR, "stopped", True, False),
]


@pytest.mark.parametrize(("power", "recorded", "state", "since", "after", "is_left", "warns"), NEXT)
def test_next_task(power, recorded, state, since, after, is_left, warns):
    world = Recorder(machine(power, interrupted(recorded, NOW)))
    check = carry_out(world, ask(state, NOW + since), check=True)
    outcome = carry_out(world, ask(state, NOW + since))
    assert (check.failed, outcome.failed, outcome.vms[0]["state"]) == (False, False, after)
    steps = [one.vms[0]["steps"] for one in (check, outcome)]
    assert (check.changed, check.diff, steps[0]) == (outcome.changed, outcome.diff, steps[1])
    assert (INTERRUPTED in world.machine("web").mark) == is_left
    warnings = [text for text in outcome.warnings if "restarted it was interrupted" in text]
    assert (bool(warnings), check.warnings) == (warns, outcome.warnings)


def test_check_mode_says_why_the_vm_is_started():
    world = Recorder(machine("stopped", interrupted()))
    (step,) = carry_out(world, ask(), check=True).vms[0]["steps"]
    assert (step["verb"], step["note"]) == ("start", "its restart was interrupted")


def test_record_of_another_vm_does_not_count():
    world = Recorder(machine("stopped", {**interrupted(), "id": "u-other"}))
    assert (carry_out(world, ask()).changed, world.machine("web").power) == (False, "stopped")
