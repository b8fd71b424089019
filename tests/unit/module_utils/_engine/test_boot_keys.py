# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""boot_key_seconds: keys are pressed only after a start by this task, and until the VM has written to a disk."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import CommandFailed
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LIVE, Counters, Field, Policy, Request

from unit.module_utils._engine.waits import ask, carry_out, running
from unit.module_utils._engine.world import Machine, World

EMPTY, MIB = 200 << 10, 1 << 20
ISO = {"cpus": 2, "memory": 1 << 30, "iso": "/w.iso"}


class WithKeyboards(World):
    """A platform with keyboards. ``used`` are (from second, bytes that the disks use; None: unknown)."""

    def __init__(self, *machines, used=((0, EMPTY),), error=None, off_after=None):
        super().__init__(*machines)
        self.used, self.error, self.off_after, self.pressed_at = used, error, off_after, []

    def traits(self):
        found = super().traits()
        return replace(found, fields={**found.fields, "iso": Field(cost=LIVE)}, sources=("image", "iso"))

    def _seen(self, machine, facets):
        used = [one for second, one in self.used if second <= self.clock.now()][-1]
        return super()._seen(machine, facets).having(counters=Counters(disk_used=used))

    def press_key(self, vm):
        self.pressed_at.append(self.clock.now())
        if len(self.pressed_at) == self.off_after:
            self.machine(vm.name).power = "stopped"
        if self.error:
            raise self.error


def started(*machines, check=False, seconds=30, request=None, **world):
    found = WithKeyboards(*machines, **world)
    wanted = request or ask("web", "started", at_start={"boot_key_seconds": seconds})
    return found, carry_out(found, wanted, check=check)


def _warnings(outcome):
    return [warning for warning in outcome.warnings if "no key was pressed, because" in warning]


def stopped():
    return Machine("web", "id-web", config=dict(ISO))


def new():
    return Request(
        "web", state="started", config={"iso": "/w.iso"}, creation={"image": {"source": "/i"}},
        policy=Policy(at_start={"boot_key_seconds": 30}),
    )  # fmt: skip


def test_key_is_pressed_each_second_until_the_time_is_over():
    world, outcome = started(stopped(), seconds=5)
    assert (outcome.failed, outcome.changed, world.pressed_at) == (False, True, [0, 1, 2, 3, 4])


def test_no_key_is_pressed_after_the_first_write_to_a_disk():
    world, outcome = started(stopped(), used=((0, EMPTY), (7, EMPTY + MIB)))
    assert (outcome.failed, world.pressed_at) == (False, [0, 1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("machine", "used"), [(stopped(), 65 * MIB), (stopped(), None), (running(config=dict(ISO)), EMPTY)]
)
def test_no_key_is_pressed_if_the_installation_may_have_begun(machine, used):
    """With data on the disks, with unknown disks, and in a VM that somebody else has started, which gets no warning."""
    world, outcome = started(machine, used=((0, used),))
    assert (outcome.failed, world.pressed_at) == (False, [])
    assert len(_warnings(outcome)) == len(outcome.vms[0]["steps"])


@pytest.mark.parametrize(("content", "used", "keys"), [({}, 65 * MIB, 7), ({"image": {"source": "/i"}}, 65 * MIB, 0)])
def test_space_of_new_disks_does_not_count(content, used, keys):
    """Some take all of it from the start; that of an image may contain a system."""
    config = {"iso": "/w.iso", "cpus": 2, "memory": 1 << 30}
    wanted = Request(
        "web", state="started", config=config, creation=content, policy=Policy(at_start={"boot_key_seconds": 30})
    )
    world, outcome = started(request=wanted, used=((0, used), (7, used + MIB)))
    assert (outcome.failed, len(world.pressed_at), len(_warnings(outcome))) == (False, keys, int(not keys)), outcome.msg


def test_saved_memory_gets_no_key():
    world, outcome = started(Machine("web", "id-web", power="suspended", config=dict(ISO)))
    assert (outcome.failed, world.pressed_at) == (False, [])


def test_disks_of_a_new_vm_need_not_be_known():
    world, outcome = started(request=new(), used=((0, None),))
    assert (outcome.failed, len(world.pressed_at)) == (False, 30), outcome.msg


def test_check_mode_presses_no_key_and_reports_that():
    world, outcome = started(stopped(), check=True)
    assert (outcome.changed, world.pressed_at) == (True, [])
    assert "a key is pressed each second for 30 s" in outcome.vms[0]["steps"][0]["note"]


def test_error_fails_the_task_and_keeps_the_new_vm():
    error = CommandFailed(["virsh"], 1, "no keyboard", message="no keyboard")
    world, outcome = started(request=new(), error=error)
    assert (outcome.failed, "no keyboard" in outcome.msg, world.machine("web").power) == (True, True, "running")
    assert len(world.pressed_at) == 1


def test_unexpected_error_is_reported_as_it_is():
    world, outcome = started(stopped(), error=ValueError("odd answer"))
    assert (outcome.failed, "odd answer" in outcome.msg, len(world.pressed_at)) == (True, True, 1), outcome.msg


def test_temporary_error_is_ignored():
    error = CommandFailed(["virsh"], 1, "try later", message="try later")
    world, outcome = started(stopped(), error=error, seconds=3)
    assert (outcome.failed, world.pressed_at) == (False, [0, 1, 2])


def test_vm_that_stops_meanwhile_is_reported_as_after_any_start():
    world, outcome = started(stopped(), off_after=2)
    assert (len(world.pressed_at), outcome.failed) == (2, True)


@pytest.mark.parametrize(
    ("config", "problem"), [({"iso": ""}, "the VM has no ISO image"), ({"skip_boot_prompt": True}, "asks for no key")]
)
def test_start_without_a_prompt_is_rejected(config, problem):
    machine = stopped()
    machine.config.update(config)
    world, outcome = started(machine)
    assert (outcome.failed, problem in outcome.msg, world.calls) == (True, True, []), outcome.msg


def test_guest_is_waited_for_after_the_keys():
    world, outcome = started(
        stopped(), request=ask("web", "started", at_start={"boot_key_seconds": 3}, wait_for="address", timeout=10)
    )
    assert (outcome.failed, world.pressed_at, world.clock.now()) == (True, [0, 1, 2], 10), outcome.msg
