# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surplus VMs of a fleet in 10,000 random cases: never a VM without its own mark."""

from __future__ import annotations

import random

from ansible_collections.polyvirt.core.plugins.module_utils._core.fleet import surplus_vms
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, Vm

from suite.depth import seed

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
        found = surplus_vms(vms, requests, fleet)
        deleted += len(found)
        assert found == [vm for vm in vms if _may_be_deleted(vm, requests, fleet)], (vms, requests, fleet)
    assert deleted > WORLDS / 10
