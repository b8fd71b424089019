# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk of an appliance that is compressed or divided into pieces: qemu-img can read it only as a separate file."""

from __future__ import annotations

import zlib

from ..._core.frozen import Frozen
from .container import Part
from .envelope import Damaged

GZIP = "gzip"
_PIECE = 4 * 1024 * 1024
#: For zlib: the header of gzip.
_GZIP_BITS = 31
#: What a disk in a file may need beyond its own size.
_OVERHEAD = 64 * 1024 * 1024


class Packed(Frozen):
    """``parts`` in their order; ``compression`` is empty or GZIP, of all parts together."""

    parts: tuple
    compression: str = ""

    @property
    def as_data(self):
        return {"compression": self.compression, "parts": [[one.path, one.offset, one.size] for one in self.parts]}

    @classmethod
    def of_data(cls, data):
        return cls([Part(*one) for one in data["parts"]], data["compression"])

    def blocks(self):
        """Yield the content in blocks of a limited size. Raises Damaged."""
        unpacker = zlib.decompressobj(_GZIP_BITS) if self.compression else None
        for part in self.parts:
            for offset in range(0, part.size, _PIECE):
                data = part.read(offset, _PIECE)
                if unpacker is None:
                    yield data
                else:
                    yield from _unpacked(unpacker, data)
        if unpacker is not None and not unpacker.eof:
            raise Damaged("contains a compressed disk that is incomplete")

    def read(self, _offset, length):
        """Return the first bytes; a compressed disk cannot be read from another place."""
        found = b""
        for block in self.blocks():
            found += block
            if len(found) >= length:
                break
        return found[:length]

    def size_up_to(self, capacity):
        """Return the size of the content. Raises Damaged if it is larger than a disk with this capacity can be."""
        most, found = capacity + capacity // 8 + _OVERHEAD, 0
        for block in self.blocks():
            found += len(block)
            if found > most:
                raise Damaged("contains a disk that unpacks to more than its size")
        return found


def _unpacked(unpacker, data):
    try:
        while data and not unpacker.eof:
            yield unpacker.decompress(data, _PIECE)
            data = unpacker.unconsumed_tail
    except zlib.error as error:
        raise Damaged(f"contains a damaged compressed disk: {error}") from error
