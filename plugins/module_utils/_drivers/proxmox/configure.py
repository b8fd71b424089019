# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: changing a VM. One call sets all options; it fails if somebody else changes them at the same time.

A step may be sent twice, so changes that are already made are not made again.
"""

from __future__ import annotations

from contextlib import contextmanager

from ..._core.errors import ApiError, Stale
from ..._core.frozen import replace
from ..._core.model import PAUSED, RUNNING
from ..._ports import change_counter
from ..._tools import proxmox_values as values
from ..._tools.proxmox import Busy, ConnectionLost, HotplugFailed
from .delete import purging
from .moving import move_disks, move_to_pool
from .own_volumes import record
from .resources import storage_for
from .settings.cloud_init import CLOUD_INIT_KEYS, SEEDED, free_seed_slot, is_for_guest, regenerate_seed, seed_slot
from .settings.disks import disks_of, storage_of
from .settings.iso import with_iso_volume
from .settings.networks import nics_of
from .settings.table import config_update

_RUN_AGAIN = "Check the VM, and run the task again."


def configure(driver, vm, step):
    change_settings(driver, vm, step.changes)


def change_settings(driver, vm, changes):
    """Make the changes. Those that the running VM does not support take effect at its next start."""
    by_field = {change.field: change for change in changes}
    vm_options = driver.read_options(vm.id)
    _check_same_devices(driver.planned_vms.get(vm.id, vm), vm_options, changes)
    if "node" in by_field:
        _migrate(driver, vm, by_field["node"].new, [one for one in changes if one.kind == "cdroms.source" and one.old])
        vm_options = driver.read_options(vm.id)
    if vm_options.stored.get("protection") == "1" and any(change.path == "protection" for change in changes):
        # The server removes no disk or TPM of a protected VM, so protection is turned off first.
        driver.tool.put(f"{vm_options.path}/config", protection=0, digest=vm_options.digest)
        vm_options = driver.read_options(vm.id)
    if move_disks(driver, vm_options, changes):
        vm_options = driver.read_options(vm.id)
    changes = [with_iso_volume(driver, vm_options.node, change) for change in changes]
    storage = storage_for(driver, vm_options.node, vm.name) if needs_storage(changes, vm_options) else ""
    completes = _may_complete_mark(driver, vm_options)
    update = update_with_seed(changes, vm_options, storage, completes)
    with _seed_put_back(driver, vm, vm_options, update):
        _write(driver, vm, vm_options, update)
        if vm.power in (RUNNING, PAUSED) and any(map(is_for_guest, changes)):
            regenerate_seed(driver, vm_options)
    if "template" in by_field and vm_options.stored.get("template") != "1":
        driver.tool.run("POST", f"{vm_options.path}/template")
    # Last: other rights apply in the new pool.
    if "pool" in by_field:
        move_to_pool(driver, vm_options, by_field["pool"].new)


@contextmanager
def _seed_put_back(driver, vm, vm_options, update):
    """If the seed for cloud-init cannot be created, the server has stored its settings: put back those before.

    After an error that may pass, the step is sent again.
    """
    written = change_counter.count()
    try:
        yield
    except (Busy, ConnectionLost):
        raise
    except ApiError:
        keys = [key for key in (*update.to_set, *update.to_remove) if _is_of_seed(update, key)]
        now, before = driver.read_options(vm.id), vm_options.stored
        old = {key: before[key] for key in keys if key in before and now.stored.get(key) != before[key]}
        added = [key for key in keys if key not in before and key in now.stored]
        if old or added:
            force = any(values.bus_of(key) for key in added) or None
            removed = ",".join(added) or None
            with purging(now, ()):  # This step has added the drive.
                driver.tool.put(f"{vm_options.path}/config", **old, delete=removed, force=force, digest=now.digest)
        if not (update.to_purge or update.to_grow or {*update.to_set, *update.to_remove} - {*keys}):
            change_counter.set_back(written)
        raise


def _is_of_seed(update, key):
    return values.stem(key) in CLOUD_INIT_KEYS or update.to_set.get(key, "").endswith(":cloudinit")


def _may_complete_mark(driver, vm_options):
    """Whether the mark is of an earlier version, and the account may write it. Other changes do not need this."""
    own = vm_options.own_mark
    if own is None or ("birth" in own and "slots" in own):
        return False
    return driver.permissions.has(f"/vms/{vm_options.vmid}", "VM.Config.Options")


def _check_same_devices(planned, vm_options, changes):
    """Raise Stale for a disk or NIC that was replaced or removed after the task was planned.

    Other options are set whatever their value is now, but a different disk in the slot must not be detached or resized.
    """
    disks, nics = disks_of(vm_options.stored), nics_of(vm_options.stored)
    moves = {change.key: change.new for change in changes if change.kind == "disks.storage"}
    for change in changes:
        if change.key in moves and storage_of(disks.get(change.key, {}).get("file", "")) == moves[change.key]:
            continue  # This task has already moved it.
        if change.kind in ("disks.remove", "disks.size", "disks.storage"):
            planned_volume = (planned.config["disks"].get(change.key) or {}).get("source")
            disk = disks.get(change.key)
            is_same = (disk is None and change.kind == "disks.remove") or (disk and disk.get("file") == planned_volume)
        else:
            is_same = change.field != "networks" or change.kind == "networks.add" or change.key in nics
            is_same = is_same or change.kind == "networks.remove"
        if not is_same:
            raise Stale(f"{planned.name}: {change.path}: somebody else changed it while this task ran.", _RUN_AGAIN)


def needs_storage(changes, vm_options):
    """Whether the changes need the default storage, because they create a volume without a storage of its own."""
    return any(map(_creates_volume, changes)) or _needs_seed(changes, vm_options.stored)


def _creates_volume(change):
    if change.kind == "disks.add":
        return not (change.new.get("source") or change.new.get("storage"))
    adds_efi_disk = change.kind == "secure_boot" and change.old is None
    if not (adds_efi_disk or (change.kind in ("tpm", "firmware") and change.new not in (False, "bios"))):
        return False
    return not (change.beside or {}).get("tpm_storage" if change.kind == "tpm" else "efi_storage")


def _needs_seed(changes, options):
    return any(map(_is_read_from_seed, changes)) and seed_slot(options) is None


def _is_read_from_seed(change):
    if change.field in SEEDED:
        return change.beside.get("state") != "absent"
    return change.path == "native.cicustom" and bool(change.new)


def update_with_seed(changes, vm_options, storage, completes_mark=False):
    """The ConfigUpdate for ``changes``, with a cloud-init drive if it is needed and missing, and with the mark.

    ``completes_mark``: a mark of an earlier version is completed.
    """
    update = config_update(changes, vm_options.stored, storage, vm_options.vmid)
    if _needs_seed(changes, vm_options.stored):
        update.to_set[free_seed_slot(update.used_slots)] = f"{storage}:cloudinit"
    if vm_options.vmid:
        record(update, completes_mark=completes_mark)
    return update


def _write(driver, vm, vm_options, update):
    if update.to_purge and update.to_remove:
        # A call either keeps the volumes of all options that it removes, or deletes them.
        purge = replace(update, to_set={}, to_remove=[], to_grow={})
        _send(driver, vm, vm_options, purge)
        vm_options, update = driver.read_options(vm.id), replace(update, to_purge=[])
    if update.to_purge or update.to_set or update.to_remove:
        _send(driver, vm, vm_options, update)
    for number, (slot, size) in enumerate(update.to_grow.items()):
        # After a write by this function the digest is outdated.
        is_outdated = number or update.to_purge or update.to_set or update.to_remove
        digest = None if is_outdated else vm_options.digest
        driver.tool.run("PUT", f"{vm_options.path}/resize", disk=slot, size=f"{size // 1024}K", digest=digest)


def _send(driver, vm, vm_options, update):
    removed, force = update.to_purge or update.to_remove, bool(update.to_purge) or None
    requested = {**update.to_set, "delete": ",".join(removed) or None, "force": force, "digest": vm_options.digest}
    # What a new VM has, this task has created.
    listed = () if driver.creations.id_of(vm.name) == vm.id else update.to_purge
    try:
        # POST starts a task: creating a disk may take longer than the timeout of a call.
        with purging(vm_options, listed):
            if update.creates_volumes:
                driver.tool.run("POST", f"{vm_options.path}/config", **requested)
            else:
                driver.tool.put(f"{vm_options.path}/config", **requested)
    except HotplugFailed as error:
        effect = "the running VM could not be changed, so the change waits for the next start"
        driver.tool.warn(f"{vm.name}: {effect}: {error.message}.")


def _migrate(driver, vm, target, inserted):
    """Migrate the VM to the node ``target``; ``inserted`` are the changes that replace ISO images.

    The current images are removed first, because the target may not have their storage.
    """
    vm_options = driver.read_options(vm.id)
    if vm_options.node == target:
        return
    if inserted:
        ejected = [replace(change, new="") for change in inserted]
        _write(driver, vm, vm_options, config_update(ejected, vm_options.stored, storage=""))
    if driver.requested_migrations.get(vm.id) == target:
        raise _moved_by_cluster(vm, target)
    running = driver.is_running(vm_options)
    task_type = driver.tool.run(
        "POST",
        f"{vm_options.path}/migrate",
        target=target,
        online=running or None,
        **{"with-local-disks": running or None},
    )
    if task_type == "hamigrate":
        # This task only records the request; high availability migrates the VM later.
        driver.requested_migrations[vm.id] = target
        raise _moved_by_cluster(vm, target)
    driver.set_node(vm.id, target)


def _moved_by_cluster(vm, target):
    return Busy(f"{vm.name}: the cluster's high availability moves it to node '{target}'.", None)
