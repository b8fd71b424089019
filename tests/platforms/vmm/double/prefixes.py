# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the prefix of local interfaces in vm.conf."""

from __future__ import annotations

import ipaddress
import re

_SHORTEST, _LONGEST, _BITS = 1, 16, 32


class BadPrefix(Exception):
    """The text is not a valid prefix; the argument is the reason."""


def inet(text):
    """``{local_prefix, local_mask}`` of an IPv4 prefix, which may be abbreviated: ``10/8``."""
    address, length = _split(text)
    number = _inet_number(address)
    if number is None:
        raise BadPrefix("invalid format")
    mask = (1 << _BITS) - (1 << (_BITS - length))
    if number & ~mask:
        raise BadPrefix("bad mask")
    return {"local_prefix": str(ipaddress.IPv4Address(number)), "local_mask": str(ipaddress.IPv4Address(mask))}


def _split(text):
    address, slash, length = text.rpartition("/")
    if not slash:
        return text, _LONGEST
    found = re.fullmatch(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", length)
    if not found:
        raise BadPrefix("invalid")
    number = int(found.group(1))
    if not _SHORTEST <= number <= _LONGEST:
        raise BadPrefix(f"too {'small' if number < _SHORTEST else 'large'}")
    return address, number


def _inet_number(text):
    """The number of an address with one to four parts (missing parts are zero), or None if it is not valid."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", text):
        return int(text[2:].ljust(8, "0"), 16)
    parts = text.split(".")
    if len(parts) > 4 or not all(re.fullmatch("[0-9]+", part) and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)).ljust(4, b"\0"), "big")
