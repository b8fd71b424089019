# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Move a disk from one VM to another on the same node: its volume is renamed."""

from __future__ import annotations

from . import drives, vm_apply, vm_drives, vm_hotplug, vm_options
from .config import digest
from .errors import ApiError, ParameterError
from .world import check_lock


def reassign(call):
    world, target_id = call.world, call.number("target-vmid")
    if "storage" in call.params:
        one = "either set 'storage' or 'target-vmid', but not both"
        raise ParameterError.of({"target-vmid": one, "storage": one})
    world.access.require(call.user, f"/vms/{target_id}", ["VM.Config.Disk"])
    if target_id == call.vmid:
        raise ParameterError.of({"target-vmid": "must be different than source VMID to reassign disk"})
    key = call.get("disk")
    slot = call.get("target-disk", key)
    _checked(call, key, slot)
    return call.task("qmmove", lambda task: _work(call, task, key, slot), f"{call.vmid}-{key}>{target_id}-{slot}")


def _checked(call, key, slot):
    """(source, target) after all checks, which the task repeats."""
    machines, target_id = call.world.cluster.machines, call.number("target-vmid")
    source, target = machines.get(call.vmid), machines.get(target_id)
    if source is None:
        raise ApiError(f"could not find VM {call.vmid}")
    if target is None:
        raise ApiError(f"could not find target VM {target_id}")
    if source.node != target.node:
        both = f"Both VMs need to be on the same node ({source.node})"
        raise ApiError(f"{both} but target VM is on '{target.node}'.")
    _check_found(call, source, "digest")
    _check_found(call, target, "target-digest")
    options = source.config.current
    if key not in options:
        raise ApiError(f"Disk '{key}' for VM '{call.vmid}' does not exist")
    if slot in target.config.current:
        raise ApiError(f"Target disk key '{slot}' is already in use for VM '{target_id}'")
    if drives.is_drive(key) and drives.is_cdrom(drives.parse(call.world.schema, key, options[key])):
        raise ApiError("CD drive contents can't be moved to another VM")
    volid = options[key].partition(",")[0]
    if any(volid == value.partition(",")[0] for kept in source.config.snapshots.values() for value in kept.values()):
        raise ApiError("Can't move disk used by a snapshot to another VM")
    if source.running and not drives.is_unused(key):
        raise ApiError("Cannot move disk to another VM while the source VM is running - detach first")
    return source, target


def _check_found(call, machine, parameter):
    check_lock(machine.config)
    if machine.config.current.get("template") == "1":
        raise ApiError("Can't move disks from or to template VMs")
    if call.get(parameter) not in (None, digest(machine.text)):
        raise ApiError(f"VM {machine.vmid}: checksum mismatch (file change by other user?)")


def _work(call, task, key, slot):
    world = call.world
    yield world.timing.config
    source, target = _checked(call, key, slot)
    task.say(f"reassign disk '{key}' from VM '{source.vmid}' as '{slot}' to VM '{target.vmid}'")
    config = source.config
    file, _comma, keys = config.current.pop(key).partition(",")
    new = world.storages.reassign(file, source.node, target.vmid)
    order = vm_options.boot_order(config.current)
    if key in order:
        task.say(f"removing disk '{key}' from boot order config")
        config.current["boot"] = vm_options.order_text([device for device in order if device != key])
    task.say(f"removing disk '{key}' from VM '{source.vmid}' config")
    source.write(config)
    _attach(world, task, target, slot, f"{new},{keys}" if keys else new)


def _attach(world, task, target, slot, text):
    config = target.config
    if drives.is_unused(slot):
        config.current[slot] = text.partition(",")[0]
        target.write(config)
        return
    task.say(f"update VM {target.vmid}: -{slot} {text}")
    drive = drives.parse(world.schema, slot, text)
    config.set_pending(slot, vm_drives.made(world, target.node, target.vmid, slot, drive)[0])
    target.write(config)
    errors = vm_hotplug.apply_live(world, target, {slot}) if target.running else vm_apply.apply_cold(world, target)
    if errors:
        raise ParameterError.of(errors)
