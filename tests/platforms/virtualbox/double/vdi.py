# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's own disk images, as far as tests look into them: the beginning of a disk, as a guest would find it.

QEMU's tools refuse images that stand on another, and VirtualBox copies none that is larger than what it stands on.
"""

from __future__ import annotations

import os
import struct
import uuid

#: Where the header tells of the map of blocks, of the data, of a block's size, and of how many blocks are there.
_MAP_AT, _DATA_AT, _BLOCK_SIZE, _ALLOCATED = 0x154, 0x158, 0x178, 0x184
#: What the map says of a block that is all zeroes; one more is one that is not there.
_ZEROES = 0xFFFFFFFE
_NOT_THERE = _ZEROES + 1
_SIZE, _COUNT, _UUID = 0x170, 0x180, 0x188
_TEXT, _SIGNATURE, _VERSION, _HEADER, _DYNAMIC = (
    b"<<< Oracle VM VirtualBox Disk Image >>>\n",
    0xBEDA107F,
    0x10001,
    400,
    1,
)
#: Of images that are made here.
_MAP, _BLOCK = 4096, 1024 * 1024


def prepare(path, size, own_uuid):
    """An image of ``size`` bytes on which nothing is written yet; of one that is there only size and UUID change."""
    is_new = not os.path.exists(path)
    count = -(-size // _BLOCK)
    data_at = _MAP + -(-4 * count // _MAP) * _MAP
    with open(path, "wb" if is_new else "r+b") as file:
        if is_new:
            file.write(_TEXT.ljust(64, b"\0") + struct.pack("<IIII", _SIGNATURE, _VERSION, _HEADER, _DYNAMIC))
            for place, number in ((_MAP_AT, _MAP), (_DATA_AT, data_at), (_BLOCK_SIZE, _BLOCK), (_ALLOCATED, 0)):
                _set(file, place, number)
            _set(file, _MAP, _NOT_THERE)
        file.seek(_SIZE)
        file.write(struct.pack("<Q", size))
        _set(file, _COUNT, count)
        file.seek(_UUID)
        file.write(own_uuid.bytes_le)


def uuid_of(header):
    return uuid.UUID(bytes_le=header[_UUID : _UUID + 16])


def size_of(header):
    return struct.unpack_from("<Q", header, _SIZE)[0]


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
