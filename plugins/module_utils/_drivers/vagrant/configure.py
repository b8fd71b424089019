# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: changes settings in the managed Vagrantfile; the provider applies them at the next start."""

from __future__ import annotations

from ..._core.planner.simulate import changed_config
from .settings.table import changed_description, config_of


def configure(driver, vm, step):
    project_vm = driver.project_vm(vm.name)
    config = changed_config(config_of(project_vm.described, vm.config["environment"]), step.changes)
    is_changed = any(change.field == "environment" for change in step.changes)
    described = changed_description(project_vm.described, config)
    environment = config["environment"] if is_changed else None
    driver.project.define(described, environment, before=project_vm.described)
