# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the recording of acceptance, and find in it what could name something of the host."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import tarfile

from collection_path import CHECKOUT

#: What a text may look like that names nothing: words of this collection, sizes, slots and versions.
_PLAIN = re.compile(
    r"|[A-Za-z][a-z_ ]{1,39}|\d+(\.\d+)*[KMGTP]?((a|b|rc)\d+)?|[A-Za-z]{2,9} ?\d{0,2}([:.]\d{1,2})?|[A-Za-z0-9]{4,9}|\?"
)
_SHAPES = re.compile(
    r"/|\\\\|@|[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{8}-[0-9a-f]{4}|\b\d+\.\d+\.\d+\.\d+\b|[0-9a-f]{4}::|polyvirt-acc",
    re.I,
)


def read_recording(path):
    """Return the lines of a recording."""
    with tarfile.open(path) as archive:
        (entry,) = archive.getmembers()
        assert (entry.name, entry.uname, entry.gname, entry.uid, entry.mtime) == ("acceptance.jsonl", "", "", 0, 0)
        return [json.loads(line) for line in archive.extractfile(entry).read().decode().splitlines()]


def planted_values(recorded, planted=()):
    """Return the texts of a recording that could name something, or that contain a planted value."""
    # A host can have a name such as "vm", which is also a word of a recording.
    words = (CHECKOUT / "playbooks/files/acceptance_recording.py").read_text(encoding="utf-8")
    host = {name for name in (socket.gethostname(), getpass.getuser(), os.path.expanduser("~")) if name not in words}
    own = host | set(map(str, planted))
    texts = [text for line in recorded for text in _texts(line)]
    return [
        text
        for text in texts
        if not _PLAIN.fullmatch(text) or _SHAPES.search(text) or any(value in text for value in own)
    ]


def _texts(value):
    if isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value
