# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads records: marks, manifests, notes of backups, records of images. Pure.

Others can edit them. A record that is not as its schema says raises Damaged, which concerns the one VM, backup or image
that it is about, never the list that it is in. A schema is {key: function that returns whether a value is valid}; None
is the value of a key that is missing, and keys that it does not name may have any value.
"""

from __future__ import annotations

import json
import math

LONGEST = 1 << 20
_DEEPEST = 8
#: Those of the largest number of 64 bits.
_DIGITS = 19


class Damaged(Exception):
    """Why a record cannot be used, such as "it is not valid JSON", or "size"."""


def read(text, schema, versions, default=None):
    """Return the record in ``text``. ``default`` is the version of a record that names none. Raises Damaged."""
    if len(text) > LONGEST or "\\u0000" in text:
        raise Damaged(f"it is longer than {LONGEST} characters, or has one that no file can have in its name")
    try:
        found = json.loads(text, parse_int=_integer, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        raise Damaged("it is not valid JSON") from None
    if not isinstance(found, dict) or _is_deeper(found, _DEEPEST):
        raise Damaged("it is not a dictionary, or has too many levels")
    version = found.get("v", default)
    if not is_number(version) or version not in versions:
        raise Damaged(f"its version {str(version)[:20]!r} is unknown, maybe of a later version of this collection")
    for key, is_valid in schema.items():
        if not is_valid(found.get(key)):
            raise Damaged(f"its key {key!r} is not valid")
    return found


def _integer(text):
    if len(text) > _DIGITS:
        raise ValueError(text)
    return int(text)


def _finite(text):
    if not math.isfinite(float(text)):
        raise ValueError(text)
    return float(text)


def _is_deeper(value, levels):
    """Return whether a value has more than so many levels of lists and dictionaries."""
    if not isinstance(value, (dict, list)):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(part, levels - 1) for part in parts)


def is_text(value):
    return isinstance(value, str)


def is_flag(value):
    return isinstance(value, bool)


def is_number(value):
    """Return whether a value is a whole number from 0 to the largest one of 63 bits."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def is_mapping(value):
    return isinstance(value, dict)


def list_of(is_valid):
    return lambda value: isinstance(value, list) and all(map(is_valid, value))


def optional(is_valid):
    return lambda value: value is None or is_valid(value)
