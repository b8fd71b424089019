# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that create, list, restore and delete snapshots."""

from __future__ import annotations

from . import drives, statistics, vm_drives, vm_power, vm_read
from .errors import ApiError
from .storage import size_of
from .world import check_lock

_NOT_KEPT = ("description", "template", "digest", "snaptime", *vm_power.OF_SUSPENSION)


def create(call):
    name = call.get("snapname")
    for reserved in ("current", "pending"):
        if name.lower() == reserved:
            raise ApiError(f"unable to use snapshot name '{reserved}' (reserved name)")
    call.machine()
    return call.task("qmsnapshot", lambda task: _create(call, name))


def _create(call, name):
    world = call.world
    state = yield from world.flock(call.vmid).holding(_prepare(call, name), world.timing.flock)
    machine = call.machine()
    yield world.timing.snapshot + (world.timing.memory(state) if state else 0)
    for key, volid in vm_drives.owned_volumes(world.schema, machine.config.current):
        world.effect(machine.vmid, f"SNAP {key}")
        volume = world.storages.existing(volid, machine.node)
        volume.kept[name] = volume.written
    config = machine.config
    config.current.pop("lock", None)
    config.current["parent"] = name
    config.snapshots[name].pop("snapstate", None)
    machine.write(config)


def _prepare(call, name):
    """Add the snapshot to the configuration and lock the VM; returns the MiB of memory that are saved with it."""
    world, machine = call.world, call.machine()
    config = machine.config
    if config.current.get("template") == "1":
        raise ApiError("you can't take a snapshot if it's a template")
    check_lock(config)
    if name in config.snapshots:
        raise ApiError(f"snapshot name '{name}' already used")
    _check_feature(world, machine, config)
    kept = _kept(config, call.get("description", ""), world.now)
    memory = 0
    if call.flag("vmstate") and machine.running:
        memory = statistics.memory_of(config.current)
        storage_id = vm_power.state_storage(world, machine)
        kept["vmstate"] = world.storages.allocate_state(storage_id, machine.node, machine.vmid, name, memory << 20)
        kept |= vm_power.running_state(world, config.current)
    config.snapshots[name] = {**kept, "snapstate": "prepare"}
    config.current["lock"] = "snapshot"
    machine.write(config)
    yield from ()  # Takes no time.
    return memory


def _kept(config, description, now):
    kept = {key: value for key, value in config.current.items() if key not in _NOT_KEPT and not drives.is_unused(key)}
    if description:
        kept["description"] = description.rstrip()
    return {**kept, "snaptime": str(int(now))}


def _check_feature(world, machine, config):
    for _key, volid in vm_drives.owned_volumes(world.schema, config.current):
        storage = world.storages.get(volid.partition(":")[0])
        volume = world.storages.volume(volid, machine.node)
        if storage.has_files and volume and volume.format == "raw":
            raise ApiError("snapshot feature is not available")


def listing(call):
    machine = call.machine()
    config = machine.config
    entries = [_entry(name, values) for name, values in config.snapshots.items()]
    now = {
        "name": "current",
        "description": "You are here!",
        "digest": config.digest,
        "running": int(machine.running),
    }
    if "parent" in config.current:
        now["parent"] = config.current["parent"]
    return [*entries, now]


def _entry(name, values):
    entry = {
        "name": name,
        "snaptime": int(values["snaptime"]),
        "vmstate": int("vmstate" in values),
        "description": values.get("description", ""),
    }
    return entry | {key: values[key] for key in ("parent", "snapstate") if key in values}


def index(_call):
    return [{"cmd": "rollback"}, {"cmd": "config"}]


def config(call):
    values = vm_read.snapshot_of(call.machine().config, call.get("snapname"))
    return {key: vm_read.shown(call.world.schema, key, value) for key, value in values.items()}


def describe(call):
    if "description" not in call.params:
        return
    machine = call.machine()
    found = machine.config
    check_lock(found)
    values = vm_read.snapshot_of(found, call.get("snapname"))
    values["description"] = call.get("description").rstrip()
    machine.write(found)


def rollback(call):
    return call.task("qmrollback", lambda task: _rollback(call, task, call.get("snapname")))


