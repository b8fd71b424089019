# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of .NET: objects with properties, and the conversion of values to JSON and to text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

INT64 = range(-(1 << 63), 1 << 63)


class BigInteger(int):
    """A number of a request outside the range of Int64."""


class Text:
    """A value of a type that has only a text here, such as a version or a dictionary."""

    def __init__(self, text):
        self.text = text


class NetObject:
    """An object of a .NET class with properties; a property's value may be a function (getter), which may raise.

    Names of properties are case-insensitive. Properties are changed with ``change``.
    """

    def __init__(self, class_, **properties):
        self.fullname, self.classname = class_, class_.rsplit(".", 1)[-1]
        self.text = class_
        self._names = {name.lower(): name for name in properties}
        self._values = dict(properties)

    def has(self, name):
        return name.lower() in self._names

    def get(self, name):
        """The value of a property, or None if it does not exist. Exceptions of its getter are passed on."""
        value = self._values.get(self._names.get(name.lower()))
        return value() if callable(value) else value

    def safely(self, name):
        """The value of a property as PowerShell reads it: None if its getter raises."""
        try:
            return self.get(name)
        except Exception:
            return None

    def change(self, **properties):
        self._values.update(properties)

    def without(self, names):
        """This object, after properties were removed that a release of its class lacks."""
        for name in names:
            self._values.pop(self._names.pop(name.lower(), None), None)
        return self


def as_text(value):
    """Convert a value to text, as PowerShell does."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return " ".join(map(as_text, value))
    if isinstance(value, float):
        return f"{value:.15g}".upper()
    return str(getattr(value, "text", value))


#: One part of a pattern: a literal character, a set of characters, or another character. A "]" at the beginning of a
#: set belongs to the set.
_PART = re.compile(r"`(?P<literal>.)|\[(?P<set>(?:`.|[^`])(?:`.|[^\]`])*)\]|(?P<other>.)", re.DOTALL)
_ITEM = re.compile(r"(`?.)-(`?.)|`?.", re.DOTALL)
_WILDCARDS = {"*": ".*", "?": "."}


def like(text, pattern):
    """Whether a text matches a pattern with PowerShell's wildcards; a backtick makes the next character literal.

    Sets contain characters and ranges, but no negation. Raises ValueError if PowerShell rejects the pattern.
    """
    regex = "".join(map(_regex, _PART.finditer(pattern)))
    return re.fullmatch(regex, text, re.IGNORECASE | re.DOTALL) is not None


def _regex(part):
    if part["set"] is not None:
        return f"[{''.join(_items_of_set(part['set']))}]"
    if part["other"] == "[":
        raise ValueError(f"The specified wildcard character pattern is not valid: {part.string}")
    return re.escape(part["literal"]) if part["literal"] else _WILDCARDS.get(part["other"]) or re.escape(part["other"])


def _items_of_set(items):
    for item in _ITEM.finditer(items):
        first, last = (one and re.escape(one[-1]) for one in item.groups())
        yield f"{first}-{last}" if first else re.escape(item[0][-1])


def has_wildcards(pattern):
    return re.search(r"[*?\[\]]", re.sub(r"`.", "", pattern, flags=re.DOTALL)) is not None


def _time(value):
    # .NET's format "o" has seven digits after the decimal point.
    return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}0Z"


def plain(value, show=None):
    """Convert a value to JSON types: an object becomes the properties that ``show`` names, or its text."""
    if value is None or isinstance(value, (str, bool, float)):
        return value
    if isinstance(value, BigInteger):
        return str(int(value))
    if isinstance(value, int):
        return value
    if isinstance(value, datetime):
        return _time(value)
    if isinstance(value, timedelta):
        return value // timedelta(seconds=1)
    if isinstance(value, (list, tuple)):
        return [plain(item, show) for item in value]
    return _shown(value, show) if isinstance(show, dict) and isinstance(value, NetObject) else as_text(value)


def _shown(value, show):
    found, unreadable = {}, []
    for name, inner in show.items():
        if not value.has(name):
            continue
        try:
            found[name] = plain(value.get(name), inner)
        except Exception:
            unreadable.append(name)
    return {**found, "!unreadable": unreadable} if unreadable else found
