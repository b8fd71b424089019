# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of .NET: objects with properties, and values as the types of JSON and as text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

INT64 = range(-(1 << 63), 1 << 63)


class BigInteger(int):
    """A number of a request beyond Int64."""


class Text:
    """A value of another type, as its text (a version, a dictionary)."""

    def __init__(self, text):
        self.text = text


class NetObject:
    """An object of a class with properties; the value of a property may be a function, which may raise.

    Names of properties are found in any case. Properties are changed with ``change``.
    """

    def __init__(self, class_, **properties):
        self.fullname, self.classname = class_, class_.rsplit(".", 1)[-1]
        self.text = class_
        self._names = {name.lower(): name for name in properties}
        self._values = dict(properties)

    def has(self, name):
        return name.lower() in self._names

    def get(self, name):
        """The value of a property; None where there is none. Raises what its getter raises."""
        value = self._values.get(self._names.get(name.lower()))
        return value() if callable(value) else value

    def safely(self, name):
        """As PowerShell reads a property: an exception of the getter is null."""
        try:
            return self.get(name)
        except Exception:
            return None

    def change(self, **properties):
        self._values.update(properties)


def as_text(value):
    """A value as PowerShell converts it to text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)):
        return " ".join(map(as_text, value))
    if isinstance(value, float):
        return f"{value:.15g}".upper()
    return str(getattr(value, "text", value))


#: One part of a pattern: a literal character, a set of characters, or anything else. A "]" at the start is in its set.
_PART = re.compile(r"`(?P<literal>.)|\[(?P<set>(?:`.|[^`])(?:`.|[^\]`])*)\]|(?P<other>.)", re.DOTALL)
_ITEM = re.compile(r"(`?.)-(`?.)|`?.", re.DOTALL)
_WILDCARDS = {"*": ".*", "?": "."}


def like(text, pattern):
    """Whether a text matches a pattern with PowerShell's wildcards; a backtick makes the next character literal.

    Sets have characters and ranges, and no negation. Raises ValueError where PowerShell rejects the pattern.
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
    # Seven digits of a fraction, as format "o" has them.
    return f"{value.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%S.%f}0Z"


def plain(value, show=None):
    """A value in types of JSON; of an object, the properties that ``show`` names, else its text."""
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
