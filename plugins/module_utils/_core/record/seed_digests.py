# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mark of a VM records of cloud_init where it is creation input: a digest of each field.

Others can read the mark, so it has no digest of a password: a short password could be guessed.
"""

from __future__ import annotations

import hashlib
import json
import re

from .document_secrets import secrets_in_document, without_secrets

_LEFT_OUT = "*"
#: What is left out of an answer file for Windows: everybody can decode its passwords.
_SECRETS_OF_ANSWERS = re.compile(r"(<(Value|Key)>)[^<]*(?=</\2>)")
#: Hexadecimal digits of a digest: enough to see a change, and too few to prove a value.
_DIGITS = 8


def digests_of(cloud_init):
    """Return {field: digest} of the fields that a task sets, without those that are or can contain secrets."""
    given = [(name, value) for name, value in _given(cloud_init) if name not in ("answer_files", "ovf_env")]
    return {name: _sha256(_masked(value))[:_DIGITS] for name, value in given}


def whole_digests_of(cloud_init):
    """Return {field: digest} for the digest of a plan, in full length: nobody finds a second value with the same one.

    A secret is left out in its own place only, for the rest of a document is carried out.
    """
    return {name: _sha256(_text(without_secrets(value))) for name, value in _given(cloud_init)}


def _given(cloud_init):
    given = {name: value for name, value in cloud_init.items() if value is not None and name != "password"}
    if "answer_file" in given:
        given["answer_file"] = _SECRETS_OF_ANSWERS.sub(rf"\1{_LEFT_OUT}", given["answer_file"])
    return sorted(given.items())


def _masked(value):
    text = _text(value)
    for secret in sorted(secrets_in_document(value), key=len, reverse=True):
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], _LEFT_OUT)
    return text


def _text(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def _sha256(text):
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
