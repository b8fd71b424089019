# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of what the VMs of one owner, fleet or host may use together. Pure.

They protect from mistakes and are not a reservation: two tasks at the same time may exceed a limit together.
"""

from __future__ import annotations

from ..errors import Refused
from ..model import ABSENT
from ..units import human_size


def _setting(vm, name):
    found = vm.config.get(name)
    return vm.effective.get(name) if found is None else found


def _size_of_disks(vm):
    """Return the virtual size of all disks of a VM together; None if one of them is not known."""
    sizes = [disk.get("size") for disk in (vm.config.get("disks") or {}).values()]
    return None if None in sizes else sum(sizes)


#: {limit: how it is counted in a VM}. A value that is not known is None.
_COUNTED = {
    "vms": lambda vm: 1,
    "cpus": lambda vm: _setting(vm, "cpus"),
    "memory": lambda vm: _setting(vm, "memory"),
    "disk_size": _size_of_disks,
}
_SHOWN = {
    "vms": "{} VMs".format,
    "cpus": "{} CPUs".format,
    "memory": lambda size: f"{human_size(size)} of memory",
    "disk_size": lambda size: f"disks of {human_size(size)}",
}


def _amounts(vm):
    """Return what a VM uses, by limit; none of a VM that does not exist, or of which that is not known."""
    return {name: 0 if vm.power == ABSENT else count(vm) or 0 for name, count in _COUNTED.items()}


class Usage:
    """What the VMs of a host use, group by group, while plans are added one after the other.

    ``vms`` are all that exist there, ``limits`` are those of the task.
    """

    def __init__(self, vms, limits):
        self._per = limits.get("per", "owner")
        self._limits = {name: limits[name] for name in _COUNTED if limits.get(name) is not None}
        self._used = {}
        for vm in vms:
            self._count(vm, _amounts(vm))

    def _group(self, vm):
        """Return the group of a VM; a VM that a user copied has no owner and no fleet."""
        return "" if self._per == "host" else vm.config.get(self._per) or ""

    def _count(self, vm, amounts):
        used = self._used.setdefault(self._group(vm), dict.fromkeys(_COUNTED, 0))
        for name in _COUNTED:
            used[name] += amounts[name]

    def _kept(self, plan):
        """Return what a VM uses both before and after a plan, in the same group."""
        before, after = _amounts(plan.before), _amounts(plan.after)
        is_same = self._group(plan.before) == self._group(plan.after)
        return {name: min(before[name], after[name]) if is_same else 0 for name in _COUNTED}

    def release(self, plan):
        """Count no more what a plan frees. Plans of one task make room for each other in any order."""
        before, kept = _amounts(plan.before), self._kept(plan)
        self._count(plan.before, {name: kept[name] - before[name] for name in _COUNTED})

    def add(self, plan):
        """Count what a plan adds, after ``release``. Raises Refused if its group then uses more than is permitted."""
        after, kept = plan.after, self._kept(plan)
        added = {name: amount - kept[name] for name, amount in _amounts(after).items()}
        self._count(after, added)
        for name, limit in self._limits.items():
            self._check_known(name, _COUNTED[name](after), after)
            used = self._used[self._group(after)][name]
            if added[name] > 0 and used > limit:
                shown = _SHOWN[name]
                raise Refused(
                    f"{after.name}: limits: {self._label(after)} would use {shown(used)}, and {shown(limit)} are"
                    f" permitted; {shown(used - added[name])} are in use.",
                    "Delete or shrink VMs first, or raise the limit.",
                )

    def _check_known(self, name, value, vm):
        if value is None:
            raise Refused(
                f"{vm.name}: limits: {name} cannot be compared, because the task does not set it and the platform or"
                " the image decides.",
                "Set it in the task: cpus, memory, and the size of each disk.",
            )

    def _label(self, vm):
        group = self._group(vm)
        if self._per == "host":
            return "all VMs of this host"
        return f"{self._per} {group}" if group else f"the VMs without {self._per}"


def grows(plan):
    """Return whether a plan may use more of anything, or moves a VM to another group."""
    if not plan.changed or plan.after.power == ABSENT:
        return False
    kinds = {change.kind for step in plan.steps for change in step.changes}
    growing = {"cpus", "memory", "disks.add", "disks.size", "owner", "fleet"}
    return plan.before.power == ABSENT or bool(kinds & growing) or any(step.verb == "create" for step in plan.steps)
