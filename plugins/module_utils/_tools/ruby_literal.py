# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Converts values to Ruby literals. Every value of a task that is written to a Vagrantfile goes through `literal`.

A literal is printable ASCII on one line, whatever the value contains. So it means the same in every encoding, and no
value can end its own quotes, start an interpolation, or add a line to the file. Names outside of literals are checked
before they are written, so the syntax of the file is always valid.
"""

from __future__ import annotations

import json
import math

from .._core import errors
from .._core.pattern import Pattern

_ESCAPED = {'"': '\\"', "\\": "\\\\", "#": "\\#", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
#: All but printable ASCII, and what has a meaning within the quotes.
_SPECIAL = Pattern(r"[^ !$-\[\]-~]")
_SURROGATES = range(0xD800, 0xE000)
_SYMBOL = Pattern(r":[A-Za-z_][A-Za-z0-9_]*\Z")


def literal(value, symbols=False):
    """A Ruby expression that evaluates to ``value``, which is as JSON has it. Raises InvalidInput for values that Ruby
    cannot represent. With ``symbols``, texts such as ``:id`` become symbols.
    """
    if isinstance(value, str):
        return value if symbols and _SYMBOL.match(value) else f'"{_SPECIAL.sub(_escaped, value)}"'
    if isinstance(value, dict):
        items = (f"{literal(key, symbols)} => {literal(item, symbols)}" for key, item in value.items())
        return f"{{{', '.join(items)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(literal(item, symbols) for item in value)}]"
    if isinstance(value, float) and not math.isfinite(value):
        raise errors.InvalidInput(f"The number {value} cannot be written as Ruby.", "Set a finite number.")
    return "nil" if value is None else json.dumps(value)


def _escaped(found):
    character = found[0]
    if ord(character) in _SURROGATES:
        raise errors.InvalidInput(
            f"A text contains {character!a}, which is not a valid character: the text was not in UTF-8.",
            "Save the text as UTF-8.",
        )
    return _ESCAPED.get(character) or f"\\u{{{ord(character):x}}}"
