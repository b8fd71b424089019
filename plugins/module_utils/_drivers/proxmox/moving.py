# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moves to another node, storage or pool, and what keeps a VM from being moved.

The server notices the latter half-way, and reports it in the log of its task.
"""

from __future__ import annotations

from ..._lifecycle.errors import NotFound, Refused
from ..._tools import proxmox_values as values
from .file_users import files_of
from .privileges import ExistingVm
from .settings.cloud_init import seed_slot
from .settings.disks import disks_of, iso_slot, media_of, storage_of, volumes_of
from .snapshots import options_in, snapshots_of

_SHARED = "Move the disk to a shared storage first (disks[].storage)"


def check_move(driver, label, basis, node, changes_medium):
    """Raise Refused for devices, media and disks that cannot be moved to ``node``."""
    vm_options = basis.vm_options
    driver.places.check_node(label, node)
    driver.observer.rights.check(label, f"/vms/{vm_options.vmid}", "VM.Migrate")
    if vm_options.vmid and (
        devices := driver.tool.get(f"{vm_options.path}/migrate", target=node).get("local_resources")
    ):
        raise Refused(
            f"{label}: it cannot move to node '{node}': it uses devices of its node: {', '.join(devices)}.",
            "Remove them first, or use mapped devices.",
        )
    slot = iso_slot(vm_options.stored)
    for key, medium in media_of(vm_options.stored).items():
        if driver.places.is_local(medium) and not (changes_medium and key == slot):
            raise Refused(
                f"{label}: it cannot move to node '{node}': {medium} in {key} is on a storage that is not shared.",
                'Remove it in the same task: iso: "".' if key == slot else "Remove it from that drive first.",
            )
    _check_disks(driver, label, basis, node)


def _check_disks(driver, label, basis, node):
    """Local disks go to a storage of the same name, without snapshots and linked clones."""
    vm_options, there = basis.vm_options, driver.places.storages(node, "images")
    # A suspended VM is started first, which removes the volume of its memory.
    volumes = {key: volume for key, volume in volumes_of(vm_options.stored).items() if key != "vmstate"}
    local = {key: volume for key, volume in volumes.items() if driver.places.is_local(volume)}
    for key, volume in local.items():
        storage, base = volume.partition(":")[0], values.base_of(volume)
        if storage not in there:
            raise Refused(
                f"{label}: it cannot move to node '{node}', which has no storage '{storage}' for {key}.",
                "Move that disk to another storage first (web interface: Move Storage).",
            )
        if base:
            raise Refused(
                f"{label}: it cannot move to node '{node}': {key} is a linked clone of {base}, which does not move.",
                f"{_SHARED}, which makes it a full copy.",
            )
    if not basis.vmid:
        return
    local.pop(seed_slot(vm_options.stored), None)  # The drive of cloud-init is created again.
    _check_users(driver, label, vm_options, node, set(local.values()))
    _check_snapshots(driver, label, basis, node, local)


def _check_users(driver, label, vm_options, node, local):
    if vm_options.stored.get("template") != "1":
        return
    for file in files_of(driver.tool, vm_options, {}):
        if file.used_by and file.path in local:
            raise Refused(
                f"{label}: it cannot move to node '{node}': linked clones use {file.path}: {', '.join(file.used_by)}.",
                "Delete the clones first, or move the template to a shared storage.",
            )


def _check_snapshots(driver, label, basis, node, local):
    """A disk with snapshots cannot move while the VM runs; while it is off, it can if snapshots are copied with it."""
    if not local:
        return
    for snapshot in snapshots_of(driver.tool, basis.vm_options):
        held = {drive["file"] for drive in disks_of(options_in(driver.tool, basis.vm_options, snapshot.name)).values()}
        key = next((key for key, volume in local.items() if volume in held and not _moves(driver, basis, volume)), None)
        if key:
            state = " while the VM runs" if basis.is_on else ""
            raise Refused(
                f"{label}: it cannot move to node '{node}'{state}: {key} is on storage"
                f" '{local[key].partition(':')[0]}', which is not shared, and snapshot '{snapshot.name}' holds it.",
                "Delete the snapshots first" + (", or stop the VM." if _copies_snapshots(driver, local[key]) else "."),
            )


def _moves(driver, basis, volume):
    return not basis.is_on and _copies_snapshots(driver, volume)


def _copies_snapshots(driver, volume):
    """Whether snapshots are copied while the VM is off; True if the storage is not visible."""
    kind = driver.places.kind_of(volume.partition(":")[0])
    is_btrfs_file = kind == "btrfs" and volume.endswith(".raw")
    return kind in ("zfspool", None) or is_btrfs_file or values.format_of(volume) == "qcow2"


def check_moving_disk(driver, label, basis, node, change):
    """A disk with snapshots cannot move to another storage."""
    driver.places.choose_storage(label, node, "images", change.new)
    driver.observer.rights.check(label, f"/storage/{change.new}", "Datastore.AllocateSpace")
    volume = disks_of(basis.vm_options.stored).get(change.key, {}).get("file", "")
    if not basis.vmid:
        return
    ExistingVm(driver, basis.vmid).check(label, "VM.Config.Disk")
    for snapshot in snapshots_of(driver.tool, basis.vm_options):
        held = disks_of(options_in(driver.tool, basis.vm_options, snapshot.name)).values()
        if any(drive["file"] == volume for drive in held):
            raise Refused(
                f"{label}: disks.{change.key}.storage: the disk cannot be moved: snapshot '{snapshot.name}' holds it.",
                "Delete the snapshots first, or remove the option.",
            )


def move_disks(driver, vm_options, changes):
    """Move disks to other storages; whether any was moved."""
    disks = disks_of(vm_options.stored)
    moves = [change for change in changes if change.kind == "disks.storage" and change.key in disks]
    moves = [change for change in moves if storage_of(disks[change.key]["file"]) != change.new]
    for change in moves:
        driver.tool.run("POST", f"{vm_options.path}/move_disk", disk=change.key, storage=change.new, delete=True)
    return bool(moves)


def move_to_pool(driver, vm_options, pool):
    """Into a pool, out of the one it is in; empty: into none."""
    # A call that broke off may have been carried out, so the last observation is not enough.
    present = driver.observer.pool_now(vm_options.vmid)
    if present == pool:
        return
    if present:
        _change_pool(driver, present, vms=vm_options.vmid, delete=True)
    if pool:
        _change_pool(driver, pool, vms=vm_options.vmid)


def _change_pool(driver, pool, **parameters):
    # All versions have this way; only 8.1 and later have pools in pools, which have the other one alone.
    if "/" in pool:
        driver.tool.put("/pools", poolid=pool, **parameters)
    else:
        driver.tool.put(f"/pools/{pool}", **parameters)


def check_pool_change(driver, label, vmid, pools):
    rights = driver.observer.rights
    rights.check(label, f"/vms/{vmid}", "VM.Allocate")
    for pool in filter(None, pools):
        rights.check(label, f"/pool/{pool}", "Pool.Allocate")


def check_pool(driver, label, pool):
    if not pool:
        return
    known = sorted(one["poolid"] for one in driver.tool.get("/pools"))
    if pool not in known:
        raise NotFound(f"{label}: there is no pool '{pool}'.", f"Its pools: {', '.join(known) or 'none'}.")
