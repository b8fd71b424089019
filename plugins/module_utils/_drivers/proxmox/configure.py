# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing a VM: all options in one call, which fails if somebody else changes them at the same moment.

What is done already is not done again: a step may be sent twice.
"""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import Stale
from ..._lifecycle.model import PAUSED, RUNNING
from ..._tools.proxmox import Busy, HotplugFailed
from .moving import move_disks, move_to_pool
from .places import storage_for
from .settings.cloud_init import SEEDED, free_seed_slot, is_for_guest, renew_seed, seed_slot
from .settings.disks import disks_of, storage_of, with_volume
from .settings.networks import nics_of
from .settings.table import written

_AGAIN = "Check the VM, and run the task again."


def configure(driver, vm, step):
    change_settings(driver, vm, step.changes)


def change_settings(driver, vm, changes):
    """Make the changes; those that the running VM does not take wait for its next start."""
    by_field = {change.field: change for change in changes}
    vm_options = driver.observer.read_options(vm.id)
    _check_same_devices(driver.planned.get(vm.id, vm), vm_options, changes)
    if "node" in by_field:
        _migrate(driver, vm, by_field["node"].new, by_field.get("iso"))
        vm_options = driver.observer.read_options(vm.id)
    if vm_options.stored.get("protection") == "1" and any(change.path == "protection" for change in changes):
        # The server removes nothing of a protected VM, so protection is turned off first.
        driver.tool.put(f"{vm_options.path}/config", protection=0, digest=vm_options.digest)
        vm_options = driver.observer.read_options(vm.id)
    if move_disks(driver, vm_options, changes):
        vm_options = driver.observer.read_options(vm.id)
    changes = [with_volume(driver, vm_options.node, change) for change in changes]
    storage = storage_for(driver, vm_options.node, vm.name) if needs_storage(changes, vm_options) else ""
    _write(driver, vm, vm_options, writing_of(changes, vm_options, storage))
    if vm.power in (RUNNING, PAUSED) and any(map(is_for_guest, changes)):
        renew_seed(driver, vm_options)
    if "pool" in by_field:
        move_to_pool(driver, vm_options, by_field["pool"].new)
    if "template" in by_field and vm_options.stored.get("template") != "1":
        driver.tool.run("POST", f"{vm_options.path}/template")


def _check_same_devices(planned, vm_options, changes):
    """Raise Stale for a disk or NIC that was replaced or removed after the task was planned.

    Options are enforced whatever they were, but another disk in the same slot is not the one to detach or grow.
    """
    disks, nics = disks_of(vm_options.stored), nics_of(vm_options.stored)
    moves = {change.key: change.new for change in changes if change.kind == "disks.storage"}
    for change in changes:
        if change.key in moves and storage_of(disks.get(change.key, {}).get("file", "")) == moves[change.key]:
            continue  # This task has moved it.
        if change.kind in ("disks.remove", "disks.size", "disks.storage"):
            then, now = (planned.config["disks"].get(change.key) or {}).get("source"), disks.get(change.key)
            is_same = (now is None and change.kind == "disks.remove") or (now and now.get("file") == then)
        else:
            is_same = change.field != "networks" or change.kind == "networks.add" or change.key in nics
            is_same = is_same or change.kind == "networks.remove"
        if not is_same:
            raise Stale(f"{planned.name}: {change.path}: somebody else changed it while this task ran.", _AGAIN)


def needs_storage(changes, vm_options):
    """Whether a new volume is to be created on a storage."""
    return any(map(_makes_volume, changes)) or _needs_seed(changes, vm_options.stored)


def _makes_volume(change):
    if change.kind == "disks.add":
        return not (change.new.get("source") or change.new.get("storage"))
    return change.kind in ("tpm", "firmware") and change.new not in (False, "bios")


def _needs_seed(changes, options):
    return any(map(_is_for_seed, changes)) and seed_slot(options) is None


def _is_for_seed(change):
    return change.field in SEEDED or (change.path == "native.cicustom" and bool(change.new))


def writing_of(changes, vm_options, storage):
    """The Writing of ``changes``, with a drive for cloud-init if it is needed and missing."""
    writing = written(changes, vm_options.stored, storage, vm_options.vmid)
    if _needs_seed(changes, vm_options.stored):
        writing.put[free_seed_slot(writing.taken)] = f"{storage}:cloudinit"
    return writing


def _write(driver, vm, vm_options, writing):
    if writing.deleted:
        driver.tool.put(
            f"{vm_options.path}/config", delete=",".join(writing.deleted), force=True, digest=vm_options.digest
        )
        vm_options = replace(vm_options, digest=None)
    if writing.put or writing.removed:
        _send(driver, vm, vm_options, writing)
    for number, (slot, size) in enumerate(writing.grown.items()):
        # With the digest that was read only as long as this call itself has changed nothing.
        digest = None if number or writing.deleted or writing.put or writing.removed else vm_options.digest
        driver.tool.run("PUT", f"{vm_options.path}/resize", disk=slot, size=f"{size // 1024}K", digest=digest)


def _send(driver, vm, vm_options, writing):
    requested = {**writing.put, "delete": ",".join(writing.removed) or None, "digest": vm_options.digest}
    try:
        # Making a disk may take longer than a call may.
        if writing.allocates:
            driver.tool.run("POST", f"{vm_options.path}/config", **requested)
        else:
            driver.tool.put(f"{vm_options.path}/config", **requested)
    except HotplugFailed as error:
        reported = "the running VM did not take it, so it waits for the next start"
        driver.tool.warn(f"{vm.name}: {reported}: {error.message}.")


def _migrate(driver, vm, target, iso):
    """``iso`` is the change of the option iso, or None: the present image may be on a storage that the target lacks."""
    vm_options = driver.observer.read_options(vm.id)
    if vm_options.node == target:
        return
    if iso and iso.old:
        _write(driver, vm, vm_options, written([replace(iso, new="")], vm_options.stored, storage=""))
    if driver.moves_requested.get(vm.id) == target:
        raise _moved_by_cluster(vm, target)
    running = driver.observer.is_running(vm_options)
    kind = driver.tool.run(
        "POST",
        f"{vm_options.path}/migrate",
        target=target,
        online=running or None,
        **{"with-local-disks": running or None},
    )
    if kind == "hamigrate":
        # That task only records the request.
        driver.moves_requested[vm.id] = target
        raise _moved_by_cluster(vm, target)
    driver.observer.moved(vm.id, target)


def _moved_by_cluster(vm, target):
    return Busy(f"{vm.name}: the cluster's high availability moves it to node '{target}'.", None)
