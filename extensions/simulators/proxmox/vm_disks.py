# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that resize, move or unlink disks, convert VMs to templates, or destroy VMs."""

from __future__ import annotations

import re

from . import drives, privileges, vm_config, vm_drives, vm_reassign
from .config import digest
from .errors import ApiError, ParameterError
from .storage import size_of, size_text
from .world import check_lock


def resize(call):
    privileges.check_root_options(call)

    def work(_task):
        yield call.world.timing.resize
        _resize(call)

    if call.world.schema.version < (8, 0):
        return call.world.flock(call.vmid).holding(work(None), call.world.timing.flock)
    return call.locked_task("resize", work)


def _resize(call):
    world, machine, key = call.world, call.machine(), call.get("disk")
    config = machine.config
    if call.get("digest") not in (None, digest(machine.text)):
        raise ApiError("checksum mismatch (file change by other user?)")
    if not call.flag("skiplock"):
        check_lock(config)
    if key not in config.current:
        raise ApiError(f"disk '{key}' does not exist")
    drive = drives.parse(world.schema, key, config.current[key])
    if drive["file"] in ("none", "cdrom"):
        raise ApiError(f"unable to parse volume ID '{drive['file']}'")
    if drives.is_cdrom(drive):
        raise ApiError("you can't resize a cdrom")
    privileges.check_space(call, drive["file"].partition(":")[0])
    volume = world.storages.existing(drive["file"], machine.node)
    asked = call.get("size")
    size = size_of(asked.removeprefix("+")) + (volume.size if asked.startswith("+") else 0)
    if size < volume.size:
        raise ApiError("shrinking disks is not supported")
    if size == volume.size:
        return
    world.storages.resize(drive["file"], machine.node, size)
    config.current[key] = drives.printed(world.schema, key, {**drive, "size": size_text(size)})
    machine.write(config)


def move(call):
    if "target-vmid" in call.params:
        return vm_reassign.reassign(call)
    machine, key, target = call.machine(), call.get("disk"), call.get("storage")
    if target is None:
        both = "both 'storage' and 'target-vmid' missing, either needs to be set"
        raise ParameterError.of({"target-vmid": both, "storage": both})
    config = machine.config
    check_lock(config)
    if call.get("digest") not in (None, digest(machine.text)):
        raise ApiError("detected modified configuration - file changed by other user? Try again.")
    if key not in config.current:
        raise ApiError(f"disk '{key}' does not exist")
    drive = drives.parse(call.world.schema, key, config.current[key])
    if drives.is_cdrom(drive) and not drives.is_cloudinit(drive):
        raise ApiError("you can't move a cdrom")
    call.world.storages.for_images(target)
    call.world.storages.usable(target, machine.node)
    _check_move(call, machine, drive, target)
    return call.locked_task("qmmove", lambda task: _move(call, task, machine, key, target))


def _check_move(call, machine, drive, target):
    privileges.check_space(call, target)
    volume = call.world.storages.existing(drive["file"], machine.node)
    same = drive["file"].partition(":")[0] == target and call.get("format", volume.format) == volume.format
    if same:
        raise ApiError("you can't move to the same storage with same format")
    snapshots = machine.config.snapshots.values()
    if call.flag("delete") and any(drive["file"] in value for values in snapshots for value in values.values()):
        raise ApiError("you can't move a disk with snapshots and delete the source")


def _move(call, task, machine, key, target):
    world = call.world
    drive = drives.parse(world.schema, key, machine.config.current[key])
    source = world.storages.existing(drive["file"], machine.node)
    kind = "cloudinit" if drives.is_cloudinit(drive) else "disk"
    format_ = world.storages.format_of_copy(task, target, source, call.get("format")) if kind == "disk" else None
    new = world.storages.allocate(target, machine.node, machine.vmid, source.size, format_, kind)
    try:
        yield world.timing.copy(source.size)
        if key == "tpmstate0" and machine.running:
            raise ApiError("storage migration failed: cannot move TPM state while VM is running")
    except ApiError:
        world.storages.free(new, machine.node)
        raise
    config = machine.config
    size = {} if drives.is_unused(key) else {"size": size_text(source.size)}
    config.current[key] = drives.printed(world.schema, key, {**drive, "file": new, **size})
    if call.flag("delete") or drives.is_cloudinit(drive):
        world.storages.free(drive["file"], machine.node)
    else:
        drives.register_unused(config.current, drive["file"])
    machine.write(config)


