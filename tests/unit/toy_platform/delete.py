# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting VMs; one that is gone already needs nothing."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter


def delete(driver, vm, step):
    driver.platform.pop(vm.id, None)
    change_counter.note()