def _rollback(call, task, name):
    world, machine = call.world, call.machine()
    _begin_rollback(world, machine, name)
    if machine.running:
        yield from vm_power.quit_emulator(world, machine, task)
    yield world.timing.rollback
    found = machine.config
    snapshot = found.snapshots[name]
    for key, volid in vm_drives.owned_volumes(world.schema, snapshot):
        world.effect(machine.vmid, f"ROLLBACK {volid}")
        volume, size = world.storages.existing(volid, machine.node), _size_then(snapshot, key, world.schema)
        volume.written = volume.kept.get(name)
        if size is not None:
            volume.size = size
    found.current = _restored(world, task, machine, snapshot, name)
    found.pending.clear()
    found.deletes.clear()
    machine.write(found)
    if "vmstate" in snapshot:
        vm_power.check_cpus(world, found.current, machine.node)
        world.effect(machine.vmid, "START from vmstate")
        machine.running, machine.qmp, machine.started_at = True, "running", world.now - machine.guest.agent_after
        machine.starts += 1
    elif call.flag("start"):
        # The start is another task; the result of this one does not depend on it.
        vm_power.start_task(call, machine)


def _size_then(snapshot, key, schema):
    """The size of a volume in the snapshot, or None if it is not recorded."""
    text = drives.parse(schema, key, snapshot[key]).get("size")
    return size_of(text) if text else None


def _begin_rollback(world, machine, name):
    found = machine.config
    snapshot = vm_read.snapshot_of(found, name)
    if found.current.get("template") == "1":
        raise ApiError("VM is a template - rollback not possible")
    check_lock(found)
    if "snapstate" in snapshot:
        raise ApiError(f"unable to rollback to incomplete snapshot (snapstate = {snapshot['snapstate']})")
    _check_most_recent(world, found, name)
    found.current["lock"] = "rollback"
    machine.write(found)


def _check_most_recent(world, config, name):
    """Fail unless the snapshot is the newest one of each volume on ZFS."""
    for _key, volid in vm_drives.owned_volumes(world.schema, config.snapshots[name]):
        storage_id, _colon, volume = volid.partition(":")
        holders = [
            other
            for other, values in config.snapshots.items()
            if volid in (found for _name, found in vm_drives.owned_volumes(world.schema, values))
        ]
        if world.storages.get(storage_id).type == "zfspool" and name != _youngest(config, holders):
            raise ApiError(f"can't rollback, '{name}' is not most recent snapshot on '{volume}'")


def _youngest(config, names):
    """The newest of these snapshots; of several taken in the same second, the one that is no parent of another."""
    parents = {config.snapshots[name].get("parent") for name in names}
    return max(names, key=lambda name: (int(config.snapshots[name]["snaptime"]), name not in parents))


def _restored(world, task, machine, snapshot, name):
    """The options after a rollback: those of the snapshot, but the present description and unused entries."""
    current = machine.config.current
    kept = {key: value for key, value in current.items() if key == "description" or drives.is_unused(key)}
    old = {key: value for key, value in snapshot.items() if key not in _NOT_KEPT}
    restored = {**kept, **old, "parent": name}
    if "vmgenid" in restored and restored["vmgenid"] != "0":
        restored["vmgenid"] = world.new_uuid()
    # Disks that were added after the snapshot become unused (ASSUMED: the recorded calls contain no such disk).
    still = {volid for _key, volid in vm_drives.owned_volumes(world.schema, restored)}
    for _key, volid in vm_drives.owned_volumes(world.schema, current):
        if volid not in still and drives.is_cloudinit({"file": volid}):
            task.say(f"found unused cloudinit disk '{volid}', removing it")
            world.storages.free(volid, machine.node)
        elif volid not in still:
            drives.register_unused(restored, volid)
    return restored


def delete(call):
    return call.task("qmdelsnapshot", lambda task: _delete(call, call.get("snapname")))


def _delete(call, name):
    world, machine = call.world, call.machine()
    found = machine.config
    snapshot = vm_read.snapshot_of(found, name)
    check_lock(found)
    snapshot["snapstate"] = "delete"
    found.current["lock"] = "snapshot-delete"
    machine.write(found)
    yield world.timing.delete_snapshot
    for key, volid in vm_drives.owned_volumes(world.schema, snapshot):
        world.effect(machine.vmid, f"SNAPDEL {key}")
        world.storages.existing(volid, machine.node).kept.pop(name, None)
    if "vmstate" in snapshot:
        world.storages.free(snapshot["vmstate"], machine.node)
    found = machine.config
    parent = found.snapshots.pop(name).get("parent")
    for values in (found.current, *found.snapshots.values()):
        if values.get("parent") == name:
            values.pop("parent")
            if parent:
                values["parent"] = parent
    found.current.pop("lock", None)
    machine.write(found)
