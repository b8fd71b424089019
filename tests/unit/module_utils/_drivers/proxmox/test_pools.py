# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts with rights on pools only: what remains of them after a change, and each right taken away."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.cluster import Pool
from unit.module_utils._drivers.proxmox.simulated import do, rejected
from unit.module_utils._drivers.proxmox.tasks import account

MEMBER = {"VM.Audit", "VM.Allocate", "VM.PowerMgmt", "Pool.Allocate", "Pool.Audit"}


def pooled(version=(9, 2)):
    """A cluster with web2 in the pool lab."""
    world = worlds.with_cases(version=version)
    world.cluster.pools["lab"] = Pool("", {101})
    return world


@pytest.mark.parametrize("task", [{"pool": "prod"}, {"pool": "prod", "template": True}])
def test_vm_moves_between_pools_that_alone_give_the_rights(task):
    world = pooled()
    api = account(world, ("/pool/lab", MEMBER), ("/pool/prod", MEMBER))
    outcome = do(world, api=api, name="web2", **task)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert (world.cluster.pools["lab"].vms, world.cluster.pools["prod"].vms) == (set(), {101})
    assert do(world, api=api, name="web2", **task).changed is False


@pytest.mark.parametrize(
    ("version", "of_new", "task", "missing"),
    [
        ((8, 0), MEMBER, {"pool": "prod"}, "VM.Allocate"),
        ((9, 2), MEMBER, {"pool": ""}, "VM.Audit"),
        ((9, 2), MEMBER - {"VM.Audit"}, {"pool": "prod"}, "VM.Audit"),
        ((9, 2), MEMBER - {"VM.PowerMgmt"}, {"pool": "prod", "state": "started"}, "VM.PowerMgmt"),
    ],
)
def test_rights_that_do_not_remain_after_the_change_of_the_pool(version, of_new, task, missing):
    world = pooled(version)
    api = account(world, ("/pool/lab", MEMBER), ("/pool/prod", of_new))
    rejected(world, missing, "only by its pool 'lab'", api=api, name="web2", **task)
    # Rights that do not come from the former pool remain.
    api = account(world, ("/vms", MEMBER), ("/pool/lab", MEMBER), ("/pool/prod", of_new))
    assert do(world, api=api, name="web2", **task).changed
