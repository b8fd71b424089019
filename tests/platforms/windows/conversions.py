# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert a value to the type of a parameter, as PowerShell does.

Types have the names of the signatures: ``string[]``, ``long?``, the name of an enum or of a class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from platforms.windows.objects import INT64, as_text

LIMITS = {
    "byte": (0, 255),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "long": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
    "double": (float("-inf"), float("inf")),
}
#: Value types, which cannot be null. Enums are value types, too.
VALUES = {*LIMITS, "bool", "guid", "switch"}
#: Types that accept any value.
ANY = {"object", "psobject", "ciminstance"}
_BLANKS = " \t\r\n\v\f\u00a0\u0085"
_NUMBER = re.compile(
    r"([+-]?)(?:(0x[0-9a-f]*|0b[01]*|(?:#|&h)[0-9a-f]+)|((?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?))"
    r"(?:d|n|ul|us|uy|u|l|s|y)?([kmgtp]b)?\Z",
    re.ASCII | re.IGNORECASE,
)
_GUID = re.compile(
    r"([{(]?)([0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})([)}]?)\Z", re.ASCII | re.IGNORECASE
)
_VERSION = re.compile(r"\s*\d+\s*(\.\s*\d+\s*){1,3}\Z", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+\Z", re.ASCII)


class Inconvertible(Exception):
    """The value cannot be converted to the type."""


@dataclass(frozen=True)
class Types:
    """``enums`` is {name: {value: number}}, ``bases`` is {class: its base class}."""

    enums: Mapping = field(default_factory=dict)
    bases: Mapping = field(default_factory=dict)

    def is_value(self, type_):
        """Whether a type is a value type, which cannot be null."""
        name = base_name(type_)
        return not type_.endswith(("[]", "?")) and (name in VALUES or name in self.enums)

    def convert(self, value, name):
        """Convert a value to a type that is neither a list nor nullable."""
        if name in ANY:
            return value
        if name in LIMITS:
            return to_number(value, name)
        if name in self.enums:
            return to_enum(value, self.enums[name])
        if name in _SIMPLE:
            return _SIMPLE[name](value)
        if name == "IDictionary" and isinstance(value, Mapping):
            return value
        return self._instance(value, name)

    def _instance(self, value, name):
        own = getattr(value, "classname", None)
        while own is not None and own != name:
            own = self.bases.get(own)
        if own is None and value is not None:
            raise Inconvertible
        return value


def base_name(type_):
    """The name of a type without its namespace, ``[]`` and ``?``."""
    return type_.rstrip("[]?").split("+")[-1].split(".")[-1]


def to_number(value, name):
    """Convert to a number of the type ``name``; halves are rounded to the even neighbour."""
    low, high = LIMITS[name]
    number = _parsed(value.strip(_BLANKS), low < 0) if isinstance(value, str) else 0 if value is None else value
    if not isinstance(number, (int, float)):
        raise Inconvertible
    if name == "double":
        return float(number)
    try:
        number = round(number + 0)
    except (OverflowError, ValueError):
        raise Inconvertible from None
    if not low <= number <= high:
        raise Inconvertible
    return number


def _parsed(text, is_signed):
    found = _NUMBER.match(text or "0")
    if not found:
        raise Inconvertible
    sign, literal, decimal, unit = found.groups()
    number = _literal(literal.lower(), is_signed) if literal else _decimal(decimal.replace(",", ""))
    factor = 1024 ** " kmgtp".index(unit[0].lower()) if unit else 1
    return -number * factor if sign == "-" else number * factor


def _decimal(digits):
    return int(digits) if digits.isdigit() else float(digits)


def _literal(text, is_signed):
    """Parse a hexadecimal or binary literal; 8 or 16 hexadecimal digits are the bits of a signed number."""
    digits = re.sub(r"^(0[xb]|#|&h)", "", text) or "0"
    if text.startswith("0b"):
        return int(digits, 2)
    number, bits = int(digits, 16), 4 * len(digits)
    return number - (1 << bits) if is_signed and bits in (32, 64) and number >> (bits - 1) else number


def to_enum(value, members):
    """The name of an enum's value, for a name, an unambiguous beginning of a name, a number, or several of them."""
    if isinstance(value, list):
        if not value or any(isinstance(item, (bool, list)) or item is None for item in value):
            raise Inconvertible
        numbers = [members[to_enum(item, members)] for item in value]
    elif isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
        if len(parts) > 1 and any(re.match(r"[+-]?\d", part, re.ASCII) for part in parts):
            raise Inconvertible
        numbers = [_member(part, members) for part in parts]
    elif isinstance(value, int) and not isinstance(value, bool) and value in INT64:
        numbers = [(value + 2**31) % 2**32 - 2**31]
    else:
        raise Inconvertible
    combined = 0
    for number in numbers:
        combined |= number
    for name, number in members.items():
        if number == combined:
            return name
    raise Inconvertible


def _member(text, members):
    low = text.lower()
    found = [name for name in members if name.lower() == low]
    found = found or [name for name in members if low and name.lower().startswith(low)]
    if len(found) == 1:
        return members[found[0]]
    if not _INTEGER.match(text):
        raise Inconvertible
    return int(text)


def _to_bool(value):
    if isinstance(value, bool):
        return value
    if isinstance(value, float) or (isinstance(value, int) and value in INT64):
        return value != 0
    raise Inconvertible


def _to_switch(value):
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Inconvertible


def _to_guid(value):
    found = _GUID.match(value.strip()) if isinstance(value, str) else None
    if not found or found[1] + found[3] not in ("", "{}", "()") or (found[1] and "-" not in found[2]):
        raise Inconvertible
    digits = found[2].replace("-", "").lower()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _to_version(value):
    text = as_text(value) if isinstance(value, float) else value
    if text is not None and not (isinstance(text, str) and _VERSION.match(text)):
        raise Inconvertible
    return text


_SIMPLE = {"string": as_text, "bool": _to_bool, "switch": _to_switch, "guid": _to_guid, "version": _to_version}
