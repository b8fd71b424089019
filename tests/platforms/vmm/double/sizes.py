# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as OpenBSD reads and writes them: powers of 1024, one letter."""

from __future__ import annotations

import re

_UNITS = "BKMGTPE"
_LARGEST = 2**63 - 1
MEGABYTE = 1 << 20
#: A size has less than this many digits before the point; those behind it beyond the limit are not read.
_DIGITS = 21


class BadSize(Exception):
    """The text is no size; the reason is the system's text."""


def read(text):
    """The bytes of ``1.5G``. A word without digits counts as 0."""
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
    """The factor of a unit; no other letter or digit may follow it."""
    power = _UNITS.find(unit[0].upper())
    if power < 0 or (unit[1:2].isascii() and unit[1:2].isalnum()):
        raise BadSize("Invalid argument")
    return 1024**power


def write(number):
    """The text of ``number`` bytes: one decimal below 100 units, none from there on."""
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
