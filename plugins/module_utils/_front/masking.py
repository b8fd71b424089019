# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of a task are secrets, and its options as they may be shown.

Ansible masks every value of a ``no_log`` option wherever it occurs in the result. That is right for a password. Of a
document (cloud-init's user data, environment variables) it would be every word: with a value such as ``1`` also the
ids and addresses of VMs. So options are masked by their key, and of documents only those words are masked everywhere
that are secrets themselves.
"""

from __future__ import annotations

import re

from .._lifecycle.results import MASK

#: Each entry of this option has the options of the task. It counts as secret, so that Ansible does not log it.
MACHINES = "machines"

#: Keys in a document; their values are secrets, wherever they occur.
_SECRET_KEY = re.compile(r"passw|passphrase|secret|token|credential|psk|private", re.IGNORECASE)


def secrets_and_words(spec, params):
    """(secrets, all words of documents): the values of secret options, and those with a secret's key in documents."""
    secrets, words = set(), set()
    for name, option in spec.items():
        value = params.get(name)
        if name == MACHINES:
            words |= _words(value or [])
            secrets |= {secret for entry in value or () for secret in secrets_and_words(spec, entry)[0]}
        elif option.get("no_log") and isinstance(value, (dict, list)):
            words |= _words(value)
            secrets |= _secret_words(value)
        elif option.get("no_log") and value is not None:
            (words if option["type"] == "raw" else secrets).add(str(value))
        for entry in _entries(option, value):
            more_secrets, more_words = secrets_and_words(option["options"], entry)
            secrets, words = secrets | more_secrets, words | more_words
    return secrets, words


def masked(spec, params):
    """``params`` with MASK for what is secret."""
    shown = dict(params)
    for name, option in spec.items():
        value = params.get(name)
        if option.get("no_log") and value:
            shown[name] = MASK if name != MACHINES else [masked(spec, entry) for entry in value]
        elif _entries(option, value):
            entries = [masked(option["options"], entry) for entry in _entries(option, value)]
            shown[name] = entries if isinstance(value, list) else entries[0]
    return shown


def _entries(option, value):
    """The dictionaries of an option with suboptions; none for its short form."""
    entries = value if isinstance(value, list) else [value]
    return [entry for entry in entries if isinstance(entry, dict)] if option.get("options") else []


def _secret_words(value):
    """The words in ``value`` under a key such as ``password``."""
    if isinstance(value, dict):
        found = [_words(part) if _SECRET_KEY.search(str(key)) else _secret_words(part) for key, part in value.items()]
    else:
        found = [_secret_words(part) for part in value] if isinstance(value, (list, tuple)) else []
    return {word for words in found for word in words}


def _words(value):
    if isinstance(value, dict):
        return {word for part in value.values() for word in _words(part)}
    if isinstance(value, (list, tuple)):
        return {word for part in value for word in _words(part)}
    return {str(value)}
