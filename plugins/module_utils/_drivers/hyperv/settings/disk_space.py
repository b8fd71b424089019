# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calculate how much space the files of new and growing disks need. Dynamic disks need it only when a guest writes."""

from __future__ import annotations

import ntpath

from ...._core.units import MIB

#: Bytes of a fixed VHDX beside its data: headers, log and metadata (ASSUMED; a VHD has less).
_FIXED_OVERHEAD = 4 * MIB


def is_fixed(disk):
    return (disk.get("format") or "").endswith("-fixed")


def bytes_of_new(disk, chain):
    """Return the bytes of a new disk.

    ``chain`` are the raw disks from which the content is copied: a file and all its parents. Empty for a new disk
    without content.
    """
    size = max((raw.get("Size") or 0 for raw in chain), default=0)
    if is_fixed(disk):
        return max(size, disk.get("size") or 0) + _FIXED_OVERHEAD
    files = [raw.get("FileSize") or 0 for raw in chain]
    # Parents also have blocks that are not copied, because a file above them has newer ones.
    return min(sum(files), max([size, *files]))


def drive_of(path):
    return ntpath.splitdrive(path)[0].upper()
