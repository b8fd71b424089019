# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes VMs: Vagrant destroys the VM, then its description is removed from the managed Vagrantfile."""

from __future__ import annotations

from ..._core.errors import PartlyApplied
from .in_vagrant import LONG


def delete(driver, vm, step):
    if driver.project_vm(vm.name).created is not None:
        driver.vagrant_for(vm.name).run("destroy", "-f", vm.name, timeout=LONG)
        created = driver.project_vm(vm.name).created
        if created is not None:
            raise PartlyApplied(
                f"{vm.name}: Vagrant has not deleted it.", f"Check the remaining files in {created.folder}."
            )
    if driver.project.managed:
        driver.project.remove(vm.name)
