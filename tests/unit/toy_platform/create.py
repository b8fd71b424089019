# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating VMs: the mark makes the second of two equal calls find what the first one created."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import mark as marks
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter


def create(driver, vm, step):
    vm_id = f"toy-{vm.name}"
    config = {"description": "", **step.arguments["config"]}
    mark = marks.with_settings(marks.empty_mark(vm_id), config)
    kept = {"name": vm.name, "power": STOPPED, "config": config, "mark": marks.printed(mark)}
    driver.platform.setdefault(vm_id, kept)
    change_counter.note()
