# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remedies fit what was found, and an error without one has no other text in its place."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request

from unit.module_utils._engine.waits import ask, carry_out, running
from unit.module_utils._engine.world import Machine, World


def new(**policy):
    return Request("new", state="started", creation={"image": {"source": "/i"}}, policy=Policy(**policy))


def test_error_without_a_remedy_ends_with_its_message():
    world = World(Machine("web", "1"))
    world.refused_by_host["web"] = PolyvirtError("The host is full.")
    outcome = carry_out(world, ask("web", "started"))
    assert (outcome.failed, outcome.msg) == (True, "web: The host is full.")


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_vm_that_stays_on_without_power_is_not_advised_to_be_forced(state):
    class Stuck(World):
        def _kill(self, vm, step):
            """The platform accepts the request, and nothing happens."""

    outcome = carry_out(
        Stuck(running(stop_seconds=None)), ask("web", state, stop_mode="graceful_then_force", stop_timeout=12)
    )
    assert outcome.failed
    assert "Its power was cut, and it is not off yet: check it on the hypervisor" in outcome.msg
    assert "graceful_then_force" not in outcome.msg


@pytest.mark.parametrize("wait_for", ["address", "ssh"])
def test_message_about_a_new_vm_that_does_not_answer_says_that_it_was_created(wait_for):
    world = World()
    outcome = carry_out(world, new(wait_for=wait_for, timeout=20))
    assert (outcome.failed, outcome.changed, world.machine("new").power) == (True, True, "running")
    assert "The VM was created, and is kept." in outcome.msg


def test_message_about_an_existing_vm_does_not_say_so():
    outcome = carry_out(World(running()), ask("web", "started", wait_for="address", timeout=20))
    assert outcome.failed
    assert "was created" not in outcome.msg
