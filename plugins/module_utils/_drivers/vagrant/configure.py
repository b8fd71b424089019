# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes settings in the managed Vagrantfile; the provider applies them at the next start."""

from __future__ import annotations

from ..._core.mark import CREATED
from ..._core.simulate import changed_config
from .settings.table import INPUTS, config_of, description_of


def configure(driver, vm, step):
    project_vm = driver.project_vm(vm.name)
    config = changed_config(config_of(project_vm.described, vm.config["environment"]), step.changes)
    is_changed = any(change.field == "environment" for change in step.changes)
    inputs, created = _inputs(project_vm.described, config), project_vm.described.get(CREATED)
    described = description_of(vm.name, config, inputs, created)
    driver.project.define(described, config["environment"] if is_changed else None)


def _inputs(described, config):
    """The image that a VM was described from; none if it has got another box since."""
    return described.get(INPUTS) if described.get("box") == config.get("box") else None
