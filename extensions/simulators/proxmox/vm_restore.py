# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /nodes/{node}/qemu with an archive: create a VM from a backup, or overwrite one.

From the first second of the task to its last one, the VM has no lock, no name and the configuration below; only its
lock file is held (restore_busy). When the first disk is created, the configuration of an overwritten VM and its disks
are gone already; an error does not bring them back (restore_fails).
"""

from __future__ import annotations

from dataclasses import dataclass

from . import (
    archives,
    drives,
    option_rights,
    privileges,
    propertystring,
    vm_disks,
    vm_drives,
    vm_options,
    vm_power,
    vm_reserve,
)
from .config import Config
from .errors import ApiError, Forbidden, ParameterError
from .storage import GIB, MIB, PBS, owner_of_backup, size_text

_TEMPORARY = "memory: 128\n"
_CLOUDINIT_SIZE = 4 * MIB
_NOT_CLEANED = (
    "error before or during data restore, some or all disks were not completely restored."
    " VM {} state is NOT cleaned up."
)


@dataclass
class _Disk:
    """A disk or cloud-init drive of the backup; ``target`` is the storage of its new volume."""

    size: int
    format: str
    target: str
    written: int | None = None
    kind: str = "disk"


def restore(call, options):
    """``options`` are the parameters that override those of the backup."""
    world, pool, archive = call.world, call.get("pool"), call.get("archive")
    vm_options.check_ssh_keys(call.params)
    if not world.cluster.has_quorum():
        raise ApiError("cluster not ready - no quorum?")
    _check_right(call)
    for key in sorted(call.params):
        if drives.is_drive(key):
            raise ParameterError.of({key: "option conflicts with option 'archive'"})
    if archive == "-":
        raise ApiError("pipe requires cli environment")
    privileges.check_volume(call, archive if ":" in archive else f"/{archive}", call.vmid, kind="backup")
    volume = world.storages.existing(archive, call.node)
    option_rights.check_new(call, options, pool)
    yield from vm_reserve.reserve(call, _failed(call), replace=call.flag("force"))
    return call.task("qmrestore", lambda task: _work(call, task, volume.archive, options))


def _failed(call):
    return f"unable to restore VM {call.vmid} -"


def _check_right(call):
    """VM.Allocate on a pool is enough to overwrite any VM, also one that is in no pool (create_vm in API2/Qemu.pm)."""
    allowed = vm_reserve.may_create(call, call.get("pool"))
    overwrites = call.flag("force") and call.machine_or_none() is not None
    if not allowed and not (overwrites and call.world.access.may(call.user, f"/vms/{call.vmid}", ["VM.Backup"])):
        raise Forbidden


def _work(call, task, archive, options):
    machine, flock = call.machine(), call.world.flock(call.vmid)
    try:
        if machine.config.current.get("protection") == "1":
            raise ApiError(f"{_failed(call)} - protection mode enabled")
        if machine.running:
            raise ApiError(f"{_failed(call)} vm is running")
        yield from flock.holding(_restored(call, task, machine, archive, options), call.world.timing.flock_clone)
    except ApiError as error:
        vm_reserve.release(machine)
        task.say(_NOT_CLEANED.format(call.vmid))
        raise ApiError(str(error)) from error
    if call.flag("start"):
        task.say("Execute autostart")
        vm_power.start_task(call, machine)


def _restored(call, task, machine, archive, options):
    storage, name = call.world.storages.get(_place(call)[0]), _place(call)[1]
    if archive is None or owner_of_backup(name) is None:
        raise ApiError(f"ERROR: couldn't determine archive info from '{storage.path_of(name)}'")
    config = archives.restored_config(archive)
    if archive.empty:
        task.say("Skipping early checks!")
    option_rights.check_copied(call, {**config.current, **options})
    if call.flag("live-restore") and storage.type != PBS:
        raise ApiError("live-restore is only compatible with backup images from a Proxmox Backup Server")
    new = {}
    try:
        yield from _extracted(call, task, machine, archive, config, new)
    except ApiError as error:
        for volid in new.values():
            call.world.storages.free(volid, call.node)
            task.say(f"temporary volume '{volid}' successfully removed")
        raise ApiError(_of_tool(call, task, storage, error)) from error
    _store(call, machine, config.current, options, new)
    _rescan(call, task, machine)
    if machine.config.current.get("template") == "1":
        task.say("Convert to template.")
        vm_disks.make_base(call.world, machine)


def _place(call):
    """(storage, name) of the archive."""
    storage_id, _colon, name = call.get("archive").partition(":")
    return storage_id, name


def _of_tool(call, task, storage, error):
    """All errors of reading an archive are those of the tool that reads it."""
    text = "interrupted by signal" if str(error) == "received interrupt" else str(error)
    path, temporary = storage.path_of(_place(call)[1]), f"/var/tmp/vzdumptmp{task.pid}"
    if storage.type == PBS:
        return text
    return f"command 'set -o pipefail && vma extract -v -r {temporary}.fifo {path} {temporary}' failed: {text}"


def _extracted(call, task, machine, archive, config, new):
    """Create the volumes of the backup; ``new`` becomes {slot: volume id}."""
    if archive.empty:
        raise ApiError("got timeout reading VMA header - corrupted?")
    disks, old, timing = _disks(call, archive, config), machine.config, call.world.timing
    machine.text = _TEMPORARY
    _free_old(call, machine, old, disks)
    for slot, disk in sorted(disks.items()):
        formats = call.world.storages.get(disk.target).formats
        format_ = disk.format if disk.format in formats else formats[0]
        new[slot] = call.world.storages.allocate(disk.target, call.node, call.vmid, disk.size, format_, disk.kind)
        task.say(f"new volume ID is '{new[slot]}'")
    yield timing.create
    for slot, disk in sorted(disks.items()):
        yield timing.restore_per_gib * disk.size / GIB
        if archive.damaged:
            raise ApiError("exit code 133")
        call.world.storages.existing(new[slot], call.node).written = disk.written


def _disks(call, archive, config):
    """{slot: _Disk}. Storages must exist, keep images and be allowed to the caller. Whether they can be used shows when
    the old disks are gone (restore_new).
    """
    schema, found = call.world.schema, {}
    for slot, (size, format_, storage, written) in archive.disks.items():
        found[slot] = _Disk(size, format_, call.get("storage") or storage or "local", written)
    for slot, drive in drives.of(schema, config.current):
        if drives.is_cloudinit(drive):
            target = call.get("storage") or drive["file"].partition(":")[0]
            found[slot] = _Disk(_CLOUDINIT_SIZE, "qcow2", target, kind="cloudinit")
    for disk in found.values():
        if "images" not in call.world.storages.get(disk.target).content:
            raise ApiError(f"Content type 'images' is not available on storage '{disk.target}'")
        privileges.check_space(call, disk.target)
    return found


def _free_old(call, machine, old, disks):
    """Free the disks of the slots that the backup has, too, and what the snapshots keep. Others become unused later."""
    world = call.world
    for slot, volid in vm_drives.owned_volumes(world.schema, old.current):
        if slot in disks:
            world.storages.free(volid, machine.node)
    for name, values in old.snapshots.items():
        if "vmstate" in values:
            world.storages.free(values["vmstate"], machine.node)
        for _slot, volid in vm_drives.owned_volumes(world.schema, values):
            volume = world.storages.volume(volid, machine.node)
            if volume:
                volume.kept.pop(name, None)


def _store(call, machine, found, options, new):
    """Write the configuration. A pool is only for a VM that is in none."""
    world, cluster = call.world, call.world.cluster
    for key in [key for key in found if drives.is_drive(key)]:
        _set_drive(call, found, key, new)
    if "vmgenid" in found and found["vmgenid"] != "0":
        found["vmgenid"] = world.new_uuid()
    if call.flag("unique"):
        _make_unique(world, found)
    machine.write(Config(current=found | options))
    if call.get("pool") and cluster.pool_of(call.vmid) is None:
        cluster.pools[call.get("pool")].vms.add(call.vmid)


def _set_drive(call, found, key, new):
    world = call.world
    drive = drives.parse(world.schema, key, found[key])
    if drive.get("backup") == "0":
        # It remains as a comment, which is a part of the notes.
        found["description"] = "\n".join(filter(None, (found.get("description"), f"{key}: {found.pop(key)}")))
    elif key in new:
        drive.pop("format", None)
        size = {} if drives.is_cloudinit(drive) else {"size": size_text(_size_of(call, new[key]))}
        found[key] = drives.printed(world.schema, key, {**drive, "file": new[key], **size})


def _size_of(call, volid):
    return call.world.storages.existing(volid, call.node).size


def _rescan(call, task, machine):
    """List each volume with the number of the VM that no option names, whoever has left it on a storage, as unused."""
    storages, config = call.world.storages, machine.config
    task.say("rescan volumes...")
    used = {volid for _key, volid in vm_drives.owned_volumes(call.world.schema, config.current)}
    for volid in sorted(set(storages.owned_by(call.vmid, machine.node)) - used):
        storage = storages.get(volid.partition(":")[0])
        name = volid.rpartition("/")[2].rpartition(":")[2]
        is_scanned = not storage.disabled and storage.is_on(machine.node) and "images" in storage.content
        if not is_scanned or name.startswith(f"vm-{call.vmid}-state-"):
            continue
        if name.startswith(f"vm-{call.vmid}-cloudinit"):
            task.say(f"found unused cloudinit disk '{volid}', removing it")
            storages.free(volid, machine.node)
            continue
        key = drives.register_unused(config.current, volid)
        task.say(f"VM {call.vmid} add unreferenced volume '{volid}' as '{key}' to config")
    machine.write(config)


def _make_unique(world, found):
    for key in [key for key in found if key.startswith("net") and key[3:].isdigit()]:
        rules = world.schema.properties_of(key)
        found[key] = propertystring.printed(
            {**propertystring.parse(found[key], rules), "macaddr": world.new_mac()}, rules
        )
    if "smbios1" in found:
        rules = world.schema.property_format("pve-qm-smbios1")
        values = propertystring.parse(found["smbios1"], rules) | {"uuid": world.new_uuid()}
        found["smbios1"] = ",".join(f"{key}={value}" for key, value in sorted(values.items()))


def overrides(call):
    """The parameters that replace options of the backup."""
    return {key: vm_options.normalised(call.world, key, value) for key, value in call.options().items()
            if not drives.is_drive(key)}  # fmt: skip
