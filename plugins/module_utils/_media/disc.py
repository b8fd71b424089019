# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on an ISO image: its volume, its boot entries (El Torito), and its files (UDF).

Media of Windows have their files in UDF only, which few programs read. ``read(offset, length)`` returns bytes of the
image, wherever it is; nothing here reads more than it needs. Sources: ECMA-119, ECMA-167, El Torito 1.0.
"""

from __future__ import annotations

import struct

from .._core.errors import Refused
from .._core.frozen import Frozen

SECTOR = 2048
#: Sectors of the primary volume descriptor, of the boot record, and of the anchor of UDF.
_VOLUME, _BOOT_RECORD, _ANCHOR = 16, 17, 256
_UEFI = 0xEF
#: Tags of descriptors: anchor, partition, logical volume, end; file set, name, allocation, (extended) file entry.
_TAG_ANCHOR, _TAG_PARTITION, _TAG_VOLUME, _TAG_END = 2, 5, 6, 8
_TAG_FILE_SET, _TAG_NAME, _TAG_ALLOCATION = 256, 257, 258
_ALLOCATIONS_AT = {261: (168, 176), 266: (208, 216)}
#: An image may be damaged, or made to mislead: no directory or list of extents is longer.
_LONGEST = 1 << 20
_MOST_EXTENTS = 4096


class BootEntry(Frozen):
    """An entry of the boot catalogue; ``at`` is the offset of its first byte in the image."""

    at: int
    is_uefi: bool
    bootable: bool
    sector: int


class File(Frozen):
    """A file on the image: its size, and where its bytes are, as (offset, length); offset None means zeroes."""

    size: int
    extents: tuple

    @property
    def sector(self):
        """The first sector, by which a boot entry names a file; None if the file is in its own file entry."""
        offset = self.extents[0][0] if self.extents else None
        return None if offset is None or offset % SECTOR else offset // SECTOR


class Disc:
    """An ISO image. ``name`` is what messages call it."""

    def __init__(self, read, name):
        self._read, self._name = read, name
        self._partitions, self._root = None, None

    def volume(self):
        """(label, publisher) of the image."""
        found = self._sector(_VOLUME)
        if found[:6] != b"\x01CD001":
            raise self.error("it is not an ISO image")
        return tuple(
            found[start : start + length].decode("latin-1").strip(" \0") for start, length in ((40, 32), (318, 128))
        )

    def boot_entries(self):
        """The entries of the boot catalogue, in their order; empty if the image cannot be booted."""
        record = self._sector(_BOOT_RECORD)
        if record[:7] != b"\0CD001\x01" or record[7:30] != b"EL TORITO SPECIFICATION":
            return []
        at = _number("<I", record, 71) * SECTOR
        catalogue = self.bytes(at, SECTOR)
        found = [_boot_entry(catalogue, at, 32, catalogue[1])]
        place = 64
        while place + 32 <= SECTOR and catalogue[place] in (0x90, 0x91):
            count, is_last = _number("<H", catalogue, place + 2), catalogue[place] == 0x91
            entries = range(place + 32, min(place + 32 * (count + 1), SECTOR - 31), 32)
            found += [_boot_entry(catalogue, at, entry, catalogue[place + 1]) for entry in entries]
            place += 32 * (count + 1)
            if is_last:
                break
        return found

    def find(self, path):
        """The File with this path, in any case of letters, or None."""
        place = self._root_place()
        for name in path.lower().split("/"):
            place = self._names(place).get(name)
            if place is None:
                return None
        return self._file(place)

    def content(self, file, offset=0, length=None):
        """Bytes of a File; all of them without a length."""
        left = min(file.size - offset, file.size if length is None else length)
        if length is None and left > _LONGEST:
            raise self.error("a file is larger than expected")
        parts = []
        for start, size in file.extents:
            if left <= 0:
                break
            if offset < size:
                taken = min(size - offset, left)
                parts.append(bytes(taken) if start is None else self.bytes(start + offset, taken))
                left, offset = left - taken, 0
            else:
                offset -= size
        return b"".join(parts)

    def bytes(self, offset, length):
        found = self._read(offset, length)
        if len(found) != length:
            raise self.error("it ends too early: it is damaged, or was not downloaded completely")
        return found

    def error(self, what):
        return Refused(f"{self._name} cannot be read: {what}.", "Use the ISO image of the vendor.")

    def _sector(self, number):
        return self.bytes(number * SECTOR, SECTOR)

    def _root_place(self):
        if self._root is None:
            anchor = self._sector(_ANCHOR)
            if _tag(anchor) != _TAG_ANCHOR:
                raise self.error("its files are not in the format UDF, as on media of Windows")
            self._read_volume(*struct.unpack_from("<II", anchor, 16))
        return self._root

    def _read_volume(self, length, location):
        starts, maps, file_set = {}, [], None
        for number in range(min(length // SECTOR, 64)):
            found = self._sector(location + number)
            if _tag(found) == _TAG_PARTITION:
                starts[_number("<H", found, 22)] = _number("<I", found, 188)
            elif _tag(found) == _TAG_VOLUME:
                file_set, maps = struct.unpack_from("<IH", found, 252), _partition_maps(found)
            elif _tag(found) == _TAG_END:
                break
        self._partitions = [starts.get(number) for number in maps]
        if file_set is None:
            raise self.error("it has no UDF volume")
        found = self.bytes(self._place(*file_set), SECTOR)
        if _tag(found) != _TAG_FILE_SET:
            raise self.error("it has no UDF file set")
        self._root = struct.unpack_from("<IH", found, 404)

    def _place(self, block, reference):
        """The offset of a block of a partition."""
        start = self._partitions[reference] if reference < len(self._partitions) else None
        if start is None:
            raise self.error("a partition of its UDF volume is of an unknown kind")
        return (start + block) * SECTOR

    def _file(self, place):
        entry_at = self._place(*place)
        entry = self.bytes(entry_at, SECTOR)
        if _tag(entry) not in _ALLOCATIONS_AT:
            raise self.error("a file entry of its UDF volume is damaged")
        lengths_at, begin = _ALLOCATIONS_AT[_tag(entry)]
        attributes, length = struct.unpack_from("<II", entry, lengths_at)
        begin, kind, size = begin + attributes, _number("<H", entry, 34) & 7, _number("<Q", entry, 56)
        if kind == 3:
            return File(size, ((entry_at + begin, min(size, length)),))
        return File(size, tuple(self._extents(entry[begin : begin + length], kind, place[1])))

    def _extents(self, data, kind, reference):
        """The extents in allocation descriptors: short ones (kind 0) or long ones. A list can continue elsewhere."""
        step, place, count = (8 if kind == 0 else 16), 0, 0
        while place + step <= len(data) and count < _MOST_EXTENTS:
            length, block = struct.unpack_from("<II", data, place)
            part = reference if kind == 0 else _number("<H", data, place + 8)
            kept, length = length >> 30, length & 0x3FFFFFFF
            place, count = place + step, count + 1
            if not length:
                return
            if kept == 3:
                more = self.bytes(self._place(block, part), SECTOR)
                if _tag(more) != _TAG_ALLOCATION:
                    raise self.error("a list of extents of its UDF volume is damaged")
                data, place = more[24 : 24 + _number("<I", more, 20)], 0
            else:
                yield (None if kept else self._place(block, part)), length

    def _names(self, place):
        """{name in small letters: place of its file entry} of a directory."""
        data, at, found = self.content(self._file(place)), 0, {}
        while at + 38 <= len(data) and _tag(data, at) == _TAG_NAME:
            flags, length, extra = data[at + 18], data[at + 19], _number("<H", data, at + 36)
            name = data[at + 38 + extra : at + 38 + extra + length]
            # Neither deleted names nor the one of the directory above, which is empty.
            if len(name) > 1 and not flags & 12:
                text = name[1:].decode("utf-16-be" if name[0] == 16 else "latin-1", "replace")
                found[text.lower()] = struct.unpack_from("<IH", data, at + 24)
            at += (38 + extra + length + 3) & ~3
        return found


def _boot_entry(catalogue, at, place, platform):
    return BootEntry(at + place, platform == _UEFI, catalogue[place] == 0x88, _number("<I", catalogue, place + 8))


def _partition_maps(found):
    """The number of the partition for each reference; None for a kind that media of Windows do not have."""
    maps, at = [], 440
    for _reference in range(_number("<I", found, 268)):
        if at + 6 > SECTOR:
            break
        maps.append(_number("<H", found, at + 4) if found[at] == 1 else None)
        at += max(found[at + 1], 1)
    return maps


def _tag(data, at=0):
    return _number("<H", data, at)


def _number(form, data, place):
    return struct.unpack_from(form, data, place)[0]
