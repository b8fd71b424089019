# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Light observations: while something is waited for, only power and addresses of known VMs are read."""

from __future__ import annotations

#: What an info module observes if it is to read no more than what the platform lists of all VMs at once.
LIST = frozenset({"list"})
_LIGHT = frozenset({"power", "addresses"})


def is_light(targets, facets):
    """Whether power and addresses are enough, of VMs whose ids are known."""
    return bool(targets) and facets <= _LIGHT and all(target.id for target in targets)


class KnownSettings:
    """What full observations found; a light one reports the same settings again."""

    def __init__(self):
        self._configs = {}

    def remember(self, vms):
        self._configs.update({vm.id: vm.config for vm in vms})

    def of(self, vm_id):
        return self._configs.get(vm_id, {})
