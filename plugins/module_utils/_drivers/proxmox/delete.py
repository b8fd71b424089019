# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: deleting a VM. The server also deletes the VM's own volumes, and no others."""

from __future__ import annotations

from ..._core.errors import NotFound, Refused
from ..._ports import permits
from ..._tools import proxmox_values as values
from .mark import UPLOADS
from .own_volumes import deleted_volumes
from .seed_iso import remove_seed, seed_files
from .settings.disks import volumes_of


def delete(driver, vm, step):
    try:
        vm_options = driver.read_options(vm.id)
    except NotFound:
        return
    name = vm_options.stored.get("name") or f"VM {vm.id}"
    if name != vm.name:
        raise Refused(f"{vm.name}: VM {vm.id} is '{name}' now.", "Run the task again.")
    _check_same(driver, vm, vm_options)
    if vm.config.get("protection"):
        # The deletion of an existing protected VM was rejected before, so this is a new VM: its creation is undone.
        lift_protection(driver, vm_options)
    # If this task has created the VM, its creation is undone.
    is_new = driver.creations.id_of(vm.name) == vm.id
    with permits.also(recorded(vm_options) if is_new else (), [("vm", vm.id)] if is_new else ()):
        destroy(driver, vm_options)


def recorded(vm_options):
    """The volumes that tasks have created for a VM, as its record says."""
    return [*(one for one, is_own in deleted_volumes(vm_options).items() if is_own), *seed_files(vm_options)]


def destroy(driver, vm_options):
    """Delete a VM and all its volumes, which a plan or a record must name."""
    for volume in deleted_volumes(vm_options):
        permits.check(volume, values.volume_key(volume))
    remove_made(driver, vm_options)
    driver.tool.run("DELETE", vm_options.path, purge=True)


def purging(vm_options, keys):
    """A context in which the server may delete the volumes of these options, which a plan must list."""
    volumes = volumes_of(vm_options.stored)
    for volume in (volumes[key] for key in keys if key in volumes):
        permits.check(volume, values.volume_key(volume))
    return permits.also(things=[("volumes", vm_options.vmid)])


def remove_made(driver, vm_options):
    """Delete what the server does not delete with a VM: its seed ISO, and the uploads of an unfinished one."""
    if (vm_options.own_mark or {}).get(UPLOADS):
        # Few tasks create a VM from an appliance.
        from .appliances import remove_uploads

        remove_uploads(driver, vm_options)
    remove_seed(driver, vm_options)


def _check_same(driver, vm, vm_options):
    """Raise Refused for another VM with the same name and number."""
    planned = driver.planned_vms.get(vm.id)
    birth = vm.birth if planned is None or vm.id in driver.requested_vmids else planned.birth
    if birth and birth != vm_options.birth:
        raise Refused(
            f"{vm.name}: VM {vm.id} is another VM now: the planned one was deleted, and its number was used again.",
            "Check the new VM, and run the task again.",
        )


def check_volumes(vm_options):
    """Raise Refused if the server would delete a volume with a VM of a task that no task has created."""
    others = sorted(volume for volume, is_own in deleted_volumes(vm_options).items() if not is_own)
    if others:
        raise Refused(
            f"VM {vm_options.vmid} '{vm_options.stored.get('name', '')}' was not deleted: {', '.join(others)} would be"
            " deleted with it, and no task has created that.",
            "Move it to another VM (web interface: Reassign Owner) or delete it there, then run the task again.",
        )


def lift_protection(driver, vm_options):
    """Turn off the protection of a new VM, which is set by the task, or copied from the source of a clone."""
    if vm_options.stored.get("protection") == "1":
        driver.tool.put(f"{vm_options.path}/config", protection=0, digest=vm_options.digest)
