# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse and format sizes like OpenBSD: powers of 1024 with one letter."""

from __future__ import annotations

import re

_UNITS = "BKMGTPE"
_LARGEST = 2**63 - 1
MEGABYTE = 1 << 20
#: A size has fewer digits than this before the point; too many digits after the point are ignored.
_DIGITS = 21


class BadSize(Exception):
    """The text is not a size; the argument is the system's error text."""


def read(text):
    """Parse a size such as ``1.5G``; returns bytes. A text without digits is 0."""
    found = re.fullmatch(r"[ \t\n\v\f\r]*([-+]?)([0-9]*)(?:\.([0-9]*))?(|[^0-9.].*)", text, re.S)
    if found is None:
        raise BadSize("Invalid argument")
    sign, whole, fraction, unit = found.group(1), found.group(2), found.group(3) or "", found.group(4)
    fraction = fraction[: _DIGITS - 2]
    if len(whole) >= _DIGITS or max(int(whole or "0"), int(fraction or "0")) > _LARGEST:
        raise BadSize("Result too large")
    number = int(whole or "0")
    if unit:
        scale = _scale(unit)
        number = number * scale + int(fraction or "0") * scale // 10 ** len(fraction)
    if number > _LARGEST:
        raise BadSize("Result too large")
    return -number if sign == "-" else number


def _scale(unit):
    """The factor of a unit; fails if another letter or digit follows it."""
    power = _UNITS.find(unit[0].upper())
    if power < 0 or (unit[1:2].isascii() and unit[1:2].isalnum()):
        raise BadSize("Invalid argument")
    return 1024**power


def write(number):
    """Format ``number`` bytes: with one decimal place below 100 units, without from 100 units on."""
    if number == 0:
        return "0B"
    power = 0
    while power < len(_UNITS) - 1 and number // 1024 >= 1024**power:
        power += 1
    whole, part = divmod(number, 1024**power)
    tenth = (10 * (part * 1024 // 1024**power) + 512) // 1024
    if tenth == 10:
        whole, tenth = whole + 1, 0
    if power and whole < 100:
        return f"{whole}.{tenth}{_UNITS[power]}"
    return f"{whole + (tenth >= 5)}{_UNITS[power]}"
