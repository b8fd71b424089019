# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of a task are secrets, and results without them.

Ansible masks every value of a ``no_log`` option. That is right for a password. Of a document (cloud-init's user data,
environment variables, ``machines``) it would be every word, such as the names of VMs, and since ansible-core 2.22 in
all later tasks, too. Until 2.21 Ansible masks what a module returns, and since 2.22 only what is displayed. So results
are masked here, the same way with every version: options by their name, and secrets wherever they occur.
"""

from __future__ import annotations

import json
from urllib.parse import unquote

from ansible.module_utils.common.validation import check_type_dict

from .._core.results.vm_result import MASK
from .._core.texts import password_in, texts_of

#: Each entry of this option has the options of the task.
MACHINES = "machines"
#: Ansible's own mask for a part of a text.
_PART = "********"
#: Shorter secrets are part of many words. They are masked only where they are a whole value.
_SHORTEST_PART = 4


def secrets_of(options, params):
    """Return the secrets among ``params``: values of secret options, and the secrets that documents contain."""
    found = set()
    for name, option in options.items():
        for value in [params[key] for key in (name, *option.aliases) if params.get(key) not in (None, option.default)]:
            if name == MACHINES:
                found |= _secrets_of_entries(options, value)
            elif option.secret:
                found |= _secrets_in(value, option.is_document)
            elif option.has_password:
                found |= {part for text in _secrets_in(value) for part in _forms_of(password_in(text))}
            elif option.options:
                is_short = option.short and isinstance(value, str)
                found |= _secrets_of_entries(option.options, {option.short: value} if is_short else value)
    return found - {""}


def _secrets_in(value, is_document=False):
    """Return the secrets in a document, else all texts in a value."""
    if not is_document:
        return set(texts_of(value))
    from .._core.record.document_secrets import secrets_in_document  # Few tasks have documents.

    return secrets_in_document(value)


def _forms_of(password):
    """Return the password of an address as written, and without its escapes."""
    return {password, unquote(password)}


def _secrets_of_entries(options, value):
    return {secret for entry in _entries(value) if isinstance(entry, dict) for secret in secrets_of(options, entry)}


def masked_options(options, params):
    """Return ``params`` with MASK for the values of secret options, and for those of unknown (misspelt) ones."""
    known = {alias: name for name, option in options.items() for alias in (name, *option.aliases)}
    shown = {name: value for name, value in params.items() if not (name in options and options[name].hidden)}
    return {name: _masked_option(known.get(name), options, value) for name, value in shown.items()}


def _masked_option(name, options, value):
    if value in (None, "", [], {}):
        return value
    if name == MACHINES:
        return _masked_entries(options, value)
    option = options.get(name)
    if option is None or option.secret:
        return MASK
    if option.short and isinstance(value, str):
        return value
    return _masked_entries(option.options, value) if has_secrets(option) else value


def has_secrets(option):
    """Whether the option or one of its suboptions is secret, or not shown at all."""
    return bool(option.secret or option.hidden) or any(map(has_secrets, option.options.values()))


def _masked_entries(options, value):
    """Return the dictionaries of ``value`` masked. Anything else is not valid there, and may contain anything."""
    shown = [masked_options(options, entry) if isinstance(entry, dict) else MASK for entry in _entries(value)]
    return shown if isinstance(value, list) else shown[0]


def masked(value, secrets):
    """Return a copy of ``value`` (a result) without any of ``secrets``. Keys of dictionaries are not masked."""
    return _Masking(secrets).masked(value) if secrets else value


def long_secrets(secrets):
    """Return those of ``secrets`` that can be masked as part of a text."""
    return {secret for secret in secrets if len(secret) >= _SHORTEST_PART}


class _Masking:
    """The secrets of one result. Each text is searched once, however many secrets there are."""

    def __init__(self, secrets):
        self._secrets, self._long = secrets, long_secrets(secrets)
        #: The secrets as they are and as quoted by JSON and Python; {first characters: lengths of those with them}.
        self._forms, self._lengths = set(), {}
        for secret in self._long:
            self._forms |= {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        for form in self._forms:
            self._lengths.setdefault(form[:_SHORTEST_PART], set()).add(len(form))

    def masked(self, value):
        if isinstance(value, dict):
            return {key: self.masked(part) for key, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.masked(part) for part in value]
        if isinstance(value, str):
            return MASK if value.strip() in self._secrets else self._without_parts(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            # A number of few digits is no secret that can be guarded: each size and count of CPUs could be it.
            return MASK if str(value) in self._long else value
        return value

    def _without_parts(self, text):
        """Return ``text`` with one mask for each part that consists of secrets, which may overlap."""
        result, end = [], 0
        for first, last in _merged(self._places(text)):
            result += [text[end:first], _PART]
            end = last
        return "".join([*result, text[end:]])

    def _places(self, text):
        """Yield (begin, end) of all occurrences in ``text``, from left to right."""
        for begin in range(len(text) - _SHORTEST_PART + 1):
            for length in self._lengths.get(text[begin : begin + _SHORTEST_PART], ()):
                if text[begin : begin + length] in self._forms:
                    yield begin, begin + length


def _merged(places):
    merged = []
    for first, last in places:
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _entries(value):
    """Return the entries of an option with suboptions; those that Ansible would read as dictionaries are such."""
    return [_as_dictionary(entry) for entry in (value if isinstance(value, list) else [value])]


def _as_dictionary(entry):
    try:
        return check_type_dict(entry)
    except TypeError:
        return entry
