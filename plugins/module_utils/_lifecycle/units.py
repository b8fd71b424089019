# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes: ``2G``, ``2GB`` and ``2GiB`` all mean 2 to the power of 31 bytes."""

from __future__ import annotations

import re
from fractions import Fraction

from .errors import InvalidInput

KIB, MIB, GIB = 1024, 1024**2, 1024**3
_EXPONENTS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:([KMGTP])(?:iB|B)?|B)?\s*", re.IGNORECASE | re.ASCII)


def parse_size(text, option, bare=None):
    """Bytes of a size text; ``bare`` is the factor of a number without a unit, None refuses such a number.

    Raises InvalidInput naming ``option``.
    """
    match = _SIZE.fullmatch(str(text))
    if not match:
        raise InvalidInput(
            f"{option}: '{text}' is not a size.", "Write a number and a unit, such as 512M, 20G or 1TiB."
        )
    number, prefix = match.groups()
    has_unit = not str(text).strip()[-1].isdigit()
    if not has_unit and bare is None:
        raise InvalidInput(f"{option}: '{text}' has no unit.", f"Write {text}G for GiB, {text}M for MiB.")
    factor = 1024 ** _EXPONENTS[(prefix or "").upper()] if has_unit else bare
    size = Fraction(number) * factor
    if size.denominator != 1 or size <= 0:
        raise InvalidInput(
            f"{option}: '{text}' is not a whole, positive number of bytes.",
            "Give whole bytes above zero, such as 512M or 20G.",
        )
    return int(size)


def human_size(size):
    """The shortest exact text of a number of bytes: 2147483648 is ``2G``."""
    for prefix in "PTGMK":
        unit = 1024 ** _EXPONENTS[prefix]
        if size and size % unit == 0:
            return f"{size // unit}{prefix}"
    return f"{size}B"
