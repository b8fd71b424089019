# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools."""

from __future__ import annotations

from dataclasses import replace

from . import api_cluster
from .cluster import Pool
from .errors import ApiError
from .schema import split_list


def _pool(call, prefix=""):
    name = call.get("poolid")
    if name not in call.world.cluster.pools:
        raise ApiError(f"{prefix}pool '{name}' does not exist")
    return call.world.cluster.pools[name]


def pools(call):
    name = call.get("poolid")
    if name is not None:
        # Recorded: unlike the list, it needs no privilege.
        return [read_pool(call)]
    return [
        {"poolid": name, **({"comment": pool.comment} if pool.comment else {})}
        for name, pool in sorted(call.world.cluster.pools.items())
        if call.world.access.may(call.user, f"/pool/{name}", ["Pool.Audit"])
    ]


def read_pool(call):
    """Of its members, only those are listed that exist; the right to see the pool is enough (pool_members)."""
    pool, world = _pool(call), call.world
    machines = [world.cluster.machines[vmid] for vmid in sorted(pool.vms) if vmid in world.cluster.machines]
    members = [api_cluster.machine_entry(world, machine) for machine in machines]
    for entry in members:
        entry.pop("pool", None)
    members += [entry for entry in api_cluster.storage_reports(world) if entry["storage"] in pool.storages]
    return {"poolid": call.get("poolid"), "members": members, **({"comment": pool.comment} if pool.comment else {})}


def create_pool(call):
    name, pools_ = call.get("poolid"), call.world.cluster.pools
    if name in pools_:
        raise ApiError(f"create pool failed: pool '{name}' already exists")
    parent = name.rpartition("/")[0]
    if parent and parent not in pools_:
        raise ApiError(f"create pool failed: parent '{parent}' of pool '{name}' does not exist")
    pools_[name] = Pool(call.get("comment", ""))


def update_pool(call):
    """All changes of a call, or none: the file with the pools is written at its end (API2/Pool.pm, pools_move)."""
    _pool(call, "update pools failed: ")
    try:
        changed = _changed(call)
    except ApiError as error:
        raise ApiError(f"update pools failed: {error}") from error
    call.world.cluster.pools.update(changed)


def _changed(call):
    """{name: Pool} of the pools after the change."""
    name, leave = call.get("poolid"), call.flag("delete")
    found = {each: replace(pool, vms=set(pool.vms)) for each, pool in call.world.cluster.pools.items()}
    pool = found[name] = replace(found[name], storages=set(found[name].storages))
    pool.comment = call.get("comment", pool.comment)
    for vmid in map(int, split_list(call.get("vms", ""))):
        _check_modify(call, f"/vms/{vmid}", "VM.Allocate")
        _leave(pool.vms, vmid, f"VM {vmid}") if leave else _join(call, found, name, vmid)
    for storage in split_list(call.get("storage", "")):
        _check_modify(call, f"/storage/{storage}", "Datastore.Allocate")
        _leave(pool.storages, storage, f"Storage '{storage}'") if leave else _add(pool.storages, storage)
    return found


def _check_modify(call, path, privilege):
    """Pools give rights on their members, so only who may give these changes them (check_perm_modify). The rights of
    the caller are those before the call.
    """
    call.world.access.require(call.user, path, ["Permissions.Modify", privilege], any_of=True)


def _leave(members, member, shown):
    if member not in members:
        raise ApiError(f"{shown} is not a pool member")
    members.discard(member)


def _add(members, storage):
    if storage in members:
        raise ApiError(f"Storage '{storage}' is already a pool member")
    members.add(storage)


def _join(call, pools_, name, vmid):
    if vmid in pools_[name].vms:
        raise ApiError(f"VM {vmid} is already a pool member")
    old = next((each for each, pool in pools_.items() if vmid in pool.vms), None)
    if old is not None and not call.flag("allow-move"):
        raise ApiError(f"VM {vmid} belongs already to pool '{old}' and 'allow-move' is not set")
    if old is not None:
        call.world.access.require(call.user, f"/pool/{old}", ["Pool.Allocate"])
        pools_[old].vms.discard(vmid)
    pools_[name].vms.add(vmid)


def delete_pool(call):
    """Members that do not exist, and pools below it, do not keep a pool (the latter is ASSUMED)."""
    pool, name, world = _pool(call, "delete pool failed: "), call.get("poolid"), call.world
    members = [f"VM {vmid}" for vmid in sorted(pool.vms) if world.cluster.taken_by(vmid)]
    members += [f"storage {storage}" for storage in sorted(pool.storages) if storage in world.storages.by_id]
    if members:
        raise ApiError(f"delete pool failed: pool '{name}' is not empty (contains {members[0]})")
    del world.cluster.pools[name]
