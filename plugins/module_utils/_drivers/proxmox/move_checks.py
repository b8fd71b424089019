# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a VM on its node, checked before a migration: the server finds out half-way, in the log of its task."""

from __future__ import annotations

from ..._lifecycle.errors import Refused
from ..._tools import proxmox_values as values
from .deleting import files_of
from .sight import disks_of, iso_slot, media_of, seed_slot, volumes_of
from .snapshots import options_in, snapshots_of

_SHARED = "Move the disk to a shared storage first (disks[].storage)"


def check_move(driver, label, basis, node, changes_medium):
    """Raise Refused for devices, media and disks that cannot be moved to ``node``."""
    sight = basis.sight
    driver.places.check_node(label, node)
    driver.eyes.rights.check(label, f"/vms/{sight.vmid}", "VM.Migrate")
    if sight.vmid and (devices := driver.tool.get(f"{sight.path}/migrate", target=node).get("local_resources")):
        raise Refused(
            f"{label}: it cannot move to node '{node}': it uses devices of its node: {', '.join(devices)}.",
            "Remove them first, or use mapped devices.",
        )
    slot = iso_slot(sight.stored)
    for key, medium in media_of(sight.stored).items():
        if driver.places.is_local(medium) and not (changes_medium and key == slot):
            raise Refused(
                f"{label}: it cannot move to node '{node}': {medium} in {key} is on a storage that is not shared.",
                'Take it out by the same task: iso: "".' if key == slot else "Take it out of that drive first.",
            )
    _check_disks(driver, label, basis, node)


def _check_disks(driver, label, basis, node):
    """Local disks go to a storage of the same name, without snapshots and linked clones."""
    sight, there = basis.sight, driver.places.storages(node, "images")
    # The memory of what is suspended is gone by then, for it is started first.
    volumes = {key: volume for key, volume in volumes_of(sight.stored).items() if key != "vmstate"}
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
                f"{label}: it cannot move to node '{node}': {key} is a linked clone of {base}, which stays.",
                f"{_SHARED}, which makes it a full copy.",
            )
    if not basis.vmid:
        return
    local.pop(seed_slot(sight.stored), None)  # The drive of cloud-init is created again.
    _check_users(driver, label, sight, node, set(local.values()))
    _check_snapshots(driver, label, basis, node, local)


def _check_users(driver, label, sight, node, local):
    if sight.stored.get("template") != "1":
        return
    for file in files_of(driver.tool, sight, {}):
        if file.used_by and file.path in local:
            raise Refused(
                f"{label}: it cannot move to node '{node}': linked clones use {file.path}: {', '.join(file.used_by)}.",
                "Delete the clones first, or move the template to a shared storage.",
            )


def _check_snapshots(driver, label, basis, node, local):
    """A disk with snapshots stays while the VM runs; while it is off, it goes where snapshots are part of the copy."""
    if not local:
        return
    for snapshot in snapshots_of(driver.tool, basis.sight):
        held = {drive["file"] for drive in disks_of(options_in(driver.tool, basis.sight, snapshot.name)).values()}
        key = next((key for key, volume in local.items() if volume in held and not _goes(driver, basis, volume)), None)
        if key:
            state = " while the VM runs" if basis.is_on else ""
            raise Refused(
                f"{label}: it cannot move to node '{node}'{state}: {key} is on storage"
                f" '{local[key].partition(':')[0]}', which is not shared, and snapshot '{snapshot.name}' holds it.",
                "Delete the snapshots first" + (", or stop the VM." if _goes_off(driver, local[key]) else "."),
            )


def _goes(driver, basis, volume):
    return not basis.is_on and _goes_off(driver, volume)


def _goes_off(driver, volume):
    """Whether snapshots go along while the VM is off; of a storage that is not seen nobody knows."""
    kind = driver.places.kind_of(volume.partition(":")[0])
    is_btrfs_file = kind == "btrfs" and volume.endswith(".raw")
    return kind in ("zfspool", None) or is_btrfs_file or values.format_of(volume) == "qcow2"
