# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: creates and changes VMs: in a managed project, in the Vagrantfile; the first start of a VM creates it."""

from __future__ import annotations

from ..._core.planner.simulate import changed_config
from ..._core.record.leases import iso
from ..._core.record.mark import CREATED, inputs_of
from .power import start
from .settings.table import changed_description, config_of, description_of


def create(driver, vm, step):
    if not driver.project.managed:
        start(driver, vm, step)
        return
    config = step.arguments["config"]
    described = description_of(vm.name, config, inputs_of(step.arguments), iso(config.get(CREATED)))
    driver.project.define(described, config.get("environment"), is_new=True)


def configure(driver, vm, step):
    project_vm = driver.project_vm(vm.name)
    config = changed_config(config_of(project_vm.described, vm.config["environment"]), step.changes)
    is_changed = any(change.field == "environment" for change in step.changes)
    described = changed_description(project_vm.described, config)
    environment = config["environment"] if is_changed else None
    driver.project.define(described, environment, before=project_vm.described)
