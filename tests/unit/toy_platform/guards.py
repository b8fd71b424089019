# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Toy: what a plan needs from the host, which has room for so many CPUs in one VM."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._kit.guards import StepGuard

_CPUS_OF_HOST = 4


def _check_cpus(driver, plan, one):
    for change in one.changes:
        if change.kind == "cpus" and change.new > _CPUS_OF_HOST:
            raise Refused(
                f"{plan.after.name}: cpus: {change.new} is more than the host has ({_CPUS_OF_HOST}).",
                f"Set cpus to at most {_CPUS_OF_HOST}.",
            )


GUARDS = (StepGuard(("create", "cpus"), _check_cpus, "the host has fewer CPUs"),)
