# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What settings have in common: the options that a change writes, and costs."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...._lifecycle.errors import Refused
from ...._lifecycle.model import LIVE, NEXT_BOOT, POWER_OFF, SUSPENDED
from ...._tools import proxmox_values as values


@dataclass
class Writing:
    """Options to set and to take away. ``now`` are the VM's options as they are, ``storage`` is for new disks."""

    now: dict
    storage: str = ""
    put: dict = field(default_factory=dict)
    gone: list = field(default_factory=list)
    #: Options whose content is given up with them.
    lost: list = field(default_factory=list)
    #: {slot: bytes} of disks to grow.
    grown: dict = field(default_factory=dict)

    def value(self, key):
        """An option as it will be."""
        return None if key in self.gone else self.put.get(key, self.now.get(key))

    def set(self, key, value):
        """Empty: it is taken away, where it is there at all."""
        if value not in (None, ""):
            self.put[key] = str(value)
        elif key in self.now:
            self.gone.append(key)

    def merge(self, key, parts):
        """Sub-keys of an option; those that are None go."""
        present = {**values.parse(key, self.value(key) or ""), **parts}
        self.set(key, values.printed(key, {name: part for name, part in present.items() if part is not None}))

    @property
    def taken(self):
        """Slots in which nothing can be put: what goes from one by a call cannot come back by the same."""
        return {*self.now, *self.put}

    @property
    def allocates(self):
        return any(values.bus_of(key) or key.startswith(("efidisk", "tpmstate")) for key in self.put)


def plain(option, text=str):
    return lambda writing, change: writing.set(option, text(change.new))


def switch(option):
    return lambda writing, change: writing.set(option, "1" if change.new else "0")


def free_slot(taken, slots, what):
    found = next((slot for slot in slots if slot not in taken), None)
    if found is None:
        raise Refused(
            f"{what}: no slot is left for its drive: {', '.join(sorted(slots))} are taken.",
            "Detach a disk from one of them by a task before (state: absent); a new VM's disks may be elsewhere.",
        )
    return found


def unless_suspended(cost):
    """Nothing at all is changed of a VM whose memory lies on disk: it is locked."""
    return lambda vm, change: POWER_OFF if vm.power == SUSPENDED else cost


def plugs(feature):
    """What goes in and out of a running VM, where its hotplug has ``feature``."""

    def cost(vm, change):
        if vm.power == SUSPENDED:
            return POWER_OFF
        return LIVE if feature in vm.config.get("hotplug", ()) else NEXT_BOOT

    return cost
