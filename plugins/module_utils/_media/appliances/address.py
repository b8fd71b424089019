# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An appliance at an address: only parts of it are read to plan a VM, and it is downloaded before the VM is created.

Its checksum proves the download. That the parts were of the same file is proven by a comparison with the download.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any, Optional

from ..._core.errors import Refused
from ..._core.frozen import Frozen
from ..._core.texts import without_secrets
from ..._ports import download, files
from ..._ports.clock import today
from ..choose import Choice
from ..download import SECONDS_WITHOUT_ANSWER, Line, with_checksum
from ..images import Fetch, Images
from ..names import base_of, parts_of
from ..store import Stored
from .envelope import Damaged

_BLOCK, _MOST_BLOCKS = 64 * 1024, 1024
_FORMAT = "ova"
DOWNLOAD = "Download it with ansible.builtin.get_url, and set its path."


class Remote:
    """A file at an address; each of its blocks is read once."""

    def __init__(self, url, line):
        self._url, self._line, self._blocks, self.size = url, line, {}, None
        self._add(0)

    def read(self, offset, length):
        """Return at most ``length`` bytes, from ``offset`` on."""
        end = min(offset + length, self.size)
        numbers = range(offset // _BLOCK, -(-end // _BLOCK))
        for number in numbers:
            if number not in self._blocks:
                self._add(number)
        begin = offset - numbers.start * _BLOCK
        return b"".join(self._blocks[number] for number in numbers)[begin : begin + max(end - offset, 0)]

    def _add(self, number):
        if len(self._blocks) == _MOST_BLOCKS:
            raise Damaged("has too many parts to be read at its address", DOWNLOAD)
        content, size = download.part(self._url, self._line.timeout, number * _BLOCK, _BLOCK)
        if content is None or size is None:
            raise Damaged("cannot be read in parts, because its server does not support ranges", DOWNLOAD)
        if not size:
            raise Damaged("is empty at its address", "Publish it again, or use another address.")
        if self.size not in (None, size):
            raise Damaged("was changed while this task read it", "Run the task again.")
        self.size, self._blocks[number] = size, content

    @property
    def digests(self):
        """{offset: (size, SHA-256)} of the blocks that were read."""
        return {number * _BLOCK: (len(one), _digest(one)) for number, one in self._blocks.items()}


class Source(Frozen):
    """Where an appliance is: ``path`` on this host, now or after its ``fetch``; until then, it is read by ``remote``.

    ``version``: of an appliance with an address, which is the same before and after its download; else None.
    """

    path: str
    version: Optional[str] = None
    remote: Any = None
    fetch: Optional[Fetch] = None

    def fetch_of(self, size):
        """Return the download of an appliance with an address, for ``size`` bytes in it; None if it is stored."""
        return ArchiveFetch(self.fetch, self.remote.digests, size) if self.fetch else None


class ArchiveFetch(Frozen):
    """The download of an archive, and the proof that what was read before is in it.

    ``extent``: bytes of the archive, or of one of its disks.
    """

    fetch: Fetch
    digests: Mapping
    extent: int

    @property
    def stored(self):
        return self.fetch.stored

    @property
    def note(self):
        return self.fetch.note

    def run(self, _images, _image):
        """Download the archive to its store, unless another step has done so before."""
        path = self.stored.path
        Images(os.path.dirname(path)).fetch({"fetch": self.fetch})
        for offset, (size, digest) in self.digests.items():
            if _digest(files.read_part(path, offset, size)) != digest:
                raise Refused(
                    f"{self.stored.name} has another content than its server sent when this task read it.",
                    "Run the task again. The file with the right checksum is stored now.",
                )
        return True


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def located(asked, images, option, patience):
    """Return the Source of an appliance by its address; only reads. Raises PolyvirtError and Damaged."""
    address, line = asked["source"], Line(SECONDS_WITHOUT_ANSWER)
    base, file = parts_of(address)
    medium = {"bases": [base], "file": file, "address": address, "image": {"format": _FORMAT}}
    found = with_checksum(asked["checksum"], medium, line, option)
    wanted = Stored(
        path=images.store.path_of(base_of(f"{base}/{file}"), found.digits, _FORMAT),
        name=without_secrets(address),
        architecture="",
        file=file,
        format=_FORMAT,
        address=without_secrets(address),
        fetched=today().isoformat(),
        checked=found.checked,
        file_size=0,
        digest=found.digest,
        asked_checksum=asked["checksum"],
    )
    stored = images.store.checked(wanted, option)
    if stored:
        return Source(stored.path, found.digest)
    remote = images.remotes[address] = images.remotes.get(address) or Remote(found.url, line)
    images.store.check_space(remote.size, option)
    # Only tasks read it, and what a password protects is not for all users of the host.
    is_public = download.shown(address) == address
    fetch = Fetch(wanted, found, Choice(medium, (), _FORMAT), line, remote.size, patience, is_public=is_public)
    return Source(wanted.path, found.digest, remote, fetch)
