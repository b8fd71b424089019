# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a machine: all options in one call, guarded against whoever changes them at the same moment.

What is done already is not done again: a segment may be sent twice.
"""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import ApiError
from ..._lifecycle.model import PAUSED, RUNNING
from ..._tools import proxmox_values as values
from ..._tools.proxmox import HotplugFailed
from . import media, placing
from .settings import free_seed_slot, written
from .sight import seed_slot

#: Fields that cloud-init reads from a drive of their own.
_SEEDED = ("cloudinit",)
#: The same as options, by the key without its number; the last is set by the option native.
TOLD_TO_GUESTS = frozenset({"ciuser", "sshkeys", "ipconfig", "nameserver", "searchdomain", "cicustom"})


def configure(driver, vm, changes):
    """Make the changes; those that the running machine does not take wait for its next start."""
    by_field = {change.field: change for change in changes}
    if "node" in by_field:
        _migrate(driver, vm, by_field["node"].new, by_field.get("iso"))
    sight = driver.eyes.sight(vm.id)
    if sight.stored.get("protection") == "1" and any(change.path == "protection" for change in changes):
        # Nothing is removed of a machine that is protected, so this goes before all else.
        driver.tool.put(f"{sight.path}/config", protection=0, digest=sight.digest)
        sight = driver.eyes.sight(vm.id)
    changes = [media.stored(driver, sight.node, change) for change in changes]
    storage = placing.storage_for(driver, sight.node, vm.name) if needs_storage(changes, sight) else ""
    _write(driver, vm, sight, writing_of(changes, sight.stored, storage))
    if "pool" in by_field:
        move_to_pool(driver, sight, by_field["pool"].new)
    if "template" in by_field and sight.stored.get("template") != "1":
        driver.tool.run("POST", f"{sight.path}/template")


def needs_storage(changes, sight):
    """Whether something new is to be made on a storage."""
    return any(map(_makes_volume, changes)) or _needs_seed(changes, sight.stored)


def _makes_volume(change):
    if change.kind == "disks.add":
        return not change.new.get("source")
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
    for slot, size in writing.grown.items():
        driver.tool.run("PUT", f"{sight.path}/resize", disk=slot, size=f"{size // 1024}K")


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
    if vm.power in (RUNNING, PAUSED) and any(values.stem(key) in TOLD_TO_GUESTS for key in (*asked, *writing.gone)):
        _renew_seed(driver, sight)


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
    running = driver.eyes.is_running(sight)
    driver.tool.run(
        "POST",
        f"{sight.path}/migrate",
        target=target,
        online=running or None,
        **{"with-local-disks": running or None},
    )
    driver.eyes.moved(vm.id, target)


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
