# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The free space that the new disks of a task share."""

from __future__ import annotations

from .._core.units import too_little_space


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
            shared = " left by other disks of this task" if others else ""
            left = max(free - others, 0)
            raise too_little_space(f"{name}: {option}", needed, place, left, alternative, others=shared)
        reserved[name, option] = needed
