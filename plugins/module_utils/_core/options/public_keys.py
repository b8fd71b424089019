# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Public SSH keys in the form of a .pub file: options (if any), type, data and a comment (if any)."""

from __future__ import annotations

import base64

from ..errors import InvalidInput


def public_keys(entries, option):
    """Return one key per entry; an entry may be a whole file with several.

    Raises InvalidInput for anything else, such as a path, with which nobody could log in. The message does not show the
    entry, because it may be a private key.
    """
    keys = []
    for number, entry in enumerate(entries, 1):
        lines = [line.strip() for line in entry.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if not lines or not all(map(_is_key, lines)):
            raise InvalidInput(
                f"{option}: entry {number} is {'a path' if _is_path(entry) else 'not a public key'}.",
                "Set the content of a .pub file, such as: ssh-ed25519 AAAAC3Nz... me@host.",
            )
        keys += lines
    return tuple(keys)


def _is_path(entry):
    return entry.startswith(("/", "~")) and "\n" not in entry


def _is_key(line):
    fields = line.split()
    return any(map(_is_key_data, fields, fields[1:]))


def _is_key_data(key_type, text):
    """Whether ``text`` is base64 data of a key of this type: it begins with the length and the name of the type."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(len(key_type).to_bytes(4, "big") + key_type.encode())
