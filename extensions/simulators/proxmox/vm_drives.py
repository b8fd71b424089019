# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requested drives: their checks, and the creation of their volumes."""

from __future__ import annotations

from . import drives, privileges
from .errors import ApiError, ParameterError
from .storage import KIB, MIB, size_text

_STATE_SIZE = 4 * MIB


def parsed(schema, options):
    """[(key, drive)] sorted by key, the order in which volumes are created."""
    return [(key, drives.parse(schema, key, options[key])) for key in sorted(options) if drives.is_drive(key)]


def check_access(call, options, default=None, is_new=False):
    """All checks before a volume is created: unknown storages, privileges, disk images used as ISO images.

    For a new VM, the server does not see yet that "cdrom" is an optical drive, and takes it for a path.
    """
    for key, drive in parsed(call.world.schema, options):
        _check_form(key, drive)
        if drives.is_cdrom(drive) and drives.wanted(drive):
            # The size of an optical drive is taken for the name of a volume.
            raise ApiError(f"lvm name '{drive['file'].partition(':')[2]}' contains illegal characters")
        if "import-from" in drive:
            _check_import(call, key, drive["import-from"])
        if drive["file"] == "cdrom":
            if not is_new or "media=" in options[key]:
                call.world.access.require(call.user, "/", ["Sys.Console"])
            else:
                privileges.check_volume(call, "/cdrom")
            continue
        asked = drives.wanted(drive)
        if asked:
            _check_space(call, asked[0] or default)
        elif drive["file"] != "none" and not drive["file"].endswith(":cloudinit"):
            _check_volume(call, key, drive)


def _check_form(key, drive):
    """The form of a drive that imports an image (check_drive_param in API2/Qemu.pm)."""
    if "import-from" not in drive:
        return
    asked = drives.wanted(drive)
    if asked is None or asked[1] != 0:
        how = "'import-from' requires special syntax - use <storage ID>:0,import-from=<source>"
        raise ParameterError.of({key: how})


def _check_import(call, key, source):
    """Images may be imported that the caller could use, and disks of VMs that it may clone."""
    kind, owner = (None, None) if source.startswith("/") else call.world.storages.parsed(source)
    if kind not in (None, "images", "import"):
        raise ParameterError.of({key: f"{source} has wrong type '{kind}' - needs to be 'images' or 'import'"})
    if owner is not None:
        call.world.access.require(call.user, f"/vms/{owner}", ["VM.Clone"])
    else:
        privileges.check_volume(call, source, call.vmid)


def _check_space(call, storage_id):
    if storage_id is not None:
        privileges.check_space(call, storage_id)
        call.world.storages.for_images(storage_id)


def _check_volume(call, key, drive):
    privileges.check_volume(call, drive["file"], call.vmid)
    if drive["file"].startswith("/"):
        return
    kind = call.world.storages.parsed(drive["file"])[0]
    if kind not in ("images", "iso"):
        raise ParameterError.of({key: "content type needs to be 'images' or 'iso'"})
    if kind == "iso" and not drives.is_cdrom(drive):
        raise ParameterError.of({key: "explicit 'media=cdrom' is required for iso images"})


def check_single_cloudinit(schema, key, drive, options):
    """Check that a VM has at most one cloud-init drive."""
    if not drive["file"].endswith(":cloudinit"):
        return
    for other, found in drives.of(schema, options):
        if other != key and drives.is_cloudinit(found):
            raise ApiError(f"{key} - cloud-init drive is already attached at '{other}'")


def made(world, node, vmid, key, drive, default=None, template=False):
    """(value to store, created volume or None) of a requested drive; a template's disk becomes a base at once."""
    drive = dict(drive)
    new = None
    asked = drives.wanted(drive)
    if drive["file"].endswith(":cloudinit"):
        new = _allocate(world, node, vmid, drive, drive["file"].partition(":")[0], _STATE_SIZE, "cloudinit")
        drive["media"] = "cdrom"
    elif asked:
        storage_id = asked[0] or default
        if storage_id is None:
            raise ApiError("no storage ID specified (and no default storage)")
        size = _size(world, node, key, drive, asked[1], storage_id)
        new = _allocate(world, node, vmid, drive, storage_id, size)
        if template:
            new = drive["file"] = world.storages.make_base(new, node)
        drive["size"] = size_text(size)
    elif drive["file"].startswith("/"):
        # No simulated node has devices or files outside its storages.
        raise ApiError(f"volume {drive['file']} does not exist")
    elif drives.volume_of(drive):
        drive["size"] = size_text(world.storages.existing(drive["file"], node).size)
    return drives.printed(world.schema, key, drive), new


def _allocate(world, node, vmid, drive, storage_id, size, kind="disk"):
    source = drive.pop("import-from", None)
    if source and world.storages.get(storage_id).has_files:
        drive.setdefault("format", world.storages.existing(source, node).format)
    drive["file"] = world.storages.allocate(storage_id, node, vmid, size, drive.pop("format", None), kind)
    return drive["file"]


def _size(world, node, key, drive, asked, storage_id):
    if "import-from" in drive:
        if drive["import-from"].startswith("/"):
            # No simulated node has files outside its storages.
            raise ApiError(f"can't find file '{drive['import-from']}'")
        return world.storages.existing(drive["import-from"], node).size
    if key == "tpmstate0":
        return _STATE_SIZE
    if key == "efidisk0":
        # 528K for efitype=4m in a file is ASSUMED.
        return 528 * KIB if world.storages.get(storage_id).has_files else _STATE_SIZE
    return asked


def owned_volumes(schema, options):
    """[(key, volume)] of the volumes that a VM owns, in the server's order: disks and the cloud-init drive, no ISOs."""
    return [
        (key, drive["file"])
        for key, drive in drives.of(schema, options)
        if drives.volume_of(drive) and (not drives.is_cdrom(drive) or drives.is_cloudinit(drive))
    ]
