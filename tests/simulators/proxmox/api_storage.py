# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages and their content: lists, uploads, downloads."""

from __future__ import annotations

import re

from .errors import ApiError, ParameterError
from .storage import MIB, Volume

_MAY_SEE = ["Datastore.Audit", "Datastore.AllocateSpace"]
_MAY_DELETE = ["Datastore.Allocate", "Datastore.AllocateTemplate"]
#: The content of a download, unless the scenario sets another.
_DOWNLOADED = 600 * MIB


def configured(call):
    world = call.world
    return [
        {"storage": storage.id, **_described(storage)}
        for storage in world.storages.by_id.values()
        if call.get("type") in (None, storage.type)
        and world.access.may(call.user, f"/storage/{storage.id}", _MAY_SEE, True)
    ]


def read_configured(call):
    return _described(call.world.storages.get(call.get("storage")))


def _described(storage):
    found = {"type": storage.type, "content": ",".join(sorted(storage.content)), "shared": int(storage.shared)}
    if storage.nodes is not None:
        found["nodes"] = ",".join(sorted(storage.nodes))
    return found | ({"disable": 1} if storage.disabled else {})


def on_node(call):
    world, wanted = call.world, call.get("content")
    return [
        {"storage": storage.id, **status_of(call.world, storage, call.node)}
        for storage in world.storages.by_id.values()
        if storage.is_on(call.node)
        and call.get("storage") in (None, storage.id)
        and (wanted is None or storage.content & set(wanted.split(",")))
        and not (call.flag("enabled") and storage.disabled)
        and world.access.may(call.user, f"/storage/{storage.id}", _MAY_SEE, True)
    ]


def status(call):
    storage = call.world.storages.usable(call.get("storage"), call.node)
    return status_of(call.world, storage, call.node)


def used_on(world, storage, node):
    full = storage.id in world.faults.full_storages
    return storage.total if full else sum(volume.size for volume in storage.on(node).values())


def status_of(world, storage, node):
    used = used_on(world, storage, node)
    return {
        "type": storage.type,
        "content": ",".join(sorted(storage.content)),
        "shared": int(storage.shared),
        "enabled": int(not storage.disabled),
        "active": int(not storage.disabled),
        "total": storage.total,
        "used": used,
        "avail": storage.total - used,
    }


def content(call):
    storage = call.world.storages.usable(call.get("storage"), call.node)
    kind, vmid = call.get("content"), call.number("vmid")
    return [
        _entry(storage, name, volume)
        for name, volume in sorted(storage.on(call.node).items())
        if kind in (None, volume.content) and vmid in (None, volume.vmid)
    ]


def _entry(storage, name, volume):
    found = {
        "volid": f"{storage.id}:{name}",
        "format": "iso" if volume.content == "iso" else volume.format,
        "size": volume.size,
        "ctime": 1_790_000_000,
        "content": volume.content,
    }
    return found | ({"vmid": volume.vmid} if volume.vmid else {}) | _parent(storage, volume)


def _parent(storage, volume):
    """The base of a linked clone: the name in its image file, or the origin of a ZFS volume (ASSUMED)."""
    if storage.has_files and volume.content == "images":
        return {"parent": f"../{volume.base}" if volume.base else None}
    return {"parent": f"{volume.base}@__base__"} if volume.base else {}


def _volid(call):
    """The volume id, which may be given with or without its storage."""
    name = call.get("volume")
    return name if ":" in name else f"{call.get('storage')}:{name}"


def info(call):
    volume = call.world.storages.existing(_volid(call), call.node)
    return {"format": volume.format, "size": volume.size, "used": volume.size, "path": f"/simulated/{_volid(call)}"}


def delete(call):
    world, volid = call.world, _volid(call)
    storage_id = volid.partition(":")[0]
    world.access.require(call.user, f"/storage/{storage_id}", _MAY_DELETE, any_of=True)
    world.storages.existing(volid, call.node)

    def work(_task):
        yield 0.1
        world.storages.free(volid, call.node)

    return call.task("imgdel", work, f"{volid.partition(':')[2].replace('/', '-')}@{storage_id}")


def upload(call):
    """Of an uploaded file only size and checksums are stored, which were calculated while it was received."""
    file = call.world.uploads.pop(call.get("tmpfilename"), None)
    if file is None:
        # The text is ASSUMED.
        raise ApiError("missing file: the part 'filename' must be the last one", 400)
    name = _checked_name(call, call.get("filename"))
    _check_sum(call, file)

    def work(_task):
        yield call.world.timing.upload
        _keep(call, name, file.size)

    return call.task("imgcopy", work, "")


def _check_sum(call, file):
    expected = call.get("checksum")
    if expected and expected.lower() != file.checksum(call.get("checksum-algorithm", "sha256")):
        raise ApiError("checksum mismatch: the file is not what was announced")


def download(call):
    name = _checked_name(call, call.get("filename"))
    storage = call.world.storages.usable(call.get("storage"), call.node)

    def work(task):
        task.say(f"downloading {call.get('url')} to {name}")
        there = storage.get(call.node, f"iso/{name}")
        if there and not call.get("checksum"):
            raise ApiError(f"refusing to override existing file '{name}'")
        yield call.world.timing.upload
        if not there:
            _keep(call, name, _DOWNLOADED)

    return call.task("download", work, name)


def _checked_name(call, filename):
    name = re.sub(r"[^a-zA-Z0-9_.-]", "_", filename)
    storage = call.world.storages.usable(call.get("storage"), call.node)
    kind = call.get("content")
    if kind not in storage.content:
        raise ParameterError(storage=f"storage '{storage.id}' does not support '{kind}' content")
    if kind == "iso" and not name.lower().endswith((".iso", ".img")):
        raise ParameterError(filename="wrong file extension")
    return name


def _keep(call, name, size):
    storage = call.world.storages.usable(call.get("storage"), call.node)
    kind = call.get("content")
    storage.volumes[storage.key(call.node, f"{kind}/{name}")] = Volume(size, "raw", kind)
    call.world.effect(None, f"STORED {storage.id}:{kind}/{name}")
