# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing into VirtualBox's own disk images, as a guest would: QEMU's tools refuse those that stand on another."""

from __future__ import annotations

import struct

#: Where the header tells of the map of blocks, of the data, of a block's size, and of how many blocks are there.
_MAP_AT, _DATA_AT, _BLOCK_SIZE, _ALLOCATED = 0x154, 0x158, 0x178, 0x184
_NOT_THERE = 0xFFFFFFFF


def write(path, data):
    """Put ``data`` at the beginning of the disk; what else its first block holds is lost."""
    with open(path, "r+b") as file:
        start, data_at, size = (_number(file, place) for place in (_MAP_AT, _DATA_AT, _BLOCK_SIZE))
        block = _number(file, start)
        if block >= _NOT_THERE - 1:
            block = _number(file, _ALLOCATED)
            _set(file, start, block)
            _set(file, _ALLOCATED, block + 1)
        file.seek(data_at + block * size)
        file.write(data.ljust(size, b"\0"))


def _number(file, place):
    file.seek(place)
    return struct.unpack("<I", file.read(4))[0]


def _set(file, place, number):
    file.seek(place)
    file.write(struct.pack("<I", number))
