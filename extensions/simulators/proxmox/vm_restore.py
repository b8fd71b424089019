# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""POST /nodes/{node}/qemu with an archive: create a VM from a backup, or overwrite one.

ASSUMED, because no restore was recorded: all of it follows the code of qemu-server 9.2.6. When the first disk is
created, the configuration of an overwritten VM and its disks are gone already; an error does not bring them back.
"""

from __future__ import annotations

from . import drives, privileges, propertystring, vm_drives, vm_options, vm_power
from .cluster import Machine
from .config import Config
from .errors import ApiError, Forbidden, ParameterError
from .storage import PBS, owner_of_backup, size_text
from .world import check_lock

_TEMPORARY = "memory: 128\nlock: create\n"
_NOT_CLEANED = (
    "error before or during data restore, some or all disks were not completely restored."
    " VM {} state is NOT cleaned up."
)


def restore(call, options):
    """``options`` are the parameters that override those of the backup."""
    world, vmid, archive = call.world, call.vmid, call.get("archive")
    _check_right(call)
    for key in sorted(call.params):
        if drives.is_drive(key):
            raise ParameterError.of({key: "option conflicts with option 'archive'"})
    privileges.check_volume(call, archive, vmid)
    storage_id, _colon, name = archive.partition(":")
    storage = world.storages.usable(storage_id, call.node)
    volume = storage.get(call.node, name)
    if volume is None:
        raise ApiError(f"volume '{archive}' does not exist")
    if volume.archive is None or owner_of_backup(name) is None:
        raise ApiError(f"couldn't determine archive info from '{storage.path_of(name)}'")
    if call.flag("live-restore") and storage.type != PBS:
        raise ApiError("live-restore is only compatible with backup images from a Proxmox Backup Server")
    if not world.cluster.has_quorum():
        raise ApiError("cluster not ready - no quorum?")
    _reserve(call)
    return call.task("qmrestore", lambda task: _work(call, task, volume.archive, options))


def _check_right(call):
    access, user, pool = call.world.access, call.user, call.get("pool")
    privileges.check_pool(call, pool)
    if "storage" in call.params:
        privileges.check_space(call, call.get("storage"))
    allowed = access.may(user, f"/vms/{call.vmid}", ["VM.Allocate"])
    allowed |= bool(pool) and access.may(user, f"/pool/{pool}", ["VM.Allocate"])
    overwrites = call.flag("force") and call.machine_or_none() is not None
    if not allowed and not (overwrites and access.may(user, f"/vms/{call.vmid}", ["VM.Backup"])):
        raise Forbidden


def _reserve(call):
    """Lock the VM that is created or overwritten."""
    world, vmid, machine = call.world, call.vmid, call.machine_or_none()
    failed = f"unable to restore VM {vmid} -"
    taken = world.cluster.taken_by(vmid)
    if taken and (machine is None or not call.flag("force")):
        raise ApiError(f"{failed} {taken[0]} {vmid} already exists on node '{taken[1]}'")
    if machine is None:
        world.cluster.machines[vmid] = Machine(vmid, call.node, "lock: create\n", guest=world.new_guest())
        return
    config = machine.config
    if config.current.get("protection") == "1":
        raise ApiError(f"{failed} VM {vmid} - protection mode enabled")
    try:
        check_lock(config)
    except ApiError as error:
        raise ApiError(f"{failed} {error}") from error
    if machine.running:
        raise ApiError(f"{failed} vm is running")
    config.current["lock"] = "create"
    machine.write(config)


def _work(call, task, archive, options):
    machine, new = call.machine(), {}
    try:
        yield call.world.timing.create
        targets = _targets(call, archive)
        old = machine.config
        machine.text = _TEMPORARY
        _free_old(call, machine, old, archive)
        for slot, disk in archive.disks.items():
            yield from _one_disk(call, task, slot, disk, targets[slot], archive.damaged, new)
        _store(call, machine, archive, options, new)
        _rescan(call, task, machine)
    except ApiError as error:
        for volid in new.values():
            call.world.storages.free(volid, call.node)
            task.say(f"temporary volume '{volid}' successfully removed")
        config = machine.config
        config.current.pop("lock", None)
        machine.write(config)
        task.say(_NOT_CLEANED.format(call.vmid))
        text = "interrupted by signal" if str(error) == "received interrupt" else str(error)
        raise ApiError(text) from error
    if call.flag("start"):
        vm_power.start_task(call, machine)


def _targets(call, archive):
    """{slot: storage}: the requested one, else that of the backup if it exists, else local. Old disks still exist."""
    storages, found = call.world.storages, {}
    for slot, disk in archive.disks.items():
        target = call.get("storage") or (disk[2] if disk[2] in storages.by_id else "local")
        privileges.check_space(call, target)
        if "images" not in storages.usable(target, call.node).content:
            raise ApiError(f"Content type 'images' is not available on storage '{target}'")
        found[slot] = target
    return found


def _free_old(call, machine, old, archive):
    """Free the disks that the backup has, too, and all snapshots."""
    world = call.world
    for slot, volid in vm_drives.owned_volumes(world.schema, old.current):
        drive = drives.parse(world.schema, slot, old.current[slot])
        if slot in archive.disks or drives.is_cloudinit(drive):
            world.storages.free(volid, machine.node)
    for name, values in old.snapshots.items():
        if "vmstate" in values:
            world.storages.free(values["vmstate"], machine.node)
        for _slot, volid in vm_drives.owned_volumes(world.schema, values):
            volume = world.storages.volume(volid, machine.node)
            if volume:
                volume.kept.pop(name, None)


def _one_disk(call, task, slot, disk, target, damaged, new):
    world = call.world
    size, format_, _storage, written = disk
    supported = world.storages.get(target).formats
    volid = world.storages.allocate(
        target, call.node, call.vmid, size, format_ if format_ in supported else supported[0]
    )
    new[slot] = volid
    task.say(f"new volume ID is '{volid}'")
    yield world.timing.copy(size)
    if damaged:
        raise ApiError("command 'vma extract' failed: exit code 133")
    world.storages.existing(volid, call.node).written = written


def _store(call, machine, archive, options, new):
    world = call.world
    lines = [line for line in archive.config.splitlines() if not line.startswith("#qmdump#")]
    found = Config.parse("\n".join(lines)).current
    for key in [key for key in found if drives.is_drive(key)]:
        _set_drive(call, found, key, new)
    if "vmgenid" in found and found["vmgenid"] != "0":
        found["vmgenid"] = world.new_uuid()
    if call.flag("unique"):
        _make_unique(world, found)
    found |= options
    machine.write(Config(current=found))
    for pool in world.cluster.pools.values():
        pool.vms.discard(call.vmid)
    if call.get("pool"):
        world.cluster.pools[call.get("pool")].vms.add(call.vmid)


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


def _set_drive(call, found, key, new):
    world = call.world
    drive = drives.parse(world.schema, key, found[key])
    if drive.get("backup") == "0":
        # It remains as a comment, which is a part of the notes.
        found["description"] = "\n".join(filter(None, (found.get("description"), f"{key}: {found.pop(key)}")))
    elif key in new:
        drive.pop("format", None)
        size = world.storages.existing(new[key], call.node).size
        found[key] = drives.printed(world.schema, key, {**drive, "file": new[key], "size": size_text(size)})
    elif drives.is_cloudinit(drive):
        target = call.get("storage") or drive["file"].partition(":")[0]
        volid = world.storages.allocate(target, call.node, call.vmid, 4 << 20, None, "cloudinit")
        found[key] = drives.printed(world.schema, key, {**drive, "file": volid})


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
