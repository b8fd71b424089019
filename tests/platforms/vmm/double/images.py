# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: raw files, and qcow2 files with the headers and clusters of real ones."""

from __future__ import annotations

import os
import struct
from contextlib import ExitStack
from typing import NamedTuple

_MAGIC = b"QFI\xfb"
_CLUSTER = 1 << 16
#: magic, version, backing name (offset, length), cluster bits, size, encryption, L1 (entries, offset), refcount table
#: (offset, clusters), snapshots (number, offset), three sets of features, refcount order, header length.
_HEADER = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_OLD_HEADER = struct.Struct(">4sIQIIQIIQQIIQ")
_REFCOUNT_POWER = 4
_COMPRESSED, _COPIED = 1 << 62, 1 << 63
_OFFSET = (1 << 56) - (1 << 9)
_MOST_FILES = 4


class BadImage(Exception):
    """An image cannot be read, with the reason; if ``is_fatal``, vmctl ends at once."""

    def __init__(self, text, is_fatal=False):
        super().__init__(text)
        self.is_fatal = is_fatal


class Header(NamedTuple):
    version: int
    base: str
    cluster: int
    size: int
    entries: int
    table: int


def kind_and_path(host, text):
    """(format, path): a prefix in ``text`` wins over an existing file's signature, which wins over the file name."""
    for kind in ("raw", "qcow2"):
        if text.startswith(f"{kind}:"):
            return kind, text[len(kind) + 1 :]
    if host.head(text) == _MAGIC:
        return "qcow2", text
    return ("qcow2" if text.lower().endswith(".qcow2") else "raw"), text


def header(host, path):
    """The header of a base image."""
    data = host.head(path, _HEADER.size)
    if len(data) < _HEADER.size:
        raise BadImage("failure to read base image header")
    if data[:4] != _MAGIC:
        raise BadImage("base image is not a qcow2 file")
    return _parsed(host, path, data)


def _parsed(host, path, data):
    _magic, version, offset, length, bits, size, _encryption, entries, table = _OLD_HEADER.unpack(
        data[: _OLD_HEADER.size]
    )[:9]
    with host.open(path) as file:
        file.seek(offset)
        base = file.read(length).decode("utf-8", "surrogateescape") if offset else ""
    return Header(version, base, 1 << bits, size, entries, table)


def create(host, path, kind, size, base=""):
    """Create an image; OSError if the file exists."""
    number = host.create(path)
    with os.fdopen(number, "r+b") as file:
        if kind == "raw":
            file.truncate(size)
        else:
            _write_empty(file, size, os.fsencode(base))


