# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PURE: lists of checksums, as vendors publish them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

_GNU = re.compile(r"([0-9A-Fa-f]{64,128}) [ *](?:[.]/)?(.+)")
#: BSD writes "SHA256 (x) = ", openssl "SHA256(x)= " or "SHA2-256(x)= ".
_BSD = re.compile(r"SHA(?:2-)?(?:256|384|512) ?\((?:[.]/)?(.+)\) ?= ([0-9A-Fa-f]+)")
#: The section [checksums] of a .treeinfo file, which lists the files of an installable tree.
_TREEINFO = re.compile(r"([^=;#]*[^=;#\s])\s*=\s*sha(?:256|384|512):([0-9A-Fa-f]+)")
_BARE = re.compile(r"([0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128})")
_KINDS = {64: "sha256", 96: "sha384", 128: "sha512"}
_BEFORE_THE_RELEASE = re.compile(r"[-._~](?:alpha|beta|pre|rc)[-._]?[0-9]*")


@dataclass(frozen=True)
class Checksum:
    """The checksum that a list has for a file."""

    file: str
    kind: str
    digits: str


def find(text, pattern):
    """The checksum of the file that matches ``pattern``, or None.

    If several files match, the newest one is taken, according to the numbers in their names. ``text`` is a list in the
    form of GNU coreutils, of BSD, of openssl or of a .treeinfo file, or a single checksum for the file that ``pattern``
    names. If none matches, the pattern is compared with the names without their directories.
    """
    found = [one for line in text.lstrip("\ufeff").splitlines() for one in _of(line.strip(), pattern)]
    matching = [one for one in found if fnmatchcase(one.file, pattern)]
    matching = matching or [one for one in found if fnmatchcase(one.file.rpartition("/")[2], pattern)]
    # sha512 before sha256, if a list has both.
    return max(matching, key=lambda one: (_age(one.file), one.kind), default=None)


def _of(line, pattern):
    bsd, gnu, bare, tree = (form.fullmatch(line) for form in (_BSD, _GNU, _BARE, _TREEINFO))
    if bsd:
        name, digits = bsd.groups()
    elif gnu:
        name, digits = gnu.group(2), gnu.group(1)
    elif tree:
        name, digits = tree.groups()
    elif bare and "*" not in pattern:
        name, digits = pattern, bare.group(1)
    else:
        return
    if len(digits) in _KINDS:
        # An absolute path is one of the vendor's own host.
        name = name.rpartition("/")[2] if name.startswith("/") else name
        yield Checksum(name, _KINDS[len(digits)], digits.lower())


def _age(name):
    """A key that orders names by the numbers in them, and a candidate such as 1.2-rc1 before its release 1.2."""
    release = _BEFORE_THE_RELEASE.sub("", name)
    return _numbers(release), release == name, _numbers(name)


def _numbers(name):
    return [int(part) for part in re.findall("[0-9]+", name)]


def checksum_of(kind, digits, file):
    """Return the Checksum of a file that a task sets, or None if it has another form."""
    bare = _BARE.fullmatch(digits)
    return Checksum(file, kind, digits.lower()) if bare and _KINDS[len(digits)] == kind else None
