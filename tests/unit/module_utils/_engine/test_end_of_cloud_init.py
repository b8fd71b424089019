# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wait_for: cloud_init: what the agent in the guest reports, or why it does not, and when the task ends."""

from __future__ import annotations

import json

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout, Unsupported
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request

from unit.module_utils._engine.waits import ask, carry_out, running
from unit.module_utils._engine.world import Machine, World


class WithAgents(World):
    """A platform with agents. ``reports`` are (from second, answer); an answer is a report, or the error instead."""

    def __init__(self, *machines, reports):
        super().__init__(*machines)
        self.reports, self.asked_at = reports, []

    def run_in_guest(self, vm, command):
        assert "cloud-init status --format json" in command
        now = self.clock.now()
        self.asked_at.append(now)
        answer = [one for second, one in self.reports if second <= now][-1]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, tuple) else (0, json.dumps(answer))


SILENT = Timeout("QEMU guest agent is not connected", 5)
RUNS, ENDED = {"status": "running", "stage": "modules-final"}, {"status": "done", "datasource": "nocloud"}
BROKEN = {"status": "error", "modules-final": {"errors": ["runcmd failed"]}}


def cloud_init(*reports, machine=None, **policy):
    world = WithAgents(machine or running(), reports=reports)
    return world, carry_out(world, ask("web", "started", wait_for="cloud_init", **policy))


def test_end_of_cloud_init_is_waited_for():
    world, outcome = cloud_init((0, SILENT), (20, RUNS), (50, ENDED))
    assert (outcome.failed, outcome.changed, outcome.warnings) == (False, False, ["the platform is old"])
    assert 50 <= world.clock.now() <= 52
    assert world.asked_at[0] == 0, "a VM that runs already is asked at once"


def test_started_vm_is_asked():
    world, outcome = cloud_init((0, ENDED), machine=Machine("web", "1"))
    assert (outcome.failed, outcome.changed, len(world.asked_at)) == (False, True, 1)


def test_failed_stage_fails_the_task_and_keeps_the_vm():
    request = Request(
        "new", state="started", creation={"image": {"source": "/i"}}, policy=Policy(wait_for="cloud_init")
    )
    world = WithAgents(reports=[(0, RUNS), (30, BROKEN)])
    outcome = carry_out(world, request)
    assert outcome.msg.startswith(
        "new: cloud-init failed in stage modules-final: runcmd failed. The VM was created, and is kept. See /var/log"
    )
    assert (outcome.failed, outcome.changed, world.machine("new").power) == (True, True, "running")
    assert world.clock.now() < 40


def test_degraded_cloud_init_is_a_warning():
    report = {"status": "done", "recoverable_errors": {"WARNING": ["no such locale"]}}
    _world, outcome = cloud_init((0, (2, json.dumps(report))))
    assert not outcome.failed
    assert "web: cloud-init is done, but reported problems: no such locale." in outcome.warnings


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": "disabled"}, "web: the seed was not read: cloud-init found no datasource."),
        ((127, ""), "web: the guest has no cloud-init."),
        ((1, "what?"), "web: the status of cloud-init cannot be read: what?."),
        (
            Unsupported("the guest agent does not permit guest-exec.", "Permit it."),
            "web: the guest agent does not permit",
        ),
    ],
)
def test_guest_without_an_answer_about_its_seed_fails_immediately(answer, message):
    world, outcome = cloud_init((0, answer))
    assert outcome.msg.startswith(message)
    assert "cloud-init failed" not in outcome.msg
    assert world.clock.now() == 0


def test_agent_that_permits_nothing_has_ssh_as_the_remedy():
    _world, outcome = cloud_init((0, Unsupported("the guest agent does not permit guest-exec.", "Permit it.")))
    assert "Permit it. Or wait for SSH (wait_for: ssh); the playbook polyvirt.core.provision" in outcome.msg


def test_agent_that_never_answers_is_given_half_of_the_time():
    world, outcome = cloud_init((0, SILENT), timeout=100)
    assert outcome.msg.startswith(
        "web: the end of cloud-init is not known, because no guest agent answered for 50 s: QEMU guest agent is not"
        " connected. Use an image with qemu-guest-agent"
    )
    assert "packages: [qemu-guest-agent]" in outcome.msg
    assert world.clock.now() == 50


def test_agent_may_be_away_while_the_guest_restarts():
    world, outcome = cloud_init((0, SILENT), (40, RUNS), (50, SILENT), (90, ENDED), timeout=100)
    assert not outcome.failed, outcome.msg
    assert 90 <= world.clock.now() <= 92


def test_cloud_init_that_never_ends_is_named_with_its_stage():
    world, outcome = cloud_init((0, RUNS), timeout=60)
    assert outcome.msg.startswith("web: cloud-init is still running after 60 s (stage modules-final). Raise timeout")
    assert world.clock.now() == 60


def test_agent_is_asked_once_with_timeout_zero():
    world, outcome = cloud_init((0, ENDED), timeout=0)
    assert (outcome.failed, world.asked_at) == (False, [0])


def test_guest_that_powers_off_ends_the_wait_for_cloud_init():
    world, outcome = cloud_init((0, RUNS), machine=running(off_at=10))
    assert outcome.msg.startswith("web: while waiting for its cloud_init it became stopped")
    assert world.clock.now() < 13


def test_vm_without_a_channel_is_rejected_before_it_is_created():
    class WithoutChannel(WithAgents):
        def check_wait(self, plan, wait_for):
            assert wait_for == "cloud_init"
            raise Unsupported(f"{plan.after.name}: no channel.", "Add it.")

    request = Request(
        "new", state="started", creation={"image": {"source": "/i"}}, policy=Policy(wait_for="cloud_init")
    )
    for check in (True, False):
        world = WithoutChannel(reports=())
        outcome = carry_out(world, request, check=check)
        assert (outcome.msg, world.calls) == ("new: no channel. Add it.", [])


def test_check_mode_asks_no_agent():
    world = WithAgents(running(), reports=())
    assert not carry_out(world, ask("web", "started", wait_for="cloud_init"), check=True).failed
    assert world.asked_at == []
