# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VDI files, as far as tests need them: read and write the beginning of a disk.

QEMU's tools cannot read differencing images, and VirtualBox cannot copy one that is larger than its parent.
"""

from __future__ import annotations

import os
import struct
import uuid

#: Positions in the header: the offset of the block map, the offset of the data, the block size, and the number of
#: allocated blocks.
_MAP_AT, _DATA_AT, _BLOCK_SIZE, _ALLOCATED = 0x154, 0x158, 0x178, 0x184
#: Entries of the map for a block of zeroes and for a block that is not allocated.
_ZEROES = 0xFFFFFFFE
_NOT_THERE = _ZEROES + 1
_SIZE, _COUNT, _UUID, _PARENT = 0x170, 0x180, 0x188, 0x1A8
_TEXT, _SIGNATURE, _VERSION, _HEADER, _DYNAMIC = (
    b"<<< Oracle VM VirtualBox Disk Image >>>\n",
    0xBEDA107F,
    0x10001,
    400,
    1,
)
#: Offset of the map, and block size, in images that are created here.
_MAP, _BLOCK = 4096, 1024 * 1024


def prepare(path, size, own_uuid, parent):
    """Create an empty image of ``size`` bytes, or change size and UUIDs of an existing one."""
    is_new = not os.path.exists(path)
    count = -(-size // _BLOCK)
    # The position of the data does not fit if the disk is too large, and VirtualBox creates a broken image.
    data_at = (_MAP + -(-4 * count // _MAP) * _MAP) & _NOT_THERE
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
        file.seek(_PARENT)
        file.write(parent.bytes_le)


def uuid_of(header):
    return uuid.UUID(bytes_le=header[_UUID : _UUID + 16])


def size_of(header):
    return struct.unpack_from("<Q", header, _SIZE)[0]


def write(path, data):
    """Overwrite the first block of a disk with ``data``, padded with zeroes."""
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
    """The beginning of a disk; ``paths`` are its image and its backing images, nearest first."""
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
