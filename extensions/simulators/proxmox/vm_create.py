# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoint POST /nodes/{node}/qemu, which creates a VM."""

from __future__ import annotations

from . import drives, option_rights, vm_drives, vm_options, vm_power, vm_reserve, vm_restore
from .config import Config
from .errors import ApiError, Forbidden

_NOT_STORED = {"start", "force", "storage", "pool", "archive", "unique", "bwlimit", "live-restore", "ha-managed"}


def create(call):
    world, vmid, pool = call.world, call.vmid, call.get("pool")
    if "archive" in call.params:
        return (yield from vm_restore.restore(call, vm_restore.overrides(call)))
    vm_options.check_ssh_keys(call.params)
    if not world.cluster.has_quorum():
        raise ApiError("cluster not ready - no quorum?")
    if not vm_reserve.may_create(call, pool):
        raise Forbidden
    options = _stored(call)
    vm_drives.check_access(call, options, call.get("storage"), is_new=True)
    option_rights.check_new(call, options, pool)
    yield from vm_reserve.reserve(call, f"unable to create VM {vmid} -")
    return call.task("qmcreate", lambda task: _work(call, task, options))


def _stored(call):
    options = vm_options.cdrom_as_drive(call.options())
    options = {key: value for key, value in options.items() if key not in _NOT_STORED}
    # An old name of the number of CPUs (ASSUMED: it is used only if the new options are missing).
    smp = options.pop("smp", None)
    if smp and "sockets" not in options and "cores" not in options:
        options["sockets"] = smp
    return {
        key: value if drives.is_drive(key) else vm_options.normalised(call.world, key, value)
        for key, value in options.items()
    }


def _work(call, task, options):
    world, vmid = call.world, call.vmid
    made = []
    try:
        yield from world.flock(vmid).holding(_fill(call, task, options, made), world.timing.flock)
    except ApiError as error:
        for volid in made:
            world.storages.free(volid, call.node)
        world.cluster.machines.pop(vmid, None)
        raise ApiError(f"unable to create VM {vmid} - {error}") from error
    if call.flag("start"):
        # The start is another task; the result of the creation does not depend on it.
        vm_power.start_task(call, call.machine())


def _fill(call, task, options, made):
    world = call.world
    yield world.timing.create
    vm_options.check_types(world.schema, options)
    vm_options.check_machine(options)
    wanted = vm_drives.parsed(world.schema, options)
    for key, drive in wanted:
        vm_drives.check_single_cloudinit(world.schema, key, drive, options)
    stored, is_template = dict(options), options.get("template") == "1"
    for key, drive in wanted:
        text, new = vm_drives.made(world, call.node, call.vmid, key, drive, call.get("storage"), is_template)
        stored[key] = text
        if new:
            made.append(new)
            task.say(f"{key}: successfully created disk '{text}'")
            yield world.timing.create_disk
    _add_defaults(world, task, stored)
    call.machine().write(Config(current=stored))
    # Until here the rights on the pool do not hold for the VM.
    if call.get("pool"):
        world.cluster.pools[call.get("pool")].vms.add(call.vmid)


def _add_defaults(world, task, options):
    pinned = vm_options.machine_of_windows(world, options)
    if pinned:
        options["machine"] = pinned
        task.say(f"pinning machine type to '{pinned}' for Windows guest OS")
    options.setdefault("boot", vm_options.default_boot(world.schema, options))
    options.setdefault("vmgenid", world.new_uuid())
    options.setdefault("smbios1", f"uuid={world.new_uuid()}")
    options["meta"] = f"creation-qemu={world.emulator[0]},ctime={int(world.now)}"
