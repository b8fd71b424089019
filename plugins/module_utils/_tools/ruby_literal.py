# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts values to Ruby literals. Every value of a task that is written to a Vagrantfile goes through `literal`.

A literal is printable ASCII on one line, whatever the value contains. So it means the same in every encoding, and no
value can end its own quotes, start an interpolation, or add a line to the file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from .._core import errors

_ESCAPED = {'"': '\\"', "\\": "\\\\", "#": "\\#", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_SURROGATES = range(0xD800, 0xE000)
_REPRESENTABLE = "Text, numbers, true, false, null, lists and mappings can be written into a Vagrantfile."


def literal(value):
    """A Ruby expression that evaluates to ``value``. Raises InvalidInput for values that Ruby cannot represent."""
    if value is None:
        return "nil"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(item) for item in value)}]"
    raise errors.InvalidInput(f"A value of type {type(value).__name__} cannot be written as Ruby.", _REPRESENTABLE)


def _text(value):
    return f'"{"".join(_character(character) for character in value)}"'


def _character(character):
    if character in _ESCAPED:
        return _ESCAPED[character]
    if " " <= character <= "~":
        return character
    if ord(character) in _SURROGATES:
        raise errors.InvalidInput(
            f"A text contains {character!a}, which is not a valid character: the text was not in UTF-8.",
            "Save the text as UTF-8.",
        )
    return f"\\u{{{ord(character):x}}}"


def _float(value):
    if not math.isfinite(value):
        raise errors.InvalidInput(f"The number {value} cannot be written as Ruby.", "Set a finite number.")
    return repr(float(value))


def _mapping(value):
    for key in value:
        if not isinstance(key, str):
            raise errors.InvalidInput(f"The key {key!r} of a mapping is not a string.", "Put it in quotes.")
    entries = ", ".join(f"{_text(key)} => {literal(item)}" for key, item in value.items())
    return f"{{{entries}}}"
