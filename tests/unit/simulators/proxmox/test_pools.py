# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools: moving their members, and the rights that remain afterwards."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.access import Account, Token, User
from simulators.proxmox.cluster import Pool
from simulators.proxmox.gateway import Gateway

POOLED = User("pooled@pve", "ci")


@pytest.fixture
def gateway():
    world = worlds.with_cases()
    world.cluster.pools["lab"] = Pool(vms={100, 101})
    world.access.accounts[POOLED.userid] = Account(tokens={POOLED.token: Token("s", separated=False)})
    world.access.roles["Machines"] = frozenset({"VM.Allocate", "VM.Audit", "Pool.Allocate", "Datastore.AllocateSpace"})
    for pool in ("lab", "prod"):
        world.access.allow(f"/pool/{pool}", POOLED.userid, "Machines")
    yield Gateway(world)
    assert world.tasks.crashes == []


def put(gateway, pool, **params):
    given = {"poolid": pool, **{key.replace("_", "-"): value for key, value in params.items()}}
    return gateway.call("PUT", "/pools", given, POOLED).reason


def pools(gateway):
    return {name: sorted(pool.vms) for name, pool in gateway.world.cluster.pools.items()}


def test_one_call_moves_with_rights_on_both_pools(gateway):
    assert put(gateway, "prod", vms=100, allow_move=1) == "OK"
    assert pools(gateway) == {"lab": [101], "prod": [100]}


def test_second_call_lacks_the_right_that_the_first_has_taken(gateway):
    assert put(gateway, "lab", vms=100, delete=1) == "OK"
    refused = "update pools failed: 403 Permission check failed (/vms/100, Permissions.Modify|VM.Allocate)"
    assert put(gateway, "prod", vms=100) == refused
    assert put(gateway, "lab", vms=100) == refused


def test_move_needs_the_right_on_the_old_pool(gateway):
    gateway.world.access.rights.clear()
    gateway.world.access.allow("/pool/prod", POOLED.userid, "Machines")
    gateway.world.access.allow("/vms/100", POOLED.userid, "Machines")
    reason = "update pools failed: 403 Permission check failed (/pool/lab, Pool.Allocate)"
    assert put(gateway, "prod", vms=100, allow_move=1) == reason


def test_one_rejected_member_of_a_list_leaves_all_as_it_was(gateway):
    before = pools(gateway)
    assert "403" in put(gateway, "prod", vms="100,9000", allow_move=1, comment="new")
    assert pools(gateway) == before
    assert gateway.world.cluster.pools["prod"].comment == "what customers see"


def test_right_on_a_pool_counts_for_its_storages(gateway):
    access = gateway.world.access
    assert not access.may(POOLED, "/storage/nfs", ["Datastore.AllocateSpace"])
    gateway.world.cluster.pools["lab"].storages.add("nfs")
    assert access.may(POOLED, "/storage/nfs", ["Datastore.AllocateSpace"])
