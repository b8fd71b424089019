# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of an appliance: members of a tar archive (OVA), or files next to a descriptor (OVF).

Each is a part of a file on this host, so that a disk can be converted without unpacking the archive. The disks in an
archive that is compressed as a whole (.tar.gz, .box) are unpacked one by one (packed.py). An archive may be hostile:
only regular members with plain names count, and a file next to a descriptor is never outside its directory.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from urllib.parse import unquote

from ..._core.frozen import Frozen
from ..._core.pattern import Pattern
from ..._ports import files
from .envelope import LARGEST_TEXT, Damaged

_TAR, _TAR_AT = b"ustar", 257
_GZIP = b"\x1f\x8b"
_PACKED = ((b"BZh", "tar -xjf"), (b"\xfd7zXZ", "tar -xJf"), (b"PK\3\4", "unzip"))
_MOST_MEMBERS, _BLOCK = 1000, 512
_PIECE = 4 * 1024 * 1024
#: VMware, VirtualBox and scripts of vendors write it differently.
_LINE = Pattern(r"\s*SHA-?(?:2-)?(1|256|384|512)\s*\((.+)\)\s*=\s*([0-9a-f]+)\s*", 2)
_ALGORITHMS = {"1": "sha1", "256": "sha256", "384": "sha384", "512": "sha512"}


class Part(Frozen):
    """A file of an appliance: ``size`` bytes of the file at ``path``, from ``offset`` on."""

    path: str
    offset: int
    size: int

    @property
    def of_archive(self):
        """(offset, size in whole blocks of an archive); None for a file of its own."""
        return (self.offset, -(-self.size // _BLOCK) * _BLOCK) if self.offset else None

    def read(self, offset, length):
        return files.read_part(self.path, self.offset + offset, max(min(length, self.size - offset), 0))

    def whole(self):
        if self.size > LARGEST_TEXT:
            raise Damaged("is larger than any text in an appliance")
        return self.read(0, self.size)

    def digest(self, algorithm):
        found = hashlib.new(algorithm, usedforsecurity=False)
        for offset in range(0, self.size, _PIECE):
            found.update(self.read(offset, _PIECE))
        return found.hexdigest()


class Container:
    """``descriptor`` is the name of the descriptor; ``part(href)`` returns the Part of a file that it names."""

    def __init__(self, path):
        self.path = path
        begin = files.read_part(path, 0, 512)
        program = next((program for magic, program in _PACKED if begin.startswith(magic)), None)
        if program:
            raise Damaged(f"is compressed; unpack it first ({program}), and use the .ovf file in it")
        self._members = None
        if begin.startswith(_GZIP):
            self._members = _members_of_gzip(path)
        elif begin[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
            self._members = _members_of_tar(path)
        self.descriptor = os.path.basename(path) if self._members is None else self._only_descriptor()

    def _only_descriptor(self):
        found = [name for name in self._members if name.lower().endswith(".ovf")]
        found = [name for name in found if not os.path.basename(name).startswith("._")]  # Written by macOS.
        if len(found) != 1:
            raise Damaged(f"has {len(found)} descriptors (.ovf), not one")
        return found[0]

    def part(self, href):
        """Return a Part, None if there is no such file; raises Damaged for a name that leads elsewhere."""
        return self._part(href) or self._part(unquote(href))

    def _part(self, href):
        words = href.split("/")
        if "://" in href or "\\" in href or "\0" in href or href.startswith("/") or {"..", "."} & set(words):
            raise Damaged(f"names a file outside of the appliance: '{href[:200]}'")
        name = "/".join([*os.path.dirname(self.descriptor).split("/"), href]).lstrip("/")
        return self._members.get(name) if self._members is not None else self._next_to_descriptor(href)

    def _next_to_descriptor(self, href):
        folder = os.path.realpath(os.path.dirname(self.path))
        path = os.path.realpath(os.path.join(folder, href))
        if os.path.commonpath([folder, path]) != folder:
            raise Damaged(f"names a file outside of the appliance: '{href[:200]}' is a link")
        return Part(path, 0, files.size(path)) if files.is_file(path) else None

    def pieces(self, file):
        """Return {name: Part} of a File, which may be divided into pieces; empty if there is none."""
        if not file.chunk_size:
            part = self.part(file.href)
            return {file.href: part} if part else {}
        found = {}
        for number in range(_MOST_MEMBERS):
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


class _Member(tarfile.TarInfo):
    """A header of an archive. One that only describes the next member would be read into memory as a whole."""

    def _proc_member(self, archive):
        if not self.isfile() and self.size > LARGEST_TEXT:
            raise Damaged("has a header that is larger than any name")
        return super()._proc_member(archive)


def _members_of_gzip(path):
    """Return {name: Packed} of the members of an archive that is compressed as a whole."""
    # Few appliances are.
    from .packed import GZIP, Packed, Stream

    whole = (Part(path, 0, files.size(path)),)
    unpacked = Stream(Packed(whole, GZIP).blocks(), whole[0].size)
    return _members(lambda at, size: Packed(whole, GZIP, (at, size)), fileobj=unpacked, mode="r|", bufsize=_PIECE)


def _members(part, **opened):
    """Return {name: part(offset, size)} of the regular members of an archive; ``opened`` are arguments of tarfile."""
    found = {}
    try:
        with tarfile.open(tarinfo=_Member, **opened) as archive:
            for one in archive:
                if len(found) >= _MOST_MEMBERS:
                    raise Damaged(f"has more than {_MOST_MEMBERS} files")
                name = one.name[2:] if one.name.startswith("./") else one.name
                if one.isreg() and not one.issparse():
                    if name in found:
                        raise Damaged(f"has two files named '{name[:200]}'")
                    found[name] = part(one.offset_data, one.size)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Damaged(f"is a damaged archive: {error}") from error
    return found


def _members_of_tar(path):
    """Return {name: Part} of the members of an archive."""
    found = _members(lambda at, size: Part(path, at, size), name=path, mode="r:")
    end = files.size(path)
    cut = next((name for name, part in found.items() if part.offset + part.size > end), None)
    if cut is not None:
        raise Damaged(f"is incomplete: it ends within {cut}")
    return found


def check_manifest(container, named):
    """Raise Damaged if a file that the descriptor names, or itself, differs from the manifest; return whether one is.

    ``named`` are the names of the files. The manifest may lack some of them, and name others.
    """
    entries = container.manifest()
    wanted = {os.path.basename(container.descriptor), *named}
    for name, algorithm, digits in entries or ():
        part = container.part(name) if name in wanted else None
        if part is not None and part.digest(algorithm) != digits:
            raise Damaged(
                f"is changed or incomplete: {name} differs from its checksum in the manifest; get it again, or delete"
                " the manifest (.mf) if you changed the file yourself"
            )
    return entries is not None