def unlink(call):
    """Unlink drives, which is the same as deleting their options."""
    call.params = {**call.params, "delete": call.params.pop("idlist")}
    return vm_config.put(call)


def template(call):
    machine = call.machine()
    config = machine.config
    check_lock(config)
    if config.snapshots:
        raise ApiError("unable to create template, because VM contains snapshots")
    if config.current.get("template") == "1" and "disk" not in call.params:
        raise ApiError("you can't convert a template to a template")
    if machine.running:
        raise ApiError("you can't convert a VM to template if VM is running")

    def work(_task):
        yield call.world.timing.template
        make_base(call.world, machine, call.get("disk"))

    if call.world.schema.version < (7, 1):
        return call.world.flock(call.vmid).holding(work(None), call.world.timing.flock)
    return call.locked_task("qmtemplate", work)


def make_base(world, machine, only=None):
    """Convert a VM to a template, or only one of its disks to a base volume."""
    config = machine.config
    config.current["template"] = "1"
    for key, volid in vm_drives.owned_volumes(world.schema, config.current):
        drive = drives.parse(world.schema, key, config.current[key])
        if drives.is_cloudinit(drive) or only not in (None, key) or "/base-" in f"/{volid.partition(':')[2]}":
            continue
        drive["file"] = world.storages.make_base(volid, machine.node)
        config.current[key] = drives.printed(world.schema, key, drive)
    machine.write(config)


def destroy(call):
    privileges.check_root_options(call)
    machine = call.machine()
    if machine.config.current.get("protection") == "1":
        raise ApiError(f"can't remove VM {call.vmid} - protection mode enabled")
    if machine.ha and not call.flag("purge"):
        raise ApiError(f"unable to remove VM {call.vmid} - used in HA resources and purge parameter not set.")
    if machine.running:
        raise ApiError(f"VM {call.vmid} is running - destroy failed")
    return call.locked_task("qmdestroy", lambda task: _destroy(call, task))


def _destroy(call, task):
    world, machine = call.world, call.machine()
    config = machine.config
    if not call.flag("skiplock"):
        check_lock(config, "suspended")
    if machine.running:
        raise ApiError(f"VM {call.vmid} is running - destroy failed")
    yield world.timing.destroy
    volumes = _volumes(call, machine, config)
    for volid in volumes:
        world.storages.check_not_base(volid, machine.node)
    for volid in volumes:
        world.storages.free(volid, machine.node)
    if call.flag("purge"):
        task.say(f"purging VM {call.vmid} from related configurations..")
    del world.cluster.machines[machine.vmid]
    world.access.forget(f"/vms/{machine.vmid}")
    for pool in world.cluster.pools.values():
        pool.vms.discard(machine.vmid)


def _volumes(call, machine, config):
    """The volumes that are deleted with a VM, each once: of drives, snapshots, unused entries, and saved memory."""
    schema = call.world.schema
    found = [volid for _key, volid in vm_drives.owned_volumes(schema, config.current)]
    for values in config.snapshots.values():
        found += [volid for _key, volid in vm_drives.owned_volumes(schema, values)]
    sections = [config.current, *config.snapshots.values()]
    found += [value for key, value in sorted(config.current.items()) if drives.is_unused(key)]
    found += [values["vmstate"] for values in sections if "vmstate" in values]
    found += [volid for _key, volid in vm_drives.owned_volumes(schema, config.pending)]
    if call.flag("destroy-unreferenced-disks"):
        found += call.world.storages.owned_by(machine.vmid, machine.node)
    own = re.compile(rf"(?:.*/)?(?:vm|base)-{machine.vmid}-.*")
    return [volid for volid in dict.fromkeys(found) if own.fullmatch(volid.partition(":")[2])]
