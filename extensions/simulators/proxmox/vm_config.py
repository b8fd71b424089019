# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The endpoints PUT and POST /nodes/{node}/qemu/{vmid}/config, which change a configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import drives, option_rights, privileges, statistics, vm_apply, vm_drives, vm_hotplug, vm_options, vm_power
from .config import digest
from .errors import ApiError, ParameterError
from .world import check_lock


@dataclass
class _Change:
    """The requested changes of a configuration; ``options`` are set."""

    options: dict
    deletes: list
    reverts: list
    forced: bool = False


def put(call):
    change = _asked(call)
    yield call.world.timing.config
    yield from call.world.flock(call.vmid).holding(_now(call, change), call.world.timing.flock)


def post(call):
    change = _asked(call)
    _check_found(call, call.machine())
    shown = " ".join(f"-{key} {'<hidden>' if key == 'cipassword' else value}" for key, value in _shown(call))

    def work(task):
        task.say(f"update VM {call.vmid}: {shown}")
        yield call.world.timing.config
        yield from _now(call, change)

    upid = call.locked_task("qmconfig", work)
    give_up, task = call.world.now + call.number("background_delay", 0), call.world.tasks.get(upid)
    while task.ended is None and call.world.now < give_up:
        yield 0.05
    if "background_delay" not in call.params or task.ended is None:
        return upid
    if not task.succeeded:
        raise ApiError(f"failed to update VM {call.vmid}: {task.exitstatus}")
    return None


def _shown(call):
    return sorted((key, value) for key, value in call.params.items() if key not in ("node", "vmid"))


def _asked(call):
    """All checks that do not need the VM's configuration."""
    privileges.check_root_options(call)
    options = call.options()
    deletes = _known(call, "delete")
    reverts = _known(call, "revert")
    if not options and not deletes and not reverts:
        raise ApiError("no options specified")
    for key in deletes:
        if key in options:
            raise ParameterError(delete=f"you can't use '-{key}' and -delete {key}' at the same time")
    for key in reverts:
        if key in options:
            raise ParameterError(delete=f"you can't use '-{key}' and -revert {key}' at the same time")
        if key in deletes:
            raise ParameterError(revert=f"you can't use '-delete {key}' and -revert {key}' at the same time")
    vm_options.check_ssh_keys(options)
    options = vm_options.cdrom_as_drive(options)
    option_rights.check_names(call, call.vmid, {*options, *deletes})
    vm_drives.check_access(call, options)
    for key, value in sorted(options.items()):
        if re.fullmatch(r"net\d+", key):
            option_rights.check_bridge(call, key, value)
    return _Change(options, deletes, reverts, call.flag("force"))


def _known(call, parameter):
    keys = privileges.option_keys(call.get(parameter, ""))
    for key in keys:
        if call.world.schema.option(key) is None and key not in ("lock", "vmstate", "parent", "snaptime"):
            raise ParameterError.of({parameter: f"unknown option '{key}'"})
    return keys


def _check_found(call, machine):
    """Check the digest (somebody else may have changed the configuration) and the lock."""
    expected = call.get("digest")
    if expected and expected != digest(machine.text):
        raise ApiError("checksum mismatch (file change by other user?)")
    if not call.flag("skiplock") and "vmstate" not in privileges.option_keys(call.get("delete", "")):
        check_lock(machine.config)


def _now(call, change):
    """Store the change as pending, then apply what the VM's power state allows."""
    machine = call.machine()
    _check_found(call, machine)
    if not call.world.cluster.has_quorum():
        raise ApiError("cluster not ready - no quorum?")
    config = machine.config
    option_rights.check_changed(call, config.next_start(), change.options, change.deletes)
    vm_options.check_types(call.world.schema, change.options)
    vm_options.check_machine(change.options)
    _check_memory(config, change.options)
    for key in change.reverts:
        _revert(call, machine, config, key)
    order = _BootOrder(config, "boot" in change.deletes)
    for key in change.deletes:
        _delete(call, machine, config, key, change.forced)
        order.leave(key)
    _set_all(call, machine, config, change, order)
    machine.write(config.reparsed())
    if machine.running:
        changed = {*change.options, *change.deletes, *order.changed, *({"machine"} & set(config.pending))}
        errors = vm_hotplug.apply_live(call.world, machine, changed, call.user)
    else:
        errors = vm_apply.apply_cold(call.world, machine, call.user)
    if errors:
        raise ParameterError.of(errors)
    yield from ()  # Takes no time.


