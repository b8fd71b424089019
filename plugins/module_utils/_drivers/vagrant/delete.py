# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting VMs: Vagrant destroys what it has created, then the description is removed from the managed Vagrantfile."""

from __future__ import annotations

from ..._lifecycle.errors import PartlyApplied
from .in_vagrant import LONG


def delete(driver, vm, step):
    if driver.known(vm.name).created is not None:
        driver.vagrant_for(vm.name).run("destroy", "-f", vm.name, timeout=LONG)
        left = driver.known(vm.name).created
        if left is not None:
            raise PartlyApplied(f"{vm.name}: Vagrant has not deleted it.", f"See what remains in {left.folder}.")
    if driver.project.managed:
        driver.project.remove(vm.name)
