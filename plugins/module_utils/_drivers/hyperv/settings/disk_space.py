# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calculate how much space the files of new and growing disks need. Dynamic disks need it only when a guest writes."""

from __future__ import annotations

import ntpath

from ...._lifecycle.errors import Refused
from ...._lifecycle.units import human_size


def is_fixed(disk):
    return (disk.get("format") or "").endswith("-fixed")


def bytes_of_new(disk, chain):
    """Return the bytes of a new disk.

    ``chain`` are the raw disks from which the content is copied: a file and all its parents. Empty for a new disk
    without content, None for a linked one.
    """
    if chain is None:
        return 0
    size = max((raw.get("Size") or 0 for raw in chain), default=0)
    if is_fixed(disk):
        return max(size, disk.get("size") or 0)
    files = [raw.get("FileSize") or 0 for raw in chain]
    # Parents also have blocks that are not copied, because a file above them has newer ones.
    return min(sum(files), max([size, *files]))


def growth(one, linked):
    """Yield (slot, path or None, bytes) of the fixed disks that a planned step enlarges.

    ``linked`` are the slots of linked disks. A disk that the task creates has no path yet.
    """
    for change in one.changes:
        disk = (one.vm.config.get("disks") or {}).get(change.key) or {} if change.kind == "disks.size" else {}
        if is_fixed(disk) and change.key not in linked:
            yield change.key, disk.get("source"), change.new - (change.old or 0)


def check_growth(name, grown, free):
    """Raise Refused if fixed disks cannot grow. ``grown`` is from ``growth``; ``free``: {path: free bytes or None}."""
    needed = {}
    for slot, path, more in grown:
        drive = ntpath.splitdrive(path)[0].lower()
        needed[drive] = needed.get(drive, 0) + more
        if free.get(path) is not None and needed[drive] > free[path]:
            raise Refused(
                f"{name}: disks.{slot}.size: {path} needs {human_size(more)} more, because its size is fixed, and its"
                f" drive has {free[path] >> 20}M of free space.",
                "Free some space, or set a smaller size.",
            )