def _check_memory(config, options):
    if not {"memory", "balloon"} & set(options):
        return
    # Options that this call deletes still count here, and a pending 0 does not hide the current value.
    stored = int(config.pending.get("balloon", "0")) or int(config.current.get("balloon", "0"))
    balloon = int(options.get("balloon", stored))
    if balloon > statistics.memory_of({**config.current, **config.pending, **options}):
        raise ApiError("balloon value too large (must be smaller than assigned memory)")


def _revert(call, machine, config, key):
    config.deletes.pop(key, None)
    value = config.pending.pop(key, None)
    if value is not None and drives.is_drive(key):
        volid = drives.volume_of(drives.parse(call.world.schema, key, value))
        if volid:
            drives.register_unused(config.current, volid)


def _delete(call, machine, config, key, forced):
    protected = config.current.get("protection") == "1"
    if key == "vmstate":
        machine.write(config)
        vm_power.forget_suspension(call.world, machine)
        config.current = machine.config.current
    elif drives.is_unused(key):
        _delete_unused(call, machine, config, key, protected)
    elif drives.is_drive(key):
        if protected and key in config.next_start():
            raise ApiError(f"can't remove drive '{key}' - protection mode enabled")
        _drop_pending_drive(call, machine, config, key, forced)
        config.delete_pending(key, forced)
    elif key == "lock":
        config.current.pop("lock", None)
    else:
        config.delete_pending(key, forced)


def _delete_unused(call, machine, config, key, protected):
    volid = config.current.get(key)
    if volid is None:
        return
    if protected:
        raise ApiError(f"can't remove unused disk '{volid}' - protection mode enabled")
    # A volume with the number of another VM in its name remains; only the entry goes.
    if volid in call.world.storages.owned_by(machine.vmid, machine.node):
        privileges.check_space(call, volid.partition(":")[0])
        call.world.storages.check_not_base(volid, machine.node)
        vm_apply.free_unless_used(call.world, machine, config, volid)
    del config.current[key]


def _drop_pending_drive(call, machine, config, key, forced):
    """List a new disk that was never attached as unused."""
    pending = config.pending.get(key)
    if pending is None:
        return
    volid = drives.volume_of(drives.parse(call.world.schema, key, pending))
    current = config.current.get(key, "").split(",")[0]
    if volid is None or volid == current or "media=cdrom" in pending:
        return
    if forced:
        vm_apply.free_unless_used(call.world, machine, config, volid)
    else:
        drives.register_unused(config.current, volid)


class _BootOrder:
    """The boot order, which devices leave and optical drives join. It begins with the present one, not the pending one;
    an order in the old form does not list devices.
    """

    def __init__(self, config, deleted):
        self._config = config
        self._devices = vm_options.boot_order(config.current)
        self._deleted = deleted
        self._is_changed = False

    def leave(self, key):
        if key in self._devices and not self._deleted:
            self._set([device for device in self._devices if device != key])

    def join(self, key, drive):
        if self._devices and key not in self._devices and drives.is_cdrom(drive) and not drives.is_cloudinit(drive):
            self._set([*self._devices, key])

    @property
    def changed(self):
        """The options that follow from the change of devices."""
        return {"boot"} if self._is_changed else set()

    def _set(self, devices):
        self._devices, self._is_changed = devices, True
        self._config.set_pending("boot", vm_options.order_text(devices))


def _set_all(call, machine, config, change, order):
    world = call.world
    options = dict(change.options)
    after = {**config.next_start(), **options}
    pinned = vm_options.machine_of_windows(world, after) if "ostype" in options else None
    if pinned:
        options["machine"] = pinned
    if "cipassword" in options:
        options["cipassword"] = vm_options.crypted(options["cipassword"], after)
    for key, value in sorted(options.items()):
        if drives.is_drive(key):
            _set_drive(call, machine, config, key, value)
            order.join(key, drives.parse(world.schema, key, value))
        else:
            if key == "boot":
                vm_options.check_boot(value, {**config.next_start(), **options})
            value = vm_options.normalised(world, key, value)
            if key == "description" and not value:
                config.delete_pending(key, forced=False)
            else:
                config.set_pending(key, value)


def _set_drive(call, machine, config, key, value):
    world = call.world
    drive = drives.parse(world.schema, key, value)
    vm_drives.check_single_cloudinit(world.schema, key, drive, config.next_start())
    _drop_pending_drive(call, machine, config, key, forced=False)
    is_template = config.current.get("template") == "1"
    text, _new = vm_drives.made(world, machine.node, machine.vmid, key, drive, template=is_template)
    config.set_pending(key, text)
