# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs from the host, which has room for so many CPUs in one VM."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.planned_steps import planned_changes

_CPUS_OF_HOST = 4


def check_plan(driver, plan):
    for vm, change in planned_changes(plan):
        if change.kind == "cpus" and change.new > _CPUS_OF_HOST:
            raise Refused(
                f"{vm.name}: cpus: {change.new} is more than the host has ({_CPUS_OF_HOST}).",
                f"Set cpus to at most {_CPUS_OF_HOST}.",
            )
