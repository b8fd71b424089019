# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the prefixes of local interfaces in vm.conf."""

from __future__ import annotations

import ipaddress
import re

_LONGEST = {4: 16, 6: 64}
_SHORTEST = {4: 1, 6: 0}


class BadPrefix(Exception):
    """The text is not a valid prefix; the argument is the reason."""


def inet(text):
    """``{local_prefix, local_mask}`` of an IPv4 prefix, which may be abbreviated: ``10/8``."""
    address, length = _split(text, 4)
    number = _inet_number(address)
    if number is None:
        raise BadPrefix("invalid format")
    return _checked(number, length, 4, "")


def inet6(text):
    address, length = _split(text, 6)
    try:
        number = int(ipaddress.IPv6Address(address))
    except ValueError:
        raise BadPrefix("name or service is not known") from None
    return _checked(number, length, 6, "6")


def _split(text, version):
    address, slash, length = text.rpartition("/")
    if not slash:
        return text, _LONGEST[version]
    found = re.fullmatch(r"[ \t\n\v\f\r]*([+-]?[0-9]+)", length)
    if not found:
        raise BadPrefix("invalid")
    number = int(found.group(1))
    if number < _SHORTEST[version]:
        raise BadPrefix("too small")
    if number > _LONGEST[version]:
        raise BadPrefix("too large")
    return address, number


def _checked(number, length, version, suffix):
    bits = 32 if version == 4 else 128
    mask = (1 << bits) - (1 << (bits - length))
    if number & ~mask:
        raise BadPrefix("bad mask")
    kind = ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address
    return {f"local_prefix{suffix}": str(kind(number)), f"local_mask{suffix}": str(kind(mask))}


def _inet_number(text):
    """The number of an address with one to four parts (missing parts are zero), or None if it is not valid."""
    if re.fullmatch(r"0[xX][0-9a-fA-F]{1,8}", text):
        return int(text[2:].ljust(8, "0"), 16)
    parts = text.split(".")
    if len(parts) > 4 or not all(re.fullmatch("[0-9]+", part) and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)).ljust(4, b"\0"), "big")
