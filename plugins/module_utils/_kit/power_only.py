# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Light observations: while the task waits, only power state and addresses of known VMs are read."""

from __future__ import annotations

_LIGHT = frozenset({"power", "addresses"})


def is_light(targets, facets):
    """Return whether only power and addresses are needed, and the ids of all VMs are known."""
    return bool(targets) and facets <= _LIGHT and all(target.id for target in targets)


class KnownSettings:
    """The settings from full observations; light observations report them again."""

    def __init__(self):
        self._configs = {}

    def remember(self, vms):
        self._configs.update({vm.id: vm.config for vm in vms})

    def of(self, vm_id):
        return self._configs.get(vm_id, {})
