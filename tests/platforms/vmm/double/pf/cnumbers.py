# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses numbers as the C library does."""

from __future__ import annotations

import re

_UNSIGNED = re.compile(r"\s*([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_DOUBLE = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_UINT64 = 2**64
UINT_MAX = 2**32 - 1


def unsigned(text):
    """``strtoul(text, 0)``, or None if there is more in the text than a number."""
    found = _UNSIGNED.fullmatch(text)
    if not found:
        return None
    sign, digits = found.groups()
    value = int(digits, 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10)
    if value >= _UINT64:
        return None
    return -value % _UINT64 if sign == "-" else value


def double(text):
    """(value, rest) of ``strtod``."""
    found = _DOUBLE.match(text)
    return (float(found.group()), text[found.end() :]) if found else (0.0, text)
