# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as reached at the end of a task, and which seconds count as waiting."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import Policy, Request

from unit.module_utils._engine.world import GIB, Machine, World

OLD = {"cpus": 2, "memory": 2 * GIB}


class Stubborn(World):
    """A platform that reports a VM with its old settings in force, whatever was started since."""

    def _seen(self, machine, facets):
        seen = super()._seen(machine, facets)
        return replace(seen, active=dict(OLD)) if machine.power == "running" else seen


def test_setting_that_a_restart_did_not_bring_into_force_is_reported_and_no_failure():
    world = Stubborn(Machine("web", "u-web", power="running", config=dict(OLD)))
    request = Request("web", state="started", config={"memory": GIB}, policy=Policy(allow_restart=True))
    outcome = task.run(world, [request], clock=world.clock, probe=None)
    assert not outcome.failed, outcome.msg
    assert world.verbs() == ["stop", "configure", "start"]
    assert outcome.vms[0]["restart_required"] == ["memory"]
