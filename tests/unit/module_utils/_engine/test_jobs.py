# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long operations of the platform, such as a backup: what they forbid waits, and nothing else reads them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import LOCKED

from unit.module_utils._engine.waits import ask, carry_out, running
from unit.module_utils._engine.world import Machine, World, refusal


class WithJobs(World):
    """A job runs on web until a second; ``asked`` are the VMs of each question about jobs."""

    def __init__(self, *machines, until, error=None):
        super().__init__(*machines)
        self.until, self.error, self.asked = until, error, []

    def jobs(self, vms):
        self.asked.append([vm.name for vm in vms])
        if self.error:
            raise self.error
        return {vm.id: "backup" for vm in vms if vm.name == "web" and self.clock.now() < self.until}


@pytest.mark.parametrize("check", [False, True])
def test_job_on_a_vm_is_waited_for_only_by_what_it_forbids(check):
    world = WithJobs(running(), running("db"), Machine("off", "3"), until=12)
    requests = [ask("web", "stopped"), ask("db", "started"), ask("off", "started")]
    assert not carry_out(world, *requests, check=check).failed
    assert {tuple(names) for names in world.asked} == {("web",)}
    assert world.clock.now() >= 12
    assert [second for second, verb, _name in world.calls if verb == "stop" and second < 12] == []


@pytest.mark.parametrize("check", [False, True])
def test_job_that_does_not_end_rejects_the_task(check):
    world = WithJobs(running(), until=1000)
    outcome = carry_out(world, ask("web", "stopped", timeout=30), check=check)
    assert outcome.msg == ("web: it is still busy (backup) after 30 seconds. Wait for it to finish, or raise timeout.")
    assert world.calls == []


def test_task_that_changes_nothing_asks_for_no_jobs():
    world = WithJobs(running(), until=1000)
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.changed, world.asked) == (False, False, [])


def test_unknown_jobs_are_not_none():
    world = WithJobs(running(), until=0, error=refusal("access denied"))
    outcome = carry_out(world, ask("web", "stopped"))
    assert (outcome.failed, world.calls) == (True, [])
    assert "access denied" in outcome.msg


def test_unknown_jobs_of_one_vm_reject_only_that_one(monkeypatch):
    world = WithJobs(running(), running("db"), until=0)
    monkeypatch.setattr(world, "jobs", lambda vms: {vm.id: refusal("hung") for vm in vms if vm.name == "web"})
    outcome = carry_out(world, ask("web", "stopped"), ask("db", "stopped"))
    assert (outcome.failed, outcome.msg.splitlines()) == (True, ["web: platform failed with exit code 1: hung"])


def test_vm_that_another_command_holds_is_waited_for_or_killed(monkeypatch):
    """A hypervisor that does not answer holds its VM until it is killed."""
    world = WithJobs(running(), running("db"), until=0)
    monkeypatch.setattr(world, "jobs", lambda vms: {vm.id: LOCKED for vm in vms if vm.name == "web"})
    assert f"web: it is still busy ({LOCKED})" in carry_out(world, ask("web", "stopped", timeout=30)).msg
    requests = [ask(name, "stopped", stop_mode="force") for name in ("web", "db")]
    assert not carry_out(world, *requests).failed
    assert {(verb, name) for _second, verb, name in world.calls} == {("kill", "web"), ("kill", "db")}
