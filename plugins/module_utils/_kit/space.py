# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has for VMs: its memory, and the free space that the new disks of a task share."""

from __future__ import annotations

import re

from .._core.errors import PolyvirtError, Refused
from .._core.units import GIB, MIB, human_size, too_little_space

#: So many times the memory of the host is a mistake, also for a VM that is not started now.
ALWAYS_TOO_MUCH = 8
_MEMORY = re.compile(rb"^(MemTotal|SwapTotal): +(\d+) kB$", re.MULTILINE)


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


def memory_of_host(files):
    """Bytes of RAM and of swap of a Linux host; 0 if they cannot be read. ``files`` is the port."""
    try:
        sizes = dict(_MEMORY.findall(files.read("/proc/meminfo")))
    except PolyvirtError:
        return 0, 0
    return tuple(int(sizes.get(name, 0)) * 1024 for name in (b"MemTotal", b"SwapTotal"))


def check_memory(plan, files):
    """Raise Refused if a VM has many times the memory of the host; return a warning if it has more than its RAM."""
    ram, swap = memory_of_host(files)
    if (plan.after.config.get("memory") or 0) > ALWAYS_TOO_MUCH * (ram + swap) > 0:
        raise too_much_memory(plan, "memory", ram + swap)
    return memory_warnings(plan, ram)


def too_much_memory(plan, option, total):
    return Refused(
        f"{plan.after.name}: {option}: {human_size(plan.after.config[option])} is more than the hypervisor has"
        f" ({_rounded(total)} of RAM and swap).",
        "Set a smaller size.",
    )


def memory_warnings(plan, ram, so="If the guest uses it, the host is slow, or ends the VM."):
    """Return a warning if the VM is larger than the RAM of the host; 0 or None: not known. ``so``: what happens."""
    if not 0 < (ram or 0) < (plan.after.config.get("memory") or 0):
        return []
    return [
        f"{plan.after.name}: memory: {human_size(plan.after.config['memory'])} is more than the RAM of the"
        f" hypervisor ({_rounded(ram)}). {so}"
    ]


def _rounded(size):
    unit = GIB if size >= GIB else MIB
    return human_size(size // unit * unit)
