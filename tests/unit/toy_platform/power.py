# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting and stopping; a guest in memory always obeys."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter


def start(driver, vm, step):
    driver.platform[vm.id]["power"] = RUNNING
    change_counter.note()


def stop(driver, vm, step):
    driver.platform[vm.id]["power"] = STOPPED
    change_counter.note()


kill = stop