def _write_empty(file, size, base):
    """Write header, L1 table, refcount table and one refcount block."""
    entries = -(-size // (_CLUSTER * _CLUSTER // 8))
    tables = -(-entries * 8 // _CLUSTER)
    references = _CLUSTER * (1 + tables)
    fields = (_MAGIC, 3, _HEADER.size if base else 0, len(base), 16, size, 0, entries, _CLUSTER, references, 1)
    file.write(_HEADER.pack(*fields, 0, 0, 0, 0, 0, _REFCOUNT_POWER, _HEADER.size) + base)
    file.truncate(references + 2 * _CLUSTER)
    file.seek(references)
    file.write((references + _CLUSTER).to_bytes(8, "big"))
    file.seek(references + _CLUSTER)
    file.write(b"\0\1" * (tables + 3))


class _Raw:
    """The data of a raw file."""

    def __init__(self, file):
        self._file = file
        self.size = os.fstat(file.fileno()).st_size

    def read(self, offset, length):
        self._file.seek(offset)
        return self._file.read(length).ljust(length, b"\0")


class _Qcow2:
    """The data of a qcow2 file; unallocated clusters are read from its base, or are zero."""

    def __init__(self, file, found, base):
        self._file, self._header, self._base = file, found, base
        self.size = found.size
        file.seek(found.table)
        self._table = struct.unpack(f">{found.entries}Q", file.read(8 * found.entries).ljust(8 * found.entries, b"\0"))

    def read(self, offset, length):
        """Read bytes that are within one cluster."""
        cluster = self._header.cluster
        index, within = divmod(offset, cluster)
        entry = self._entry(index)
        if entry & _COMPRESSED:
            raise BadImage("xlate: compressed clusters unsupported", is_fatal=True)
        if not entry & _OFFSET:
            in_base = self._base and offset < self._base.size
            return self._base.read(offset, length) if in_base and not entry & 1 else bytes(length)
        self._file.seek((entry & _OFFSET) + within)
        return self._file.read(length).ljust(length, b"\0")

    def _entry(self, index):
        outer, inner = divmod(index, self._header.cluster // 8)
        table = self._table[outer] & _OFFSET if outer < len(self._table) else 0
        if not table:
            return 0
        self._file.seek(table + inner * 8)
        return int.from_bytes(self._file.read(8), "big")


class _Image:
    """An open image, with all files of its chain."""

    def __init__(self, top, stack):
        self.read, self.size, self._stack = top.read, top.size, stack

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self._stack.close()


def open_image(host, path, kind):
    stack = ExitStack()
    try:
        if kind == "raw":
            return _Image(_Raw(stack.enter_context(host.open(path))), stack)
        return _Image(_open_chain(host, path, stack, 0), stack)
    except BaseException:
        stack.close()
        raise


def _open_chain(host, path, stack, depth):
    """Open a qcow2 file and its backing files."""
    file = stack.enter_context(host.open(path))
    data = file.read(_HEADER.size)
    if len(data) < _HEADER.size:
        raise BadImage("short read on header")
    if data[:4] != _MAGIC:
        raise BadImage("invalid magic numbers")
    found = _parsed(host, path, data)
    if found.version < 3:
        raise BadImage("unsupported refcount size\n", is_fatal=True)
    base = _open_base(host, path, found, stack, depth) if found.base else None
    return _Qcow2(file, found, base)


def _open_base(host, path, found, stack, depth):
    """Open the backing file of an image; a relative name is relative to the image's directory."""
    beside = os.path.join(os.path.dirname(os.path.abspath(host.place(path))), found.base)
    if depth + 1 >= _MOST_FILES:
        raise BadImage(f"qc2_open: missing base image {found.base}", is_fatal=True)
    if not host.exists(beside):
        raise BadImage(f"unable to resolve {beside}")
    if host.head(beside) != _MAGIC:
        return _Raw(stack.enter_context(host.open(beside)))
    return _open_chain(host, beside, stack, depth + 1)


def copy(host, image, path, kind):
    """Copy the clusters that are not zero into the new image ``path``."""
    with open(host.place(path), "r+b") as file:
        target = _Writer(file) if kind == "qcow2" else None
        for offset in range(0, image.size, _CLUSTER):
            data = image.read(offset, min(_CLUSTER, image.size - offset))
            if not any(data):
                continue
            if target:
                target.write(offset // _CLUSTER, data)
            else:
                file.seek(offset)
                file.write(data)


class _Writer:
    """Adds clusters to a qcow2 file that was created empty."""

    def __init__(self, file):
        self._file = file
        file.seek(0)
        fields = _HEADER.unpack(file.read(_HEADER.size))
        self._table, self._references = fields[8], fields[9] + _CLUSTER

    def write(self, index, data):
        outer, inner = divmod(index, _CLUSTER // 8)
        table = self._number(self._table + 8 * outer) & _OFFSET
        if not table:
            table = self._add(self._table + 8 * outer, bytes(_CLUSTER))
        self._add(table + 8 * inner, data.ljust(_CLUSTER, b"\0"))

    def _number(self, offset):
        self._file.seek(offset)
        return int.from_bytes(self._file.read(8), "big")

    def _add(self, entry, data):
        """Append a cluster to the file and write its offset to the table entry at ``entry``; returns the offset."""
        end = self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._file.seek(entry)
        self._file.write((end | _COPIED).to_bytes(8, "big"))
        number = end // _CLUSTER
        # One refcount block is enough for 2 GiB of data; tests do not copy more.
        assert number < _CLUSTER // 2, "too much data for one reference block"
        self._file.seek(self._references + 2 * number)
        self._file.write(b"\0\1")
        return end
