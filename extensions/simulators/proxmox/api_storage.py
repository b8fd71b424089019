# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and their content."""

from __future__ import annotations

import hashlib
import re

from . import privileges, schema
from .errors import ApiError, ParameterError
from .storage import GIB, KIB, MIB, Volume

_MAY_SEE = ["Datastore.Audit", "Datastore.AllocateSpace"]


def configured(call):
    world = call.world
    return [
        _described(storage)
        for storage in world.storages.by_id.values()
        if call.get("type") in (None, storage.type)
        and world.access.may(call.user, f"/storage/{storage.id}", _MAY_SEE, True)
    ]


def read_configured(call):
    return _described(call.world.storages.get(call.get("storage")))


#: {type: where its volumes are}
_PLACES = {
    "lvmthin": {"vgname": "pve", "thinpool": "data"},
    "lvm": {"vgname": "pve"},
    "zfspool": {"pool": "rpool/data"},
    "pbs": {"server": "192.0.2.9", "datastore": "backups"},
}


def _described(storage):
    """The entry of the configuration file, which has flags only if they are set."""
    text = repr((storage.type, storage.content, storage.shared, storage.nodes, storage.disabled, storage.prune))
    found = {
        "storage": storage.id,
        "type": storage.type,
        "content": ",".join(sorted(storage.content)),
        "digest": hashlib.sha1(text.encode()).hexdigest(),
        **_PLACES.get(storage.type, {"path": storage.path}),
    }
    if storage.nodes is not None:
        found["nodes"] = ",".join(sorted(storage.nodes))
    if storage.prune:
        found["prune-backups"] = storage.prune
    flags = {"shared": storage.shared, "disable": storage.disabled}
    return found | {name: 1 for name, is_set in flags.items() if is_set}


def on_node(call):
    """Those that are off are left out of a list by content (storage_info in Storage.pm)."""
    world, wanted = call.world, call.get("content")
    if "storage" in call.params:
        _existing(call)
    return [
        {"storage": storage.id, **_with_fraction(status_of(call.world, storage, call.node))}
        for storage in world.storages.by_id.values()
        if call.get("storage") in (None, storage.id)
        and (wanted is None or storage.content & set(schema.split_list(wanted)))
        and (_is_enabled(storage, call.node) or not (wanted or call.flag("enabled")))
        and world.access.may(call.user, f"/storage/{storage.id}", _MAY_SEE, True)
    ]


def _with_fraction(status):
    return status | ({"used_fraction": status["used"] / status["total"]} if status["total"] else {})


def _existing(call):
    if call.get("storage") not in call.world.storages.by_id:
        raise ParameterError(storage="No such storage.")
    return call.world.storages.get(call.get("storage"))


def status(call):
    return status_of(call.world, _existing(call), call.node)


def used_on(world, storage, node):
    full = storage.id in world.faults.full_storages
    return storage.total if full else sum(volume.size for volume in storage.on(node).values())


def status_of(world, storage, node):
    used = used_on(world, storage, node)
    found = {
        "type": storage.type,
        "content": ",".join(sorted(storage.content)),
        "shared": int(storage.shared),
        "enabled": int(_is_enabled(storage, node)),
        "active": int(_is_enabled(storage, node)),
    }
    if not _is_enabled(storage, node):
        return found | {"total": 0, "used": 0, "avail": 0}
    return found | {"total": storage.total, "used": used, "avail": storage.total - used}


def _is_enabled(storage, node):
    return storage.is_on(node) and not storage.disabled


def content(call):
    storage = call.world.storages.usable(call.get("storage"), call.node)
    kind, vmid = call.get("content"), call.number("vmid")
    return [
        _entry(storage, name, volume)
        for name, volume in sorted(storage.on(call.node).items())
        if kind in (None, volume.content)
        and (vmid in (None, volume.vmid) or volume.content in ("import", "snippets"))
        # Being the owner of a volume is no right to see it (API2/Storage/Content.pm).
        and privileges.may_access(call, f"{storage.id}:{name}")
    ]


def _entry(storage, name, volume):
    found = {
        "volid": f"{storage.id}:{name}",
        "format": "iso" if volume.content == "iso" else volume.format,
        "size": volume.size if volume.file_size is None else volume.file_size,
        "ctime": volume.created,
        "content": volume.content,
    }
    if storage.has_files and volume.content == "images":
        found["used"] = volume.size
    return found | ({"vmid": volume.vmid} if volume.vmid else {}) | _parent(storage, volume) | _of_backup(volume)


