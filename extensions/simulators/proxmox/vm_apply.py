# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply pending changes: at once if the VM is off, else at its next cold start."""

from __future__ import annotations

from contextlib import contextmanager

from . import drives, propertystring
from .errors import ApiError


def apply_cold(world, machine, user=None):
    """Apply the pending changes of a VM that is off. Those that fail stay pending; returns {option: error} of them,
    which a start only logs (vmconfig_apply_pending in QemuServer.pm). ``user`` is the caller, who may not be allowed to
    delete volumes.
    """
    config, errors, new_cloudinit = machine.config, {}, False
    for key, forced in sorted(config.deletes.items()):
        with _kept(errors, key):
            if drives.is_drive(key) and key in config.current:
                detach(world, machine, config, key, forced, user)
            config.current.pop(key, None)
            del config.deletes[key]
    for key, value in sorted(config.pending.items()):
        with _kept(errors, key):
            if drives.is_drive(key):
                replace_drive(world, machine, config, key, value)
                new_cloudinit |= drives.is_cloudinit(drives.parse(world.schema, key, value))
            config.current[key] = value
            del config.pending[key]
    # The configuration is stored, also if the content of the drive cannot be created.
    machine.write(config)
    if new_cloudinit:
        _renewed(world, machine, config)
        machine.write(config)
    return errors


@contextmanager
def _kept(errors, key):
    try:
        yield
    except ApiError as error:
        errors[key] = f"unable to apply pending change {key} : {error}\n"


def renew_cloudinit(world, machine):
    """Create the content of the cloud-init drive again; returns whether the VM has one."""
    config = machine.config
    if not any(drives.is_cloudinit(drive) for _key, drive in drives.of(world.schema, config.current)):
        return False
    _renewed(world, machine, config)
    machine.write(config)
    return True


def _renewed(world, machine, config):
    documents = propertystring.parse(config.current.get("cicustom", ""), world.schema.properties_of("cicustom"))
    for volid in documents.values():
        world.storages.existing(volid, machine.node)
    world.effect(machine.vmid, f"CLOUDINIT {machine.vmid}")
    config.cloudinit.clear()


def replace_drive(world, machine, config, key, value):
    """Detach the volume of ``key`` if ``value`` has another volume."""
    if key not in config.current:
        return
    old = drives.volume_of(drives.parse(world.schema, key, config.current[key]))
    if old != drives.volume_of(drives.parse(world.schema, key, value)):
        detach(world, machine, config, key, forced=False)


def detach(world, machine, config, key, forced, user=None):
    """Detach a drive's volume: an ISO image stays, a cloud-init drive is freed, a disk is freed or kept as unused."""
    drive = drives.parse(world.schema, key, config.current[key])
    volid = drives.volume_of(drive)
    if volid is None:
        return
    if drives.is_cloudinit(drive) or (forced and not drives.is_cdrom(drive)):
        if forced and user and not drives.is_cloudinit(drive):
            world.access.require(user, f"/storage/{volid.partition(':')[0]}", ["Datastore.AllocateSpace"])
        free_unless_used(world, machine, config, volid)
    elif not drives.is_cdrom(drive):
        drives.register_unused(config.current, volid)


def free_unless_used(world, machine, config, volid):
    if any(volid == value.split(",")[0] for values in config.snapshots.values() for value in values.values()):
        raise ApiError(f"unable to delete '{volid}' - volume is still in use (snapshot?)")
    world.storages.free(volid, machine.node)
