# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surplus VMs of a fleet in 10,000 random cases: never a VM without its own mark. And how many may be deleted."""

from __future__ import annotations

import random

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.fleet import (
    belongs_to,
    check_prune_max,
    may_be_pruned,
    surplus_vms,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.leases import Expiry

from suite.belts import seed

_NAMES = ("web1", "web2", "web3", "db1")
_FLEETS = ("web", "db", "", None)
WORLDS = 10_000


def _vm(chance, number):
    vm_id = chance.choice((f"id{number}", f"id{number}", None))
    mark = chance.choice(({"id": vm_id}, {"id": vm_id}, {"id": "id-of-another"}, {}, None))
    config = {"fleet": chance.choice(_FLEETS)} if chance.random() < 0.9 else {}
    return Vm(name=chance.choice(_NAMES), id=vm_id, mark=mark, config=config)


def _request(chance, vms):
    by_id = chance.choice([vm.id for vm in vms if vm.id] or [None])
    if by_id and chance.random() < 0.3:
        return Request(id=by_id)
    return Request(name=chance.choice(_NAMES))


def _may_be_deleted(vm, requests, fleet):
    is_listed = any(vm.name == one.name or (vm.id and vm.id == one.id) for one in requests)
    is_foreign = vm.id is not None and (vm.mark or {}).get("id") != vm.id
    return not is_listed and not is_foreign and fleet != "" and vm.config.get("fleet") == fleet


def test_only_own_vms_of_the_fleet_that_are_not_listed_are_surplus():
    chance, deleted = random.Random(seed()), 0
    for _world in range(WORLDS):
        vms = [_vm(chance, number) for number in range(chance.randint(0, 6))]
        requests = [_request(chance, vms) for _one in range(chance.randint(1, 3))]
        fleet = chance.choice(("web", "db", ""))
        found = surplus_vms([vm for vm in vms if belongs_to(vm, fleet)], requests)
        deleted += len(found)
        assert found == [vm for vm in vms if _may_be_deleted(vm, requests, fleet)], (vms, requests, fleet)
    assert deleted > WORLDS / 10


@pytest.mark.parametrize(
    ("members", "prune_max", "most"),
    [(0, None, 0), (1, None, 0), (2, None, 0), (3, None, 1), (4, None, 1), (9, None, 4), (10, None, 4), (4, 3, 3)],
)
def test_prune_deletes_at_most_prune_max_vms_or_less_than_half_of_the_fleet(members, prune_max, most):
    names = [f"web{number}" for number in range(1, members + 1)]
    check_prune_max(names[:most], members, "web", prune_max)
    if most < members:
        with pytest.raises(Refused):
            check_prune_max(names[: most + 1], members, "web", prune_max)


@pytest.mark.parametrize(
    ("prune_max", "reason"),
    [(None, "without prune_max less than half of the 4 VMs of a fleet are deleted"), (1, "prune_max is 1")],
)
def test_error_names_the_vms_the_limit_and_what_to_set(prune_max, reason):
    with pytest.raises(Refused) as caught:
        check_prune_max(["web3", "web1", "web2"], 4, "web", prune_max)
    assert str(caught.value) == (
        "prune: 3 VMs of the fleet web are not listed in the task and would be deleted (web1, web2, web3), but"
        f" {reason}. List the VMs that must remain. To delete all of these, set prune_max: 3."
    )


@pytest.mark.parametrize(
    ("at", "expired_for", "now", "is_deleted"),
    [
        (None, None, None, True),
        (None, 0, 100, False),
        (100, 0, 100, True),
        (101, 0, 100, False),
        (50, 51, 100, False),
        (50, 50, 100, True),
        (50, 0, None, False),
    ],
)
def test_vm_that_has_not_expired_is_kept_if_only_expired_ones_are_pruned(at, expired_for, now, is_deleted):
    config = {"fleet": "web", **({"expires": Expiry("8h", at, is_stored=True)} if at else {})}
    vm = Vm("web1", id="1", mark={"id": "1"}, config=config)
    policy = Policy(expired_for=expired_for, controller_time=now)
    assert may_be_pruned(vm, policy) is is_deleted
