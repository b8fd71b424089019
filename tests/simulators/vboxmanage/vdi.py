# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's own disk images, as far as tests look into them: the beginning of a disk, as a guest would find it.

QEMU's tools refuse images that stand on another, and VirtualBox copies none that is larger than what it stands on.
"""

from __future__ import annotations

import struct

#: Where the header tells of the map of blocks, of the data, of a block's size, and of how many blocks are there.
_MAP_AT, _DATA_AT, _BLOCK_SIZE, _ALLOCATED = 0x154, 0x158, 0x178, 0x184
#: What the map says of a block that is all zeroes; one more is one that is not there.
_ZEROES = 0xFFFFFFFE


def write(path, data):
    """Put ``data`` at the beginning of the disk; what else its first block holds is lost."""
    with open(path, "r+b") as file:
        start, data_at, size = (_number(file, place) for place in (_MAP_AT, _DATA_AT, _BLOCK_SIZE))
        block = _number(file, start)
        if block >= _ZEROES:
            block = _number(file, _ALLOCATED)
            _set(file, start, block)
            _set(file, _ALLOCATED, block + 1)
        file.seek(data_at + block * size)
        file.write(data.ljust(size, b"\0"))


def read(paths, length):
    """The beginning of a disk; ``paths`` are its image and those below it, nearest first."""
    for path in paths:
        with open(path, "rb") as file:
            start, data_at, size = (_number(file, place) for place in (_MAP_AT, _DATA_AT, _BLOCK_SIZE))
            block = _number(file, start)
            if block < _ZEROES:
                file.seek(data_at + block * size)
                return file.read(length)
            if block == _ZEROES:
                break
    return b"\0" * length


def _number(file, place):
    file.seek(place)
    return struct.unpack("<I", file.read(4))[0]


def _set(file, place, number):
    file.seek(place)
    file.write(struct.pack("<I", number))
