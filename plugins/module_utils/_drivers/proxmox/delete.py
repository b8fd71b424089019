# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a VM. The server also deletes the VM's own volumes, and no others."""

from __future__ import annotations

from ..._core.errors import NotFound, Refused
from .seed_iso import remove_seed


def delete(driver, vm, step):
    try:
        vm_options = driver.read_options(vm.id)
    except NotFound:
        return
    name = vm_options.stored.get("name") or f"VM {vm.id}"
    if name != vm.name:
        raise Refused(f"{vm.name}: VM {vm.id} is '{name}' now.", "Run the task again.")
    if vm.config.get("protection"):
        # The deletion of an existing protected VM was rejected before, so this is a new VM: its creation is undone.
        lift_protection(driver, vm_options)
    remove_seed(driver, vm_options)
    driver.tool.run("DELETE", vm_options.path, purge=True)


def lift_protection(driver, vm_options):
    """Turn off the protection of a new VM, which is set by the task, or copied from the source of a clone."""
    if vm_options.stored.get("protection") == "1":
        driver.tool.put(f"{vm_options.path}/config", protection=0)
