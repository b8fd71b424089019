# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option cloud_init as the server reports it. What it would reject for any VM is rejected before."""

from __future__ import annotations

import base64

from ..._lifecycle.errors import Refused
from ..._lifecycle.ip_config import normalized

#: What stands for a password where plans and results are shown: the value itself is known to the driver alone.
_SET = "set"


def settled(vm, asked):
    """What is requested, as the server will report it. Raises Refused."""
    return {
        option: _SETTLED[option](f"{vm.name}: cloud_init: {option}", value) if option in _SETTLED else value
        for option, value in asked.items()
    }


def _check_keys(option, entries):
    """Refuse what is no public key. A private one may have been given by mistake, so none is shown."""
    for number, entry in enumerate(entries, 1):
        if not all(map(_is_key, _lines(entry))):
            raise Refused(
                f"{option}: entry {number} is no public key.",
                "Give the whole line of a .pub file, such as: ssh-ed25519 AAAAC3Nz... me@host.",
            )


def _text(option, value):
    return value.strip()


def _words(option, entries):
    return tuple(word for entry in entries for word in entry.split())


def _keys(option, entries):
    _check_keys(option, entries)
    return tuple(line for entry in entries for line in _lines(entry))


def _lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


def _is_key(line):
    """Options and a comment may stand around it; comments alone are left to the server."""
    words = line.split()
    return line.startswith("#") or any(map(_is_data_of, words, words[1:]))


def _is_data_of(kind, text):
    """Whether it begins with the name of its kind, so that no other text passes for a key."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _secret(option, value):
    return _SET


#: Documents are missing here: the platform takes none.
_SETTLED = {
    "user": _text,
    "password": _secret,
    "search_domains": _words,
    "nameservers": _words,
    "ssh_authorized_keys": _keys,
    "ip_config": normalized,
}
