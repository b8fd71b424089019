# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools."""

from __future__ import annotations

from . import api_cluster
from .cluster import Pool
from .errors import ApiError
from .schema import split_list


def _pool(call):
    name = call.get("poolid")
    if name not in call.world.cluster.pools:
        raise ApiError(f"pool '{name}' does not exist")
    return call.world.cluster.pools[name]


def pools(call):
    name = call.get("poolid")
    if name is not None:
        call.world.access.require(call.user, f"/pool/{name}", ["Pool.Audit"])
        return [{"poolid": name, **read_pool(call)}]
    return [
        {"poolid": name, **({"comment": pool.comment} if pool.comment else {})}
        for name, pool in sorted(call.world.cluster.pools.items())
        if call.world.access.may(call.user, f"/pool/{name}", ["Pool.Audit"])
    ]


def read_pool(call):
    pool, world = _pool(call), call.world
    members = [api_cluster.machine_entry(world, world.cluster.machines[vmid]) for vmid in sorted(pool.vms)]
    members += [{"id": f"storage/{name}", "type": "storage", "storage": name} for name in sorted(pool.storages)]
    return {"members": members, **({"comment": pool.comment} if pool.comment else {})}


def create_pool(call):
    name = call.get("poolid")
    if name in call.world.cluster.pools:
        raise ApiError(f"pool '{name}' already exists")
    call.world.cluster.pools[name] = Pool(call.get("comment", ""))


def update_pool(call):
    pool, leave = _pool(call), call.flag("delete")
    pool.comment = call.get("comment", pool.comment)
    for vmid in map(int, split_list(call.get("vms", ""))):
        _check_member(call, vmid)
        _leave(pool, vmid) if leave else _join(call, pool, vmid)
    for name in split_list(call.get("storage", "")):
        (pool.storages.discard if leave else pool.storages.add)(name)


def _check_member(call, vmid):
    if vmid not in call.world.cluster.machines:
        raise ApiError(f"no such VM ID '{vmid}'")
    call.world.access.require(call.user, f"/vms/{vmid}", ["VM.Allocate"])


def _leave(pool, vmid):
    if vmid not in pool.vms:
        raise ApiError(f"VM {vmid} is not a pool member")
    pool.vms.discard(vmid)


def _join(call, pool, vmid):
    if vmid in pool.vms:
        raise ApiError(f"VM {vmid} is already a pool member")
    old = call.world.cluster.pool_of(vmid)
    if old is not None and not call.flag("allow-move"):
        # The text is ASSUMED.
        raise ApiError(f"VM {vmid} belongs already to pool '{old}' and 'allow-move' is not set")
    if old is not None:
        call.world.access.require(call.user, f"/pool/{old}", ["Pool.Allocate"])
        call.world.cluster.pools[old].vms.discard(vmid)
    pool.vms.add(vmid)


def delete_pool(call):
    pool = _pool(call)
    for kind, members in (("VM", pool.vms), ("storage", pool.storages)):
        for name in sorted(members):
            raise ApiError(f"pool '{call.get('poolid')}' is not empty (contains {kind} {name})")
    del call.world.cluster.pools[call.get("poolid")]
