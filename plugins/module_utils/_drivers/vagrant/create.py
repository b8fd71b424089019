# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: creates VMs: in a managed project, a new VM is written to the Vagrantfile; its first start creates it."""

from __future__ import annotations

from ..._core.record.leases import iso
from ..._core.record.mark import CREATED, inputs_of
from .power import start
from .settings.table import description_of


def create(driver, vm, step):
    if not driver.project.managed:
        start(driver, vm, step)
        return
    config = step.arguments["config"]
    described = description_of(vm.name, config, inputs_of(step.arguments), iso(config.get(CREATED)))
    driver.project.define(described, config.get("environment"), is_new=True)
