# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM that a failed deletion or restore has changed is not the one that the task stopped, so it stays off."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, SnapshotRequest

from unit.module_utils._engine.test_power_back import House, carry_out, failing, found
from unit.module_utils._engine.world import World, refusal


def _rejected(error, wrote):
    error.wrote = wrote
    return error


@pytest.mark.parametrize(("wrote", "power"), [(False, "running"), (None, "stopped"), (True, "stopped")])
def test_vm_is_started_after_a_failed_restore_only_if_it_changed_nothing(wrote, power):
    world = failing(_rejected(refusal("no"), wrote), verb="restore")
    request = Request("web", snapshot=SnapshotRequest("on", state="restored"), policy=Policy())
    outcome = carry_out(world, request)
    assert (outcome.failed, outcome.vms[0]["state"]) == (True, power), outcome.msg


def test_vm_stays_off_if_the_snapshot_is_of_a_stopped_vm():
    world = failing(_rejected(refusal("no"), wrote=False), verb="restore")
    request = Request("web", snapshot=SnapshotRequest("off", state="restored"), policy=Policy())
    assert (carry_out(world, request).failed, world.verbs()) == (True, ["kill", "restore"])


@pytest.mark.parametrize(("wrote", "power"), [(False, "running"), (None, "stopped")])
def test_vm_that_was_not_deleted_is_started_only_if_nothing_of_it_is_gone(wrote, power):
    world = House(found())
    world._seen = lambda machine, facets: World._seen(world, machine, facets)  # Without snapshots.
    world.inject_errors("delete", _rejected(refusal("it is protected"), wrote))
    image = {"image": {"source": "/i"}}
    policy = Policy(stop_mode="force", allow_recreate=True)
    request = Request("web", state="started", config={"bus": "new"}, creation=image, policy=policy)
    outcome = carry_out(world, request)
    assert (outcome.failed, outcome.vms[0]["state"]) == (True, power), outcome.msg
