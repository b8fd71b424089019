# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a machine: all options in one call, guarded against whoever changes them at the same moment.

What is done already is not done again: a segment may be sent twice.
"""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import ApiError, Stale
from ..._lifecycle.model import PAUSED, RUNNING
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, HotplugFailed
from . import media, placing
from .settings import free_seed_slot, written
from .sight import cards_of, disks_of, seed_slot, storage_of

_AGAIN = "Check the VM, and run the task again."
#: Fields that cloud-init reads from a drive of their own.
_SEEDED = ("cloud_init",)
#: The same as options, by the key without its number; the last is set by the option native.
TOLD_TO_GUESTS = frozenset({"ciuser", "sshkeys", "ipconfig", "nameserver", "searchdomain", "cicustom"})


def configure(driver, vm, changes):
    """Make the changes; those that the running machine does not take wait for its next start."""
    by_field = {change.field: change for change in changes}
    sight = driver.eyes.sight(vm.id)
    _check_same_devices(driver.planned.get(vm.id, vm), sight, changes)
    if "node" in by_field:
        _migrate(driver, vm, by_field["node"].new, by_field.get("iso"))
        sight = driver.eyes.sight(vm.id)
    if sight.stored.get("protection") == "1" and any(change.path == "protection" for change in changes):
        # Nothing is removed of a machine that is protected, so this goes before all else.
        driver.tool.put(f"{sight.path}/config", protection=0, digest=sight.digest)
        sight = driver.eyes.sight(vm.id)
    if _moved(driver, sight, changes):
        sight = driver.eyes.sight(vm.id)
    changes = [media.stored(driver, sight.node, change) for change in changes]
    storage = placing.storage_for(driver, sight.node, vm.name) if needs_storage(changes, sight) else ""
    _write(driver, vm, sight, writing_of(changes, sight.stored, storage))
    if vm.power in (RUNNING, PAUSED) and any(map(_is_for_guest, changes)):
        _renew_seed(driver, sight)
    if "pool" in by_field:
        move_to_pool(driver, sight, by_field["pool"].new)
    if "template" in by_field and sight.stored.get("template") != "1":
        driver.tool.run("POST", f"{sight.path}/template")


def _check_same_devices(planned, sight, changes):
    """Raise Stale for a disk or NIC that somebody else replaced or removed after the task was planned.

    Options are enforced whatever they were, but another disk in the same slot is not the one to detach or grow.
    """
    disks, cards = disks_of(sight.stored), cards_of(sight.stored)
    moves = {change.key: change.new for change in changes if change.kind == "disks.storage"}
    for change in changes:
        if change.key in moves and storage_of(disks.get(change.key, {}).get("file", "")) == moves[change.key]:
            continue  # This task has moved it.
        if change.kind in ("disks.remove", "disks.size", "disks.storage"):
            then, now = (planned.config["disks"].get(change.key) or {}).get("source"), disks.get(change.key)
            is_same = (now is None and change.kind == "disks.remove") or (now and now.get("file") == then)
        else:
            is_same = change.field != "networks" or change.kind == "networks.add" or change.key in cards
            is_same = is_same or change.kind == "networks.remove"
        if not is_same:
            raise Stale(f"{planned.name}: {change.path}: somebody else changed it while this task ran.", _AGAIN)


def _moved(driver, sight, changes):
    """Move disks to other storages; whether any was moved."""
    disks = disks_of(sight.stored)
    moves = [change for change in changes if change.kind == "disks.storage" and change.key in disks]
    moves = [change for change in moves if storage_of(disks[change.key]["file"]) != change.new]
    for change in moves:
        driver.tool.run("POST", f"{sight.path}/move_disk", disk=change.key, storage=change.new, delete=True)
    return bool(moves)


def needs_storage(changes, sight):
    """Whether something new is to be made on a storage."""
    return any(map(_makes_volume, changes)) or _needs_seed(changes, sight.stored)


def _makes_volume(change):
    if change.kind == "disks.add":
        return not (change.new.get("source") or change.new.get("storage"))
    return change.kind in ("tpm", "firmware") and change.new not in (False, "bios")


def _needs_seed(changes, options):
    return any(map(_is_told, changes)) and seed_slot(options) is None


def _is_told(change):
    return change.field in _SEEDED or (change.path == "native.cicustom" and bool(change.new))


def writing_of(changes, options, storage):
    """With a drive for cloud-init, where something is told to it and there is none."""
    writing = written(changes, options, storage)
    if _needs_seed(changes, options):
        writing.put[free_seed_slot(writing.taken)] = f"{storage}:cloudinit"
    return writing


def _write(driver, vm, sight, writing):
    if writing.lost:
        driver.tool.put(f"{sight.path}/config", delete=",".join(writing.lost), force=True, digest=sight.digest)
        sight = replace(sight, digest=None)
    if writing.put or writing.gone:
        _send(driver, vm, sight, writing)
    for number, (slot, size) in enumerate(writing.grown.items()):
        # With the digest that was read only as long as this call itself has changed nothing.
        digest = None if number or writing.lost or writing.put or writing.gone else sight.digest
        driver.tool.run("PUT", f"{sight.path}/resize", disk=slot, size=f"{size // 1024}K", digest=digest)


def _send(driver, vm, sight, writing):
    asked = {**writing.put, "delete": ",".join(writing.gone) or None, "digest": sight.digest}
    try:
        # Making a disk may take longer than a call may.
        if writing.allocates:
            driver.tool.run("POST", f"{sight.path}/config", **asked)
        else:
            driver.tool.put(f"{sight.path}/config", **asked)
    except HotplugFailed as error:
        told = "the running machine did not take it, so it waits for the next start"
        driver.tool.warn(f"{vm.name}: {told}: {error.message}.")


def _is_for_guest(change):
    return change.field in _SEEDED or (change.field == "native" and values.stem(change.key) in TOLD_TO_GUESTS)


def _renew_seed(driver, sight):
    """For what runs; a start makes the drive anew by itself."""
    try:
        driver.tool.put(f"{sight.path}/cloudinit")
    except ApiError as error:
        # The first versions have no other way than a start.
        if error.status != 501:
            raise


def _migrate(driver, vm, target, medium):
    """``medium`` is the change of the option iso, if any: what is in the drive till then might not come along."""
    sight = driver.eyes.sight(vm.id)
    if sight.node == target:
        return
    if medium and medium.old:
        _write(driver, vm, sight, written([replace(medium, new="")], sight.stored, storage=""))
    if driver.moves_requested.get(vm.id) == target:
        raise _moved_by_cluster(vm, target)
    running = driver.eyes.is_running(sight)
    kind = driver.tool.run(
        "POST",
        f"{sight.path}/migrate",
        target=target,
        online=running or None,
        **{"with-local-disks": running or None},
    )
    if kind == "hamigrate":
        # That task only says what is wanted.
        driver.moves_requested[vm.id] = target
        raise _moved_by_cluster(vm, target)
    driver.eyes.moved(vm.id, target)


def _moved_by_cluster(vm, target):
    return Busy(f"{vm.name}: it is moved to node '{target}' by the cluster's high availability.", None)


def move_to_pool(driver, sight, pool):
    """Into a pool, out of the one it is in; empty: into none."""
    # A call that broke off may have been carried out, so the last look is not enough.
    present = driver.eyes.pool_now(sight.vmid)
    if present == pool:
        return
    if present:
        _change_pool(driver, present, vms=sight.vmid, delete=True)
    if pool:
        _change_pool(driver, pool, vms=sight.vmid)


def _change_pool(driver, pool, **parameters):
    # All versions have this way; only 8.1 and later have pools in pools, which have the other one alone.
    if "/" in pool:
        driver.tool.put("/pools", poolid=pool, **parameters)
    else:
        driver.tool.put(f"/pools/{pool}", **parameters)
