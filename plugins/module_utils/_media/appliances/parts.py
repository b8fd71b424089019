# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an appliance consists of: parts of files on this host, and disks that are compressed or divided into pieces.

qemu-img can read the latter only as separate files. They may also be members of an archive that is compressed as a
whole.
"""

from __future__ import annotations

import zlib
from typing import Any, Optional

from ..._core.frozen import Frozen
from ..._ports import files
from .envelope import LARGEST_TEXT, Damaged

GZIP = "gzip"
#: Archives of tar have blocks of this size.
BLOCK = 512
_PIECE = 4 * 1024 * 1024
#: Smaller, because what follows a member is copied for each member.
_PIECE_OF_GZIP = 256 * 1024
#: For zlib: the header of gzip.
_GZIP_BITS = 31
#: What a disk in a file may need beyond its own size.
_OVERHEAD = 64 * 1024 * 1024
#: How many times its size an archive may have when it is unpacked: a disk without data is at most as small.
_MOST_TIMES = 200


class Part(Frozen):
    """A file of an appliance: ``size`` bytes of the file at ``path``, from ``offset`` on.

    ``remote``: what reads the file until it is downloaded (address.py), else None.
    """

    path: str
    offset: int
    size: int
    remote: Any = None

    @property
    def of_archive(self):
        """(offset, size in whole blocks of an archive); None for a file of its own."""
        return (self.offset, -(-self.size // BLOCK) * BLOCK) if self.offset else None

    def read(self, offset, length):
        length = max(min(length, self.size - offset), 0)
        if self.remote:
            return self.remote.read(self.offset + offset, length)
        return files.read_part(self.path, self.offset + offset, length)

    def whole(self):
        if self.size > LARGEST_TEXT:
            raise Damaged("is larger than any text in an appliance")
        return self.read(0, self.size)

    def blocks(self):
        for offset in range(0, self.size, _PIECE):
            yield self.read(offset, _PIECE)


class Packed(Frozen):
    """A disk in pieces, or compressed: ``parts`` in order; ``compression`` is empty or GZIP, of all parts together.

    ``window``: (offset, size) of the only bytes that count in what is unpacked, else None.
    """

    parts: tuple
    compression: str = ""
    window: Optional[tuple] = None

    @property
    def path(self):
        return self.parts[0].path

    @property
    def size(self):
        """The size of a member of an archive."""
        return self.window[1]

    @property
    def as_data(self):
        parts = [[one.path, one.offset, one.size] for one in self.parts]
        return {"compression": self.compression, "parts": parts, "window": self.window}

    @classmethod
    def of_data(cls, data):
        return cls([Part(*one) for one in data["parts"]], data["compression"], data["window"])

    def blocks(self):
        """Yield the content in blocks of a limited size. Raises Damaged."""
        begin, end = (0, None) if self.window is None else (self.window[0], sum(self.window))
        at = 0
        # To the end of the archive, so that its own checksum is compared.
        for block in self._unpacked() if end is None else self.limited():
            part = block[max(begin - at, 0) : None if end is None else max(end - at, 0)]
            at += len(block)
            if part:
                yield part
        if end is not None and at < end:
            raise Damaged("is incomplete")

    def limited(self):
        """Yield the whole content of an archive in blocks. Raises Damaged if it unpacks to more than any appliance."""
        left = sum(part.size for part in self.parts) * _MOST_TIMES + _OVERHEAD
        for block in self._unpacked():
            left -= len(block)
            if left < 0:
                raise Damaged(f"unpacks to more than {_MOST_TIMES} times its size")
            yield block

    def _unpacked(self):
        content = self._content(_PIECE_OF_GZIP if self.compression else _PIECE)
        return _unpacked(content) if self.compression else content

    def _content(self, size):
        for part in self.parts:
            for offset in range(0, part.size, size):
                yield part.read(offset, size)

    def read(self, _offset, length):
        """Return the first bytes; a compressed disk cannot be read from another place."""
        found = b""
        for block in self.blocks():
            found += block
            if len(found) >= length:
                break
        return found[:length]

    def whole(self):
        if self.size > LARGEST_TEXT:
            raise Damaged("is larger than any text in an appliance")
        return b"".join(self.blocks())

    def size_up_to(self, capacity):
        """Return the size of the content. Raises Damaged if it is larger than a disk with this capacity can be."""
        most, found = capacity + capacity // 8 + _OVERHEAD, 0
        for block in self.blocks():
            found += len(block)
            if found > most:
                raise Damaged("contains a disk that unpacks to more than its size")
        return found


def _unpacked(pieces):
    """Yield the content of all members of a gzip file; bgzip writes many. Zeros may follow each one. Raises Damaged."""
    unpacker = zlib.decompressobj(_GZIP_BITS)
    try:
        for piece in pieces:
            data = piece
            while data:
                if unpacker.eof:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    unpacker = zlib.decompressobj(_GZIP_BITS)
                block = unpacker.decompress(data, _PIECE)
                # For a Stream, an empty block is the end.
                if block:
                    yield block
                data = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    except zlib.error as error:
        raise Damaged(f"contains a damaged compressed disk: {error}") from error
    if not unpacker.eof:
        raise Damaged("contains a compressed disk that is incomplete")


class Stream:
    """The whole content of a Packed, which is read once, with increasing offsets."""

    def __init__(self, packed):
        self._blocks, self._block, self._begin = packed.limited(), b"", 0

    def read(self, offset, length):
        """Return ``length`` bytes from ``offset`` on; fewer at the end."""
        found = b""
        while len(found) < length:
            at = offset + len(found) - self._begin
            found += self._block[at : at + length - len(found)]
            if len(found) < length:
                self._begin, self._block = self._begin + len(self._block), next(self._blocks, b"")
                if not self._block:
                    break
        return found
