# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The final check of a task: which VM is as requested."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import DESTRUCTIVE, Field, Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import GIB, Machine, World

OLD = {"cpus": 2, "memory": 2 * GIB}


class Stubborn(World):
    """A platform that reports the old settings as those of the running VM, even after a restart."""

    def _seen(self, machine, facets):
        seen = super()._seen(machine, facets)
        return replace(seen, active=dict(OLD)) if machine.power == "running" else seen


def test_setting_that_a_restart_did_not_apply_is_reported_but_not_an_error():
    world = Stubborn(Machine("web", "u-web", power="running", config=dict(OLD)))
    request = Request("web", state="started", config={"memory": GIB}, policy=Policy(allow_restart=True))
    outcome = task.run(world, [request], clock=world.clock, probe=None)
    assert not outcome.failed, outcome.msg
    assert world.verbs() == ["stop", "configure", "start"]
    assert outcome.vms[0]["restart_required"] == ["memory"]


class BusyAfterwards(World):
    """The configured settings are lost, and at the final observation, the VM is busy for some seconds."""

    def __init__(self, seconds, *machines):
        super().__init__(*machines)
        self._seconds = seconds

    def observe(self, targets, facets):
        if "snapshots" in facets and not self.machines[0].busy_until:
            self.machines[0].busy_until = self.clock.now() + self._seconds
        return super().observe(targets, facets)

    def _configure(self, vm, step):
        pass


@pytest.mark.parametrize(("seconds", "left"), [(5, "memory"), (500, "it is busy (locked)")])
def test_busy_vm_is_not_a_success(seconds, left):
    world = BusyAfterwards(seconds, Machine("web", "u-web", config=dict(OLD)))
    request = Request("web", config={"memory": GIB}, policy=Policy(timeout=60))
    outcome = task.run(world, [request], clock=world.clock, probe=None)
    assert outcome.msg == f"web: the VM is not as requested yet: {left}. Run the task again."
    assert world.clock.now() <= 61


class Rebuilding(World):
    def traits(self):
        traits = super().traits()
        return replace(traits, fields={**traits.fields, "firmware": Field(cost=DESTRUCTIVE)})


@pytest.mark.parametrize("name", ["web", None])
def test_recreated_vm_may_have_another_id_than_the_task_sets(name):
    world = Rebuilding(Machine("web", "old", config={**OLD, "firmware": "bios"}, mark={"id": "old"}))
    image = {"image": {"source": "/i"}}
    request = Request(name, "old", config={"firmware": "uefi"}, creation=image, policy=Policy(allow_recreate=True))
    outcome = task.run(world, [request], clock=world.clock, probe=None)
    assert (outcome.failed, outcome.msg, world.verbs()) == (False, "", ["delete", "create"])
    assert [(vm["name"], vm["id"]) for vm in outcome.vms] == [("web", "u-web")]
    assert world.clock.now() < 5