def _of_backup(volume):
    """Only the first line of the notes is listed (vzdump_stopped)."""
    if volume.content != "backup":
        return {}
    found = {"subtype": "qemu"} | ({"protected": 1} if volume.protected else {})
    if volume.verification:
        found["verification"] = {"state": volume.verification, "upid": ""}
    return found | ({"notes": volume.notes.split("\n")[0]} if volume.notes else {})


def _parent(storage, volume):
    """The base of a linked clone: the name in its image file, or the origin of a ZFS volume (ASSUMED)."""
    if storage.has_files and volume.content == "images":
        return {"parent": f"../{volume.base}" if volume.base else None}
    return {"parent": f"{volume.base}@__base__"} if volume.base and storage.needs_bases else {}


def create(call):
    """Allocate a volume with a given name."""
    storages, name, vmid = call.world.storages, call.get("filename"), call.vmid
    storage = storages.usable(call.get("storage"), call.node)
    number, unit = re.fullmatch(r"(\d+)([MG]?)", call.get("size")).groups()
    ending = re.search(r"\.(raw|qcow2|vmdk|subvol)$", name)
    format_ = ending.group(1) if ending else call.get("format", "raw")
    if ending and call.get("format", format_) != format_:
        raise ParameterError(format=f"different storage formats ({call.get('format')} != {format_})")
    if storage.has_files:
        name = f"{vmid}/{name}"
    elif not name.startswith(f"vm-{vmid}-"):
        raise ApiError(f"illegal name '{name}' - should be 'vm-{vmid}-*'")
    volid = f"{storage.id}:{name}"
    storages.parsed(volid)
    storage.check_format(format_)
    storage.check_free(call.node, name)
    size = storage.rounded(int(number) * {"": KIB, "M": MIB, "G": GIB}[unit])
    storage.volumes[storage.key(call.node, name)] = Volume(size, format_, vmid=vmid)
    call.world.effect(vmid, f"ALLOC {volid} {size // KIB}K fmt={format_}")
    return volid


def _volid(call):
    """The volume id, which may be given with or without its storage."""
    name = call.get("volume")
    return name if ":" in name else f"{call.get('storage')}:{name}"


def info(call):
    volid = _volid(call)
    storage = call.world.storages.usable(volid.partition(":")[0], call.node)
    privileges.check_volume(call, volid)
    volume, name = call.world.storages.volume(volid, call.node), volid.partition(":")[2]
    if volume is None and storage.has_files:
        raise ApiError(f"volume_size_info on '{volid}' failed - no format")
    if volume is None:
        raise ApiError(f"can't get size of '/dev/pve/{name}':   Failed to find logical volume")
    # The file of a backup is taken for an image without a format.
    format_ = "raw" if volume.content == "backup" and storage.has_files else volume.format
    found = {"format": format_, "size": volume.size, "used": volume.size, "path": storage.path_of(name)}
    if volume.content != "backup":
        return found
    return found | {"notes": volume.notes, "protected": int(volume.protected)}


def delete(call):
    """Volumes that do not exist are removed, too."""
    world, volid = call.world, _volid(call)
    storage = world.storages.usable(volid.partition(":")[0], call.node)
    kind, owner = world.storages.parsed(volid)
    found = world.storages.volume(volid, call.node)
    if kind == "backup" and owner is not None:
        privileges.check_space(call, storage.id)
        world.access.require(call.user, f"/vms/{owner}", ["VM.Backup"])
    else:
        world.access.require(call.user, f"/storage/{storage.id}", ["Datastore.Allocate"])

    def work(task):
        yield 0.1
        if found is not None and found.protected:
            raise ApiError(f"cannot remove protected volume '{volid}' on '{storage.id}'")
        if storage.has_files and world.storages.volume(volid, call.node) is None:
            task.say(f"disk image '{storage.path_of(volid.partition(':')[2])}' does not exist")
        world.storages.free(volid, call.node)
        task.say(f"Removed volume '{volid}'")

    return call.task("imgdel", work, f"{owner}@{storage.id}" if owner else storage.id)
