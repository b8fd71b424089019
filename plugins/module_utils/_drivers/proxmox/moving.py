# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: moving a VM to another node, storage or pool, and the checks that it can be moved.

Without these checks, the server would report such errors half-way, in the log of its task.
"""

from __future__ import annotations

from ..._core.errors import NotFound, Refused
from ..._core.options.identity import listed
from ..._core.planner.drives import first_drive
from ..._tools import proxmox_values as values
from .claims import linked_clones, storages_of
from .privileges import AUDIT, ExistingVmPrivileges
from .settings.cloud_init import seed_slot
from .settings.disks import disks_of, storage_of, volumes_of
from .settings.firmware import STATE_STORAGES
from .settings.hardware import cpus_of
from .settings.iso import iso_volumes_of, read_cdroms
from .snapshots import options_in, snapshots_of

#: The first version in which one call moves a VM from pool to pool. In two calls, the first takes the rights that an
#: account has by the former pool (recorded: pools_move).
_MOVES_BETWEEN_POOLS = (8, 1)
_SHARED = "Move the disk to a shared storage first (disks[].storage)"


def check_move(driver, label, before, changes):
    """Raise Refused for devices, ISO images and disks that cannot be moved to the node that the changes set.

    The image of a drive that gets another one in the same task need not move.
    """
    vm_options, node = before.vm_options, before.node_after(changes)
    if node == before.node:
        return
    inserted = {change.key for change in changes if change.kind == "cdroms.source"}
    driver.resources.check_node(label, node)
    if before.is_on:
        driver.resources.check_cpus(label, node, cpus_of(vm_options.running))
    driver.permissions.check(label, f"/vms/{vm_options.vmid}", "VM.Migrate")
    if vm_options.vmid and (
        devices := driver.tool.get(f"{vm_options.path}/migrate", target=node).get("local_resources")
    ):
        raise Refused(
            f"{label}: it cannot move to node '{node}': it uses devices of its node: {', '.join(devices)}.",
            "Remove them first, or use mapped devices.",
        )
    slot = first_drive(read_cdroms(vm_options.stored))
    for key, volume in iso_volumes_of(vm_options.stored).items():
        if driver.resources.is_local(volume) and key not in inserted:
            raise Refused(
                f"{label}: it cannot move to node '{node}': {volume} in {key} is on a storage that is not shared.",
                'Remove it in the same task: iso: "".' if key == slot else "Remove it from that drive first.",
            )
    _check_disks(driver, label, before, node)


def _check_disks(driver, label, before, node):
    """Raise Refused for local disks that cannot move.

    They move to a storage of the same name. Linked clones and some disks with snapshots cannot move.
    """
    vm_options, storages = before.vm_options, driver.resources.storages(node, "images")
    # A suspended VM is started before it is migrated, which removes the volume with its memory.
    volumes = {key: volume for key, volume in volumes_of(vm_options.stored).items() if key != "vmstate"}
    local = {key: volume for key, volume in volumes.items() if driver.resources.is_local(volume)}
    for key, volume in local.items():
        storage, base = volume.partition(":")[0], values.base_of(volume)
        if storage not in storages:
            raise Refused(
                f"{label}: it cannot move to node '{node}', which has no storage '{storage}' for {key}.",
                "Move that disk to another storage first (web interface: Move Storage).",
            )
        if base:
            raise Refused(
                f"{label}: it cannot move to node '{node}': {key} is a linked clone of {base}, which does not move.",
                f"{_SHARED}, which makes it a full copy.",
            )
    if not before.vmid:
        return
    local.pop(seed_slot(vm_options.stored), None)  # The cloud-init drive is created again on the other node.
    _check_users(driver, label, vm_options, node, set(local.values()))
    _check_snapshots(driver, label, before, node, local)


def _check_users(driver, label, vm_options, node, local):
    if vm_options.stored.get("template") != "1":
        return
    users = {}
    for volume, vmid, _clone in linked_clones(driver.tool, vm_options.node, storages_of(local)):
        users.setdefault(volume, set()).add(driver.label_of(vmid))
    for volume in sorted(users.keys() & local):
        raise Refused(
            f"{label}: it cannot move to node '{node}': linked clones use {volume}: {listed(sorted(users[volume]))}.",
            "Delete the clones first, or move the template to a shared storage.",
        )


def _check_snapshots(driver, label, before, node, local):
    """Raise Refused for local disks with snapshots that cannot move.

    Such a disk can move only while the VM is off, and only if its snapshots are copied with it.
    """
    if not local:
        return
    for snapshot in snapshots_of(driver.tool, before.vm_options):
        drives = disks_of(options_in(driver.tool, before.vm_options, snapshot.name)).values()
        in_snapshot = {drive["file"] for drive in drives}
        key = next(
            (key for key, volume in local.items() if volume in in_snapshot and not _can_move(driver, before, volume)),
            None,
        )
        if key:
            state = " while the VM runs" if before.is_on else ""
            raise Refused(
                f"{label}: it cannot move to node '{node}'{state}: {key} is on storage"
                f" '{local[key].partition(':')[0]}', which is not shared, and snapshot '{snapshot.name}' holds it.",
                "Delete the snapshots first" + (", or stop the VM." if _copies_snapshots(driver, local[key]) else "."),
            )


def _can_move(driver, before, volume):
    return not before.is_on and _copies_snapshots(driver, volume)


def _copies_snapshots(driver, volume):
    """Whether the server copies the snapshots of a volume if the VM is off; True if its storage is not visible."""
    storage_type = driver.resources.type_of(volume.partition(":")[0])
    is_btrfs_file = storage_type == "btrfs" and volume.endswith(".raw")
    return storage_type in ("zfspool", None) or is_btrfs_file or values.format_of(volume) == "qcow2"


def _movable(options):
    """{option: volume, or path on the node} of the disks, the EFI disk and the state of the TPM."""
    return {**volumes_of(options), **{slot: drive["file"] for slot, drive in disks_of(options).items()}}


def moved_volume(change):
    """The option of a volume that a change moves to another storage; None if it moves none."""
    if change.kind == "disks.storage":
        return change.key
    return STATE_STORAGES.get(change.kind) if change.old is not None else None


def check_moving_disk(driver, label, before, node, change):
    """Check the move of a disk to another storage. Raises Refused if the disk is in a snapshot."""
    driver.resources.choose_storage(label, node, "images", change.new)
    driver.permissions.check(label, f"/storage/{change.new}", "Datastore.AllocateSpace")
    volume = _movable(before.vm_options.stored).get(moved_volume(change), "")
    if not before.vmid:
        return
    ExistingVmPrivileges(driver, before.vmid).check(label, "VM.Config.Disk")
    about = f"{label}: {change.path}: the disk cannot be moved"
    _check_not_in_snapshots(driver, before, {volume}, about, "remove the option")


def _check_not_in_snapshots(driver, before, wanted, about, otherwise):
    """Raise Refused if a snapshot holds one of the volumes ``wanted``."""
    for snapshot in snapshots_of(driver.tool, before.vm_options):
        held = wanted & set(volumes_of(options_in(driver.tool, before.vm_options, snapshot.name)).values())
        if held:
            raise Refused(
                f"{about}: snapshot '{snapshot.name}' holds {min(held)}.",
                f"Delete the snapshots first, or {otherwise}.",
            )


def check_deleting_unused(driver, label, before, changes):
    """Check that unused disks can be deleted: no snapshot and no linked clone needs them.

    A disk that the same task detaches becomes unused only later, so what is deleted could not be shown before.
    """
    removed = next((change.path for change in changes if change.kind == "disks.remove"), None)
    if driver.deletes_unused and removed:
        raise Refused(
            f"{label}: unused_disks: {removed} is detached by the same task, so it is not unused yet.",
            "Set unused_disks in a task after this one.",
        )
    gone = {volume for change in changes if change.kind == "unused_disks" for volume in {*change.old} - {*change.new}}
    if not gone:
        return
    for storage in sorted(filter(None, map(storage_of, gone))):
        driver.permissions.check(label, f"/storage/{storage}", "Datastore.AllocateSpace")
    about = f"{label}: unused_disks: it cannot be deleted"
    _check_not_in_snapshots(driver, before, gone, about, "keep it (unused_disks: keep)")


def move_disks(driver, vm_options, changes):
    """Move disks to other storages. Returns whether any disk was moved."""
    volumes = _movable(vm_options.stored)
    moves = [change for change in changes if moved_volume(change) in volumes]
    moves = [change for change in moves if storage_of(volumes[moved_volume(change)]) != change.new]
    for change in moves:
        requested = {"disk": moved_volume(change), "storage": change.new, "delete": True}
        # After the first move the digest is outdated.
        digest = vm_options.digest if change is moves[0] else None
        driver.tool.run("POST", f"{vm_options.path}/move_disk", **requested, digest=digest)
    return bool(moves)


def move_to_pool(driver, vm_options, pool):
    """Move the VM from its current pool into ``pool``; empty: only remove it from its pool."""
    # A call with a lost connection may have been carried out, so the last observation may be outdated.
    current = driver.current_pool(vm_options.vmid)
    if current == pool:
        return
    moves = driver.release() >= _MOVES_BETWEEN_POOLS
    if current and not (pool and moves):
        _change_pool(driver, current, vms=vm_options.vmid, delete=True)
    if pool:
        _change_pool(driver, pool, vms=vm_options.vmid, **{"allow-move": moves or None})


def _change_pool(driver, pool, **parameters):
    # PUT /pools/ID exists in all versions. A nested pool (8.1 and later) can be changed only by PUT /pools.
    is_new = driver.release() >= _MOVES_BETWEEN_POOLS
    driver.tool.put("/pools" if is_new else f"/pools/{pool}", poolid=pool if is_new else None, **parameters)


def check_pool_change(driver, label, vmid, pools):
    """Check the rights before a VM leaves its pool for another one, and those that remain after it."""
    permissions = driver.permissions
    permissions.check(label, f"/vms/{vmid}", "VM.Allocate", "Permissions.Modify")
    for pool in filter(None, pools):
        permissions.check(label, f"/pool/{pool}", "Pool.Allocate")
    permissions.check_after(label, *pools, AUDIT)
    if all(pools) and driver.release() < _MOVES_BETWEEN_POOLS:
        permissions.check_after(label, pools[0], "", "VM.Allocate")


def check_pool(driver, label, pool):
    if not pool:
        return
    known = sorted(entry["poolid"] for entry in driver.tool.get("/pools"))
    if pool not in known:
        driver.permissions.check(label, f"/pool/{pool}", "Pool.Audit", is_visible=False)
        raise NotFound(f"{label}: there is no pool '{pool}'.", f"Its pools: {', '.join(known) or 'none'}.")
