# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changing settings."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.simulate import changed_config
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter


def configure(driver, vm, step):
    kept = driver.platform[vm.id]
    kept["config"] = changed_config(kept["config"], step.changes)
    change_counter.note()
