# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in memory, as VMs."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Observation, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record import mark as marks


def observe(platform, targets):
    vms = [
        Vm(
            name=kept["name"],
            id=vm_id,
            power=kept["power"],
            config=dict(kept["config"]),
            mark=marks.parsed(kept["mark"]),
        )
        for vm_id, kept in platform.items()
    ]
    keys = {target.key for target in targets or ()}
    found = [vm for vm in vms if targets is None or {("id", vm.id), ("name", vm.name)} & keys]
    return Observation(vms=found, known=tuple(vm.name for vm in vms))
