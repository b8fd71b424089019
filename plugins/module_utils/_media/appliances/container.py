# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an appliance: members of a tar archive (OVA), or files next to a descriptor (OVF).

Each is a part of a file on this host, so that a disk can be converted without unpacking the archive. The disks in an
archive that is compressed as a whole (.tar.gz, .box) are unpacked one by one (parts.py). An archive may be hostile:
only regular members with plain names count, and a file next to a descriptor is never outside its directory.
"""

from __future__ import annotations

import hashlib
import math
import os
import tarfile
from functools import lru_cache, partial
from urllib.parse import unquote

from ..._core.pattern import Pattern
from ..._ports import files
from .. import disk_header
from .descriptor import read
from .envelope import Damaged
from .parts import BLOCK, GZIP, Packed, Part, Stream

_TAR, _TAR_AT = b"ustar", 257
_GZIP = b"\x1f\x8b"
_PACKED = ((b"BZh", "tar -xjf"), (b"\xfd7zXZ", "tar -xJf"), (b"PK\3\4", "unzip"))
#: What boxes of Vagrant have.
_BOX = "metadata.json"
_MOST_PIECES, _MOST_HEADERS = 1000, 4000
_LARGEST_HEADER, _LONGEST_NAME, _MOST_DIGITS = 64 * 1024, 4096, 18
#: Headers of PAX and GNU tar that describe the next member or, the type g, all others.
_OF_NEXT = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_OF_NEXT, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
_SPARSE = ("contains a sparse file", "Unpack it (tar -xf), and set the path of the .ovf file in it.")
#: VMware, VirtualBox and scripts of vendors write it differently.
_LINE = Pattern(r"\s*SHA-?(?:2-)?(1|256|384|512)\s*\((.+)\)\s*=\s*([0-9a-f]+)\s*", 2)
_ALGORITHMS = {"1": "sha1", "256": "sha256", "384": "sha384", "512": "sha512"}


class Container:
    """``descriptor`` is the name of the descriptor; ``part(href)`` returns the Part of a file that it names.

    ``digest``: of a list of all digests, None if there is none for the whole appliance. ``if_changed`` is the end of
    the remedy for a file that differs from its checksum.
    ``remote`` reads an archive that is not downloaded yet (address.py).
    """

    digest, if_changed = None, ", or delete the manifest (.mf) if you changed the file yourself"

    def __init__(self, path, remote=None):
        self.path = path
        whole = Part(path, 0, remote.size if remote else files.size(path), remote)
        begin = whole.read(0, BLOCK)
        program = next((program for magic, program in _PACKED if begin.startswith(magic)), None)
        if program:
            raise Damaged("is compressed", f"Unpack it ({program}), and set the path of the .ovf or .ova file in it.")
        self._members = None
        if begin.startswith(_GZIP) and remote is None:
            self._members = _members_of_gzip(path)
        elif begin[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
            self._members = _members(whole.read, partial(Part, path, remote=remote), whole.size)
        # A text in UTF-16 begins with FE or FF.
        elif not remote and (disk_header.format_in(begin) or (b"\0" in begin and begin[0] < 0xFE)):
            raise Damaged("is a disk or another file, neither an OVA nor an OVF", "For a disk, set image instead.")
        self.is_archive = self._members is not None
        self.descriptor = self._only_descriptor() if self.is_archive else os.path.basename(path)

    def _only_descriptor(self):
        found = [name for name in self._members if name.lower().endswith(".ovf")]
        found = [name for name in found if not os.path.basename(name).startswith("._")]  # Written by macOS.
        if not found and _BOX in self._members:
            raise Damaged(
                "is a box of Vagrant without a descriptor (.ovf)",
                "Unpack it (tar -xzf), and set image to the path of the disk in it, instead of appliance.",
            )
        if len(found) != 1:
            raise Damaged(f"has {len(found)} descriptors (.ovf), not one")
        return found[0]

    def part(self, href):
        """Return a Part, None if there is no such file; raises Damaged for a name that leads elsewhere."""
        return self._part(href) or self._part(unquote(href))

    def _part(self, href):
        words = href.split("/")
        if "://" in href or "\\" in href or "\0" in href or href.startswith("/") or ".." in words:
            raise Damaged(f"names a file outside of the appliance: '{href[:200]}'")
        name = "/".join(one for one in (*os.path.dirname(self.descriptor).split("/"), *words) if one not in ("", "."))
        return self._members.get(name) if self._members is not None else self._next_to_descriptor(href)

    def _next_to_descriptor(self, href):
        folder = os.path.realpath(os.path.dirname(self.path))
        path = os.path.realpath(os.path.join(folder, href))
        if os.path.commonpath([folder, path]) != folder:
            raise Damaged(f"names a file outside of the appliance: '{href[:200]}' is a link")
        return Part(path, 0, files.size(path)) if files.is_file(path) else None

    def pieces(self, file):
        """Return {name: Part} of a File, which may be divided into pieces; empty if there is none."""
        part = self.part(file.href)
        if not file.chunk_size or (part and part.size <= file.chunk_size):
            return {file.href: part} if part else {}
        found = {}
        for number in range(_MOST_PIECES):
            name = f"{file.href}.{number:09}"
            part = self.part(name)
            if part is None:
                break
            found[name] = part
        sizes = [part.size for part in found.values()]
        is_cut = any(size != file.chunk_size for size in sizes[:-1]) or file.size not in (None, sum(sizes))
        if is_cut or self.part(f"{file.href}.{len(found) + 1:09}"):
            raise Damaged(f"lacks a piece of {file.href}")
        return found

    def system(self, asked):
        """Return the System of the VM; ``asked``: the suboptions of the task. Raises Damaged."""
        return read(self.text(), asked)

    def text(self):
        """Return the descriptor as bytes."""
        return self.part(os.path.basename(self.descriptor)).whole()

    def manifest(self):
        """Return [(name, algorithm, digits)] of the manifest, None if there is none."""
        part = self.part(os.path.basename(self.descriptor)[: -len(".ovf")] + ".mf")
        if part is None:
            return None
        lines = part.whole().decode("utf-8", "replace").splitlines()
        matches = [(line, _LINE.fullmatch(line)) for line in lines if line.strip()]
        unknown = next((line for line, match in matches if match is None), None)
        if unknown is not None:
            raise Damaged(f"has a manifest with a line that is no checksum: '{unknown[:80]}'")
        return [(match[2], _ALGORITHMS[match[1]], match[3].lower()) for _line, match in matches]


def _members_of_gzip(path):
    """Return {name: Packed} of the regular members of an archive that is compressed as a whole."""
    whole = Packed((Part(path, 0, files.size(path)),), GZIP)
    # Where it ends is known only when it is unpacked: that reports what is missing.
    return _members(Stream(whole).read, lambda at, size: Packed(whole.parts, GZIP, (at, size)), math.inf)


def _members(read, part_at, end):
    """Return {name: part_at(offset, size)} of the regular members of an archive.

    ``read(offset, length)`` returns bytes of it, and is called with increasing offsets.

    The module tarfile would read a header of any size into memory, and so would a map of a sparse file.
    """
    found, extended, at = {}, {}, 0
    for _number in range(_MOST_HEADERS):
        block = read(at, BLOCK)
        if not block.strip(b"\0"):
            return found
        header, at = _header(block), at + BLOCK
        if header.type in _EXTENSIONS:
            extended, size = {**extended, **_extension(header, read(at, header.size))}, header.size
        else:
            size = int(extended.get("size", header.size))
            _check_end(header, at + size, end)
            _add_member(found, header, extended.get("path", header.name), part_at(at, size))
            size, extended = size if header.isreg() else 0, {}
        at += -(-size // BLOCK) * BLOCK
    raise Damaged(f"has more than {_MOST_HEADERS} entries")


def _header(block):
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "replace")
    except tarfile.TarError as error:
        raise Damaged(f"is a damaged archive: {error}") from error
    if header.type in _EXTENSIONS and header.size > _LARGEST_HEADER:
        raise Damaged("has a header that is larger than any name")
    if header.size < 0:
        raise Damaged("is a damaged archive: negative size")
    return header


def _extension(header, data):
    """Return what a header says about the next member: its path, and its size if the usual field is too small."""
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {"path": data.partition(b"\0")[0].decode("utf-8", "replace")}
    records = _records(data) if header.type in _OF_NEXT else {}
    if any(key.startswith("GNU.sparse.") for key in records):
        raise Damaged(*_SPARSE)
    size = records.get("size", "0")
    if not (size.isdecimal() and len(size) <= _MOST_DIGITS):
        raise Damaged("is a damaged archive: invalid size")
    return {key: value for key, value in records.items() if key in ("path", "size")}


def _records(data):
    """Return {key: value} of a PAX header, which has lines of the form "length key=value"."""
    found = {}
    while data:
        length = data.partition(b" ")[0]
        if not (length.isdigit() and len(length) <= 5 and len(length) < int(length) <= len(data)):
            raise Damaged("is a damaged archive: invalid header")
        key, _equals, value = data[len(length) + 1 : int(length) - 1].partition(b"=")
        found[key.decode("utf-8", "replace")] = value.decode("utf-8", "replace")
        data = data[int(length) :]
    return found


def _check_end(header, last, end):
    if header.isreg() and last > end:
        raise Damaged(f"is incomplete: it ends within {header.name[:200]}")


def _add_member(found, header, name, part):
    if not header.isreg():
        return
    if header.type == tarfile.GNUTYPE_SPARSE:
        raise Damaged(*_SPARSE)
    words = [word for word in name.split("/") if word not in ("", ".")]
    if not words or name.startswith("/") or ".." in words or len(name) > _LONGEST_NAME:
        raise Damaged(f"has a file with an invalid name: '{name[:200]}'")
    name = "/".join(words)
    if name in found:
        raise Damaged(f"has two files named '{name[:200]}'")
    found[name] = part


def digest_of(part, algorithm):
    """Return the checksum of a Part. Several VMs of a task may have the same appliance, which is read once then."""
    return _digest(part, tuple(files.version(part.path) or ()), algorithm)


@lru_cache(maxsize=_MOST_PIECES)
def _digest(part, _version, algorithm):
    found = hashlib.new(algorithm, usedforsecurity=False)
    for block in part.blocks():
        found.update(block)
    return found.hexdigest()


def check_manifest(container, parts):
    """Return the names of files that the manifest does not list, of the descriptor and ``parts`` ({name: Part}).

    Raises Damaged if one differs from its checksum. Names in a manifest and in a descriptor may be quoted differently,
    so files are compared. The manifest may name others.
    """
    descriptor = os.path.basename(container.descriptor)
    unverified = {descriptor: container.part(descriptor), **parts}
    wanted = list(unverified.values())
    for name, algorithm, digits in container.manifest() or ():
        part = container.part(name)
        if part not in wanted:
            continue
        if digest_of(part, algorithm) != digits:
            raise Damaged(
                f"is changed or incomplete: {name} differs from its checksum in the manifest; get it again"
                f"{container.if_changed}"
            )
        unverified = {key: one for key, one in unverified.items() if one != part}
    return list(unverified)
