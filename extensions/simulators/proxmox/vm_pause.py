# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pausing a VM, saving it to a disk, and resuming it."""

from __future__ import annotations

from . import devices, privileges, statistics, vm_power
from .errors import ApiError
from .world import check_lock


def suspend(call):
    privileges.check_root_options(call)
    machine = vm_power.running_machine(call)
    if call.flag("todisk"):
        if machine.ha:
            raise ApiError("Cannot suspend HA managed VM to disk")
        privileges.check_vm(call, call.vmid, ["VM.Config.Disk"])
        devices.check_saved(machine.config.current)
        storage_id = call.get("statestorage") or vm_power.state_storage(call.world, machine)
        privileges.check_space(call, storage_id)
        return call.task("qmsuspend", lambda task: _suspend_to_disk(call, machine, storage_id))

    def work(_task):
        yield call.world.timing.pause
        check_lock(machine.config, "backup")
        machine.qmp = "paused"
        call.world.effect(machine.vmid, "QMP stop")

    return call.locked_task("qmpause", work)


def _suspend_to_disk(call, machine, storage_id):
    world = call.world
    config = machine.config
    check_lock(config, "backup")
    if "lock" in config.current:
        raise ApiError("cannot suspend to disk during backup")
    config.current["lock"] = "suspending"
    size = statistics.memory_of(config.current)
    name = f"suspend-{int(world.now)}"
    config.current |= vm_power.running_state(world, config.current)
    config.current["vmstate"] = world.storages.allocate_state(storage_id, machine.node, machine.vmid, name, size << 20)
    machine.write(config)
    yield world.timing.memory(size)
    config = machine.config
    config.current["lock"] = "suspended"
    machine.running, machine.pid, machine.devices = False, 0, ()
    machine.write(config)
    world.effect(machine.vmid, "SUSPENDED")


def resume(call):
    privileges.check_root_options(call)
    machine = call.machine_or_none()
    if machine is not None and machine.config.current.get("lock") == "suspended":
        return call.task("qmresume", lambda task: vm_power.locked(call, vm_power.start_found(call, machine)))
    machine = vm_power.running_machine(call)

    def work(_task):
        config = machine.config
        if config.current.get("template") == "1":
            raise ApiError(f"VM {call.vmid} is a template and cannot be resumed!")
        if machine.qmp != "running" and not call.flag("skiplock"):
            check_lock(config, "backup")
        yield from vm_power.resumed(call.world, machine)

    return call.locked_task("qmresume", work)
