# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint POST /nodes/{node}/qemu/{vmid}/clone."""

from __future__ import annotations

from dataclasses import dataclass

from . import drives, option_rights, privileges, propertystring, vm_read
from .cluster import Machine
from .config import Config
from .errors import ApiError
from .storage import size_text
from .world import check_lock, missing, not_found

_NOT_COPIED = ("template", "parent", "lock", "snaptime", "vmstate", "runningmachine", "runningcpu")


@dataclass
class _Copy:
    """One volume that is copied or becomes the base of an overlay."""

    key: str
    drive: dict
    linked: bool


@dataclass
class _Source:
    """The source of a clone: the present state of a VM, or one of its snapshots."""

    machine: Machine
    options: dict
    copies: list


def clone(call):
    machine = call.machine_or_none()
    if machine is None:
        raise not_found(call)
    _found(call, machine)
    return call.task("qmclone", lambda task: _locked(call, machine, _work(call, task, machine)))


def _found(call, machine):
    """The _Source, after all checks. Like the real server, call it before the task and again in the task."""
    check_lock(machine.config)
    privileges.check_pool(call, call.get("pool"))
    if not call.world.cluster.has_quorum():
        raise ApiError("cluster not ready - no quorum?")
    options = _source(call, machine)
    full = call.flag("full") if "full" in call.params else options.get("template") != "1"
    if full and machine.running and not call.get("snapname") and "tpmstate0" in options:
        raise ApiError("cannot clone TPM state while VM is running")
    copies = _copies(call, machine, options, full)
    _check_target(call, machine, copies, full)
    option_rights.check_copied(call, options)
    taken = call.world.cluster.taken_by(call.number("newid"))
    if taken and taken[1] == call.node:
        raise ApiError(f"unable to create VM {call.number('newid')}: config file already exists")
    return _Source(machine, options, copies)


def _source(call, machine):
    config = machine.config
    name = call.get("snapname")
    options = vm_read.snapshot_of(config, name) if name else config.next_start()
    return {key: value for key, value in options.items() if not drives.is_unused(key)}


def _copies(call, machine, options, full):
    if not full:
        for parameter in ("storage", "format"):
            if parameter in call.params:
                raise ApiError(f"parameter '{parameter}' not allowed for linked clones")
    storages = call.world.storages
    copies = []
    for key, drive in drives.of(call.world.schema, options):
        volid = drives.volume_of(drive)
        if volid is None or (drives.is_cdrom(drive) and not drives.is_cloudinit(drive)):
            continue
        # TPM state and cloud-init drive are always copied.
        linked = not full and key != "tpmstate0" and not drives.is_cloudinit(drive)
        storage_id, _colon, name = volid.partition(":")
        storage = storages.get(storage_id)
        if linked and not storage.can_link(name, call.get("snapname")):
            raise ApiError(f"Linked clone feature is not supported for '{volid}' ({key})")
        copies.append(_Copy(key, drive, linked))
    return sorted(copies, key=lambda copy: copy.key)


def _check_target(call, machine, copies, full):
    storages, target, storage_id = call.world.storages, call.get("target"), call.get("storage")
    for copy in copies:
        if not drives.is_cdrom(copy.drive):
            privileges.check_space(call, storage_id or copy.drive["file"].partition(":")[0])
    if storage_id:
        storages.usable(storage_id, machine.node)
        storages.usable(storage_id, target or machine.node)
        storages.for_images(storage_id)
        if target not in (None, machine.node) and not storages.get(storage_id).shared:
            raise ApiError(f"can't clone to non-shared storage '{storage_id}'")
    if not target or target == machine.node:
        return
    if target not in call.world.cluster.nodes:
        raise ApiError(f"no such cluster node '{target}'")
    if any(not storages.is_shared(copy.drive["file"]) for copy in copies):
        raise ApiError(f"can't clone VM to node '{target}' (VM uses local storage)")


#: The configuration until the first drive is copied, without name and description.
_TEMPORARY = "# qmclone temporary file\nlock: clone\n"


