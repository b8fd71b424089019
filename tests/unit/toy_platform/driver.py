# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of a platform in memory, written by the guide "Adding a platform" of docs/architecture.md."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import POWER_VERBS
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._ports import writes

from unit.toy_platform.observe import observe
from unit.toy_platform.traits import TRAITS


class ToyDriver:
    """``platform`` has the VMs: {id: {name, power, config, mark}}."""

    def __init__(self, platform):
        self.platform = platform

    def traits(self):
        return TRAITS

    def observe(self, targets, facets):
        return observe(self.platform, targets)

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan, released=frozenset()):
        from unit.toy_platform.checks import check_plan

        check_plan(self, plan)

    def apply(self, batch):
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        getattr(self.file_of(step.verb), step.verb)(self, vm, step)

    def file_of(self, verb):
        if verb in POWER_VERBS:
            from unit.toy_platform import power as file
        elif verb == "create":
            from unit.toy_platform import create as file
        elif verb == "configure":
            from unit.toy_platform import configure as file
        else:
            from unit.toy_platform import delete as file
        return file
