# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of disks (``disks[].iops_limit``, ``disks[].bandwidth_limit``) on the platforms where QEMU enforces them."""

from __future__ import annotations

from dataclasses import dataclass

from .._core.errors import Refused

#: QEMU takes no larger number.
_MOST = 10**15


@dataclass(frozen=True)
class Limit:
    """A limit of all requests of a disk, in the words of a platform.

    QEMU does not start a VM that has it together with one of ``excluded``, or one of ``needing`` without any of these,
    or with its ``burst`` below it.
    """

    name: str
    excluded: tuple
    burst: str
    needing: tuple = ()


def normalized_limits(vm, disks, limits):
    """``disks`` without limits of 0: None removes the limit of a disk, and a new disk has none."""
    present = vm.config.get("disks") or {}
    return {slot: _normalized(vm, slot, entry, slot in present, limits) for slot, entry in disks.items()}


def _normalized(vm, slot, entry, is_present, limits):
    given = {name: entry[name] for name in limits if name in (entry or {})}
    if not given:
        return entry
    for name, limit in given.items():
        if limit > _MOST:
            raise Refused(f"{vm.name}: disks.{slot}.{name}: QEMU takes at most {_MOST}.", "Set 0 for no limit.")
    others = {name: value for name, value in entry.items() if name not in given}
    return {**others, **{name: limit or None for name, limit in given.items() if limit or is_present}}


def check_limit(about, limit, found, remedy):
    """Raise Refused if QEMU would not start a VM with the values of a disk, or not take them.

    ``found`` is {name in the words of the platform: number}, the limit included. ``remedy(name)`` is how to remove a
    value.
    """
    value = found.get(limit.name)
    if value:
        rejected = dict.fromkeys(limit.excluded, "with both")
    else:
        has_others = any(found.get(name) for name in limit.excluded)
        rejected = dict.fromkeys((limit.burst, *(() if has_others else limit.needing)), "with that alone")
    if value and found.get(limit.burst, value) < value:
        rejected[limit.burst] = "with a burst below the limit"
    for name, why in rejected.items():
        if found.get(name):
            raise Refused(f"{about}: the disk has {name} {found[name]:g}, and QEMU starts no VM {why}.", remedy(name))
