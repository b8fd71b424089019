# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a VM, and which volumes are deleted with it: the server removes the VM's own, and no others."""

from __future__ import annotations

from ..._lifecycle.errors import NotFound, Refused
from ..._lifecycle.model import File
from ..._tools import proxmox_values as values
from .settings.disks import media_of, volumes_of


def files_of(tool, vm_options, names):
    """The volumes of one VM, each with who else needs it; ``names`` are those of all VMs by id."""
    users = _users(tool, vm_options, names) if vm_options.stored.get("template") == "1" else {}
    files = [_file(vm_options, volume, users, names) for volume in volumes_of(vm_options.stored).values()]
    return (*files, *(File(medium, "medium") for medium in media_of(vm_options.stored).values()))


def _file(vm_options, volume, users, names):
    owner = values.owner_of(volume)
    if owner != vm_options.vmid:
        return File(volume, "disk", used_by=(names.get(owner, f"VM {owner}"),) if owner else ())
    return File(volume, "disk", ours=True, used_by=users.get(volume, ()), bound=True)


def _users(tool, vm_options, names):
    """{volume of a template: names of its linked clones}."""
    found = {}
    for storage in sorted({volume.partition(":")[0] for volume in volumes_of(vm_options.stored).values()}):
        for one in tool.get(f"/nodes/{vm_options.node}/storage/{storage}/content", content="images"):
            if one.get("parent"):
                base = one["parent"].partition("@")[0]
                volume = base if ":" in base else f"{storage}:{base}"
                vmid = str(one.get("vmid") or values.owner_of(one["volid"]))
                found.setdefault(volume, set()).add(names.get(vmid, f"VM {vmid}"))
    return {volume: tuple(sorted(users)) for volume, users in found.items()}


def delete(driver, vm, step):
    try:
        vm_options = driver.observer.read_options(vm.id)
    except NotFound:
        return
    name = vm_options.stored.get("name") or f"VM {vm.id}"
    if name != vm.name:
        raise Refused(f"{vm.name}: VM {vm.id} is '{name}' now.", "Run the task again.")
    if vm.config.get("protection"):
        # A planned deletion of a protected VM fails, so this is a new VM whose creation is undone.
        lift_protection(driver, vm_options)
    driver.tool.run("DELETE", vm_options.path, purge=True)


def lift_protection(driver, vm_options):
    """A new VM has that from the task, or a clone from its source."""
    if vm_options.stored.get("protection") == "1":
        driver.tool.put(f"{vm_options.path}/config", protection=0)