def _locked(call, machine, work):
    """Run ``work`` with the lock files of the source (exclusive if it runs, else shared) and of the new VM."""
    file, seconds = call.world.flock(machine.vmid), call.world.timing.flock_clone
    hold = file.holding if machine.running else file.sharing
    return hold(call.world.flock(call.number("newid")).holding(work, seconds), seconds)


def _work(call, task, machine):
    world, newid = call.world, call.number("newid")
    source = _found(call, machine)
    task.say(f"creating a clone of VM {call.vmid} with ID {newid}")
    if world.cluster.taken_by(newid):
        # The text is ASSUMED. It is recorded that the task fails, not the call.
        path = f"/etc/pve/nodes/{call.node}/qemu-server/{newid}.conf"
        raise ApiError(f"unable to open file '{path}.tmp.{task.pid}' - File exists")
    world.cluster.machines[newid] = Machine(newid, call.node, _TEMPORARY, guest=world.new_guest())
    made = []
    try:
        yield from _copy_all(call, task, source, made)
    except ApiError as error:
        for volid in made:
            world.storages.free(volid, call.node)
        world.cluster.machines.pop(newid, None)
        raise ApiError(f"clone failed: {error}") from error


def _copy_all(call, task, source, made):
    """Copy all drives. After each, the configuration is written with its lock, including name and description."""
    world, newid = call.world, call.number("newid")
    new = _identity(call, source.options)
    for copy in source.copies:
        kind = "linked" if copy.linked else "full"
        task.say(f"create {kind} clone of drive {copy.key} ({copy.drive['file']})")
        volume = world.storages.existing(copy.drive["file"], call.node)
        volid = _allocate(call, task, copy, volume)
        made.append(volid)
        target = world.storages.existing(volid, call.node)
        target.written = volume.kept.get(call.get("snapname"), volume.written)
        yield world.timing.clone_linked if copy.linked else world.timing.copy(volume.size)
        drive = {**copy.drive, "file": volid, "size": size_text(volume.size)}
        new[copy.key] = drives.printed(world.schema, copy.key, drive)
        _write(call, {**_without_drives_to_come(new, source), "lock": "clone"})
    _write(call, new)
    world.cluster.machines[newid].node = call.get("target", call.node)
    if call.get("pool"):
        world.cluster.pools[call.get("pool")].vms.add(newid)


def _without_drives_to_come(new, source):
    return {
        key: value
        for key, value in new.items()
        if key not in {copy.key for copy in source.copies} or value != source.options[key]
    }


def _write(call, options):
    machine = call.world.cluster.machines.get(call.number("newid"))
    if machine is None:
        raise missing(call.node, call.number("newid"))
    machine.write(Config(current=dict(options)))


def _allocate(call, task, copy, source):
    world, newid = call.world, call.number("newid")
    storage_id, _colon, name = copy.drive["file"].partition(":")
    if copy.linked:
        return world.storages.allocate(storage_id, call.node, newid, source.size, "linked", base=name)
    kind = "cloudinit" if drives.is_cloudinit(copy.drive) else "disk"
    target = call.get("storage", storage_id)
    format_ = world.storages.format_of_copy(task, target, source, call.get("format"))
    stored_as = format_ if kind == "disk" else None
    return world.storages.allocate(target, call.node, newid, source.size, stored_as, kind)


def _identity(call, options):
    """The options of the copy, with new values for all that must differ from its source."""
    world = call.world
    new = {key: value for key, value in options.items() if key not in _NOT_COPIED}
    for key in [key for key in new if key.startswith("net") and key[3:].isdigit()]:
        rules = world.schema.properties_of(key)
        card = propertystring.parse(new[key], rules) | {"macaddr": world.new_mac()}
        new[key] = propertystring.printed(card, rules)
    rules = world.schema.property_format("pve-qm-smbios1")
    smbios = propertystring.parse(new.get("smbios1", ""), rules) | {"uuid": world.new_uuid()}
    new["smbios1"] = ",".join(f"{key}={value}" for key, value in sorted(smbios.items()))
    if "vmgenid" in new and new["vmgenid"] != "0":
        new["vmgenid"] = world.new_uuid()
    new["name"] = call.get("name") or f"Copy-of-VM-{options.get('name', call.vmid)}"
    if call.get("description"):
        new["description"] = call.get("description").rstrip()
    return new
