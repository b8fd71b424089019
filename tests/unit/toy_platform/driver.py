# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The driver of a platform in memory, written by the guide "Adding a platform" of docs/architecture.md."""

from __future__ import annotations

from functools import cached_property, partial

from ansible_collections.polyvirt.core.plugins.module_utils._kit.driver import carry_out, functions_of
from ansible_collections.polyvirt.core.plugins.module_utils._kit.guards import check_all
from ansible_collections.polyvirt.core.plugins.module_utils._kit.one_by_one import one_by_one
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter, permits

from unit.toy_platform.guards import GUARDS
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
        return check_all(GUARDS, self, plan, released)

    def apply(self, batch):
        return one_by_one(partial(carry_out, self), batch, change_counter.count, permits.granted)

    @cached_property
    def verbs(self):
        from unit.toy_platform import configure, create, delete, power

        return functions_of(power, create, configure, delete)
