# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The free space that the new disks of a task share."""

from __future__ import annotations

from .._core.errors import Refused
from .._core.units import GIB, MIB, human_size


class ReservedSpace:
    """The space that the disks of a task's VMs need, by place: a directory or a drive."""

    def __init__(self):
        #: {place: {(name of the VM, option): bytes}}
        self._needed = {}

    def reserve(self, name, option, place, needed, free, alternative):
        """Reserve ``needed`` bytes for an option of a VM; ``free`` are the free bytes in ``place``, None if unknown.

        Raises Refused if they do not fit beside what is reserved for other options and other VMs. ``alternative`` is
        what the user can do instead of freeing space.
        """
        reserved = self._needed.setdefault(place, {})
        others = sum(size for key, size in reserved.items() if key != (name, option))
        if needed and free is not None and others + needed > free:
            left = max(free - others, 0)
            shared = " left by other disks of this task" if others else ""
            raise Refused(
                f"{name}: {option}: {_rounded_up(needed)} are needed, but {place} has only"
                f" {_rounded_down(left)} of free space{shared}.",
                f"Free some space there, or {alternative}.",
            )
        reserved[name, option] = needed


def _unit(size):
    """Return a unit in which a size has few digits."""
    return GIB if size >= 10 * GIB else MIB if size >= MIB else 1


def _rounded_up(size):
    unit = _unit(size)
    return human_size(-(-size // unit) * unit)


def _rounded_down(size):
    unit = _unit(size)
    return human_size(size // unit * unit)
