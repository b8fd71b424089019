# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint that migrates VMs to another node."""

from __future__ import annotations

import re

from . import drives, vm_drives, vm_power
from .errors import ApiError, ParameterError
from .world import check_lock

#: The base in the name of an overlay volume.
_OVERLAY = re.compile(r"(?:^|/)(base-\d+-disk-\d+[^/]*)/")


def migrate(call):
    machine, target, cluster = call.machine_or_none(), call.get("target"), call.world.cluster
    if target == call.node:
        raise ParameterError(target="target is local node.")
    if target not in cluster.nodes:
        raise ApiError(f"no such cluster node '{target}'")
    machine = call.machine()
    check_lock(machine.config)
    if machine.running and not call.flag("online"):
        raise ApiError("can't migrate running VM without --online")
    if machine.ha:
        return call.task("hamigrate", lambda task: _by_high_availability(call, task, machine, target))
    return call.locked_task("qmigrate", lambda task: _logged(call, task, machine, target))


def _by_high_availability(call, task, machine, target):
    """The task only sends a request to high availability, which migrates the VM later (the duration is ASSUMED)."""
    task.say(f"Requesting HA migration for VM {machine.vmid} to node {target}")
    yield call.world.timing.config

    def move():
        call.world.tasks.start(
            machine.node, "qmigrate", machine.vmid, "root@pam", lambda task: _logged(call, task, machine, target)
        )

    call.world.engine.after(call.world.timing.high_availability, move)


def _logged(call, task, machine, target):
    """The reason of an error is only in the log (AbstractMigrate.pm)."""
    try:
        yield from _migrate(call, task, machine, target)
    except ApiError as error:
        task.say(f"ERROR: migration aborted (duration 00:00:00): {error}")
        raise ApiError("migration aborted") from error


def _migrate(call, task, machine, target):
    world = call.world
    config = machine.config
    _check_volumes(call, task, machine, target)
    config.current["lock"] = "migrate"
    machine.write(config)
    try:
        yield world.timing.migrate
        if machine.running:
            vm_power.check_cpus(world, config.current, target)
        yield from _copy_local(call, machine, target)
    finally:
        config = machine.config
        config.current.pop("lock", None)
        machine.write(config)
    machine.node = target
    world.effect(machine.vmid, f"MIGRATED {target}")


def _check_volumes(call, task, machine, target):
    world, options = call.world, machine.config.current
    if not world.cluster.nodes[target].online:
        raise ApiError(f"target node '{target}' is not online")
    if local_resources(options):
        task.say("can't migrate VM which uses local devices: " + ", ".join(local_resources(options)))
        raise ApiError("can't migrate VM which uses local devices: " + ", ".join(local_resources(options)))
    for key, drive in drives.of(world.schema, options):
        volid = drives.volume_of(drive)
        if volid is None or world.storages.is_shared(volid):
            continue
        medium = drives.is_cdrom(drive) and not drives.is_cloudinit(drive)
        # Local disks of a running VM are migrated only with with-local-disks; those of a stopped VM always.
        if medium or (machine.running and not call.flag("with-local-disks")):
            task.say(f"can't migrate local {'cdrom' if medium else 'disk'} '{volid}' ({key})")
            raise ApiError("can't migrate VM - check log")
        _check_disk(call, task, machine, key, volid)
        storage = call.get("targetstorage") or volid.partition(":")[0]
        world.storages.usable(storage, target)


def _check_disk(call, task, machine, key, volid):
    """Fail if a local disk cannot be migrated (scan_local_volumes; the text after the volume is ASSUMED)."""
    storage_id, _colon, name = volid.partition(":")
    overlay = _OVERLAY.search(name)
    if overlay:
        task.say(f"can't migrate '{volid}' as it's a clone of '{overlay[1]}'")
        raise ApiError(f"can't migrate '{volid}' as it's a clone of '{overlay[1]}'")
    fault = _fault_of_snapshots(call, machine, volid)
    if any(other.startswith(f"{name}/") for other in call.world.storages.get(storage_id).on(machine.node)):
        fault = "referenced by linked clone(s)"
    if fault:
        task.say(f"can't migrate local disk '{volid}' ({key}): {fault}")
        raise ApiError("can't migrate VM - check log")


def _fault_of_snapshots(call, machine, volid):
    """Why a disk with snapshots cannot be migrated. The cloud-init drive is created again on the target. Replication
    is not simulated.
    """
    held = [drives.of(call.world.schema, options) for options in machine.config.snapshots.values()]
    volumes = [drives.volume_of(drive) for found in held for _key, drive in found if not drives.is_cloudinit(drive)]
    if volid not in volumes:
        return None
    if machine.running:
        return "online storage migration not possible if non-replicated snapshot exists"
    kind = call.world.storages.get(volid.partition(":")[0]).type
    movable = kind == "zfspool" or (kind == "btrfs" and volid.endswith(".raw")) or volid.endswith(".qcow2")
    return None if movable else "non-migratable snapshot exists"


def _copy_local(call, machine, target):
    """Local volumes are copied, also those of pending changes (QemuServer.pm, foreach_volid).

    They keep their storage and name: another target storage is not simulated.
    """
    world, config = call.world, machine.config
    owned = [
        one for options in (config.current, config.pending) for one in vm_drives.owned_volumes(world.schema, options)
    ]
    for volid in dict.fromkeys(volid for _key, volid in owned):
        if not world.storages.is_shared(volid):
            yield world.timing.copy(world.storages.existing(volid, machine.node).size)
            world.storages.move(volid, machine.node, target)


def local_resources(options):
    """Local devices of the node (check_local_resources); mapped devices may exist on the other node, too."""
    found = []
    for key, value in sorted(options.items()):
        stem = key.rstrip("0123456789")
        is_device = stem in ("hostpci", "usb") and "mapping=" not in value and "spice" not in value
        if is_device or (stem == "serial" and value != "socket") or key == "ivshmem" or key.startswith("parallel"):
            found.append(key)
    return found


def precondition(call):
    machine = call.machine()
    world = call.world
    local = [
        {"volid": volid, "cdrom": 0, "size": world.storages.existing(volid, machine.node).size}
        for _key, volid in vm_drives.owned_volumes(world.schema, machine.config.current)
        if not world.storages.is_shared(volid)
    ]
    return {
        "running": int(machine.running),
        "local_disks": local,
        "local_resources": local_resources(machine.config.current),
        "allowed_nodes": [name for name in world.cluster.nodes if name != machine.node],
    }
