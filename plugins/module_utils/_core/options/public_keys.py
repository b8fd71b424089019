# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public SSH keys in the form of a .pub file: options (if any), type, data and a comment (if any)."""

from __future__ import annotations

import base64

from ..errors import InvalidInput

#: In the type of a certificate, which has parts without a length.
_CERTIFICATE = "-cert-"


def public_keys(entries, option):
    """Return one key per entry; an entry may be a whole file with several.

    Raises InvalidInput for anything else, such as a path, with which nobody could log in. The message does not show the
    entry, because it may be a private key.
    """
    keys = []
    for number, entry in enumerate(entries, 1):
        lines = _lines(entry)
        if not lines or not all(map(_is_key, lines)):
            raise InvalidInput(
                f"{option}: entry {number} is {_kind(entry)}.",
                "Set the content of a .pub file, such as: ssh-ed25519 AAAAC3Nz... me@host.",
            )
        keys += lines
    return tuple(keys)


def _kind(entry):
    if entry.startswith(("/", "~")) and "\n" not in entry:
        return "a path"
    wrong = [line.split() for line in _lines(entry) if not _is_key(line)]
    is_cut = bool(wrong) and any(map(_begins_key_data, wrong[0], wrong[0][1:]))
    return "a public key that is not complete" if is_cut else "not a public key"


def _begins_key_data(key_type, text):
    """Whether ``text`` begins as the data of a key of this type do, whatever follows."""
    beginning = _beginning(key_type)
    return text.startswith(base64.b64encode(beginning).decode()[: len(beginning) // 3 * 4])


def _beginning(key_type):
    return len(key_type).to_bytes(4, "big") + key_type.encode()


def _lines(entry):
    return [line.strip() for line in entry.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _is_key(line):
    fields = line.split()
    return any(map(_is_key_data, fields, fields[1:]))


def _is_key_data(key_type, text):
    """Whether ``text`` is base64 data of a whole key of this type: it begins with the length and name of the type."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(_beginning(key_type)) and (_CERTIFICATE in key_type or _is_whole(data))


def _is_whole(data):
    """Whether data consists of parts with their lengths, the name of the type and at least one more."""
    parts = 0
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        if len(data) < end:
            return False
        parts, data = parts + 1, data[end:]
    return parts > 1
