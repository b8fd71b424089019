# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""wsl.conf and .wslconfig: the grammar that WSL itself uses, which is not that of INI files.

Sections and keys are letters and digits, and case-insensitive. A comment begins with ``#``, also after a value. Values
may be quoted, wholly or in part; ``\\n``, ``\\t``, ``\\b``, ``\\\\`` and ``\\"`` are escapes, and a backslash at the
end of a line continues it. Invalid lines are ignored; of a repeated key, the first one counts.
Source: src/shared/configfile of microsoft/WSL (the same from 2.5 to 2.9).

Texts have one character for each byte of the file (Latin-1), so that everything else is preserved; values are the
UTF-8 text that these bytes mean. WSL opens .wslconfig with ``rt,ccs=UTF-8``: as UTF-8, or as UTF-16LE if it begins with
the byte order mark of this encoding.
"""

from __future__ import annotations

import re

from .._core.frozen import Frozen
from .._core.pattern import Pattern

_SECTION = Pattern(r"\[([A-Za-z][A-Za-z0-9]*)(\]?)")
_KEY = Pattern(r"([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*")
_ESCAPED = {"\\": "\\", '"': '"', "b": "\b", "n": "\n", "t": "\t", "\n": ""}
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\b": "\\b", "\n": "\\n", "\t": "\\t"})


_UTF8, _UTF16 = b"\xef\xbb\xbf", b"\xff\xfe"


def decoded(content):
    """Return (byte order mark, text) of .wslconfig; the text of a UTF-16 file has the characters of its UTF-8 form."""
    mark = next((one for one in (_UTF8, _UTF16) if content.startswith(one)), b"")
    rest = content[len(mark) :]
    if mark == _UTF16:
        rest = rest.decode("utf-16-le", "replace").encode("utf-8", "replace")
    return mark, rest.decode("latin-1")


def encoded(mark, text):
    """Return the content of .wslconfig, in the encoding that ``mark`` means."""
    content = text.encode("latin-1")
    return mark + (content.decode().encode("utf-16-le") if mark == _UTF16 else content)


def is_editable(content):
    """Return whether WSL reads this content of .wslconfig, so that an edit changes nothing else."""
    mark, text = decoded(content)
    # UTF-16 without a byte order mark, or in the other byte order, has zeros or begins with 0xFE.
    return "\0" not in text and not content.startswith(b"\xfe\xff") and encoded(mark, text) == content


class Entry(Frozen):
    """A key with its value, and their position in the text: ``start`` of the key, ``value_start`` and ``end``."""

    name: str
    value: str
    start: int
    value_start: int
    end: int


def parse(text):
    """{section.key in lower case: value} of the keys in effect; keys before the first section have no ``section.``."""
    values = {}
    for entry in _Reader(text).entries():
        values.setdefault(entry.name, entry.value.encode("latin-1").decode("utf-8", "replace"))
    return values


def edit(text, values):
    """``text`` with ``values`` {section.key: value, None to remove it}; everything else is unchanged, byte for byte."""
    for name, value in values.items():
        text = _without(text, name) if value is None else _with(text, name, written(value))
    return text


def written(value):
    """A value with the quotes and escapes that it needs in the file."""
    escaped = value.encode().decode("latin-1").translate(_ESCAPES)
    return f'"{escaped}"' if "#" in value or value != value.strip(" \t") else escaped


def boolean(value, default=None):
    """A value as WSL interprets it as a boolean; ``default`` for all others, for which WSL only warns."""
    return {"true": True, "1": True, "false": False, "0": False}.get((value or "").lower(), default)


def _with(text, name, value):
    reader = _Reader(text)
    found = next((one for one in reader.entries() if one.name == name.lower()), None)
    if found:
        return text[: found.value_start] + value + text[found.end :]
    section, key = name.split(".")
    newline = "\r\n" if "\r\n" in text else "\n"
    line = f"{key}={value}{newline}"
    place = reader.sections.get(section.lower())
    if place is not None:
        before = text[:place]
        return f"{before}{'' if before.endswith(chr(10)) else newline}{line}{text[place:]}"
    return f"{_with_line_end(text, newline)}[{section}]{newline}{line}"


def _with_line_end(text, newline):
    """``text`` with a line break at its end. After a backslash, CR LF is used, which does not continue the line."""
    if not text or text.endswith("\n"):
        is_continued = re.search(r"(?<!\\)(\\\\)*\\\n\Z", text)
        return text + newline if is_continued else text
    return text + ("\r\n" if text.endswith("\\") else newline)


def _without(text, name):
    while True:
        found = next((one for one in _Reader(text).entries() if one.name == name.lower()), None)
        if found is None:
            return text
        before, after = text[: found.start], text[found.end :]
        rest = re.match(r"[ \t]*(\r?\n|\Z)", after)
        start = re.search(r"[ \t]*\Z", before).start()
        if rest and (start == 0 or before[start - 1] in "\r\n"):
            before, after = before[:start], after[rest.end() :]
        text = before + after


class _Reader:
    """Parses a text as WSL does. ``sections`` is {name: start of the line after the first header of the section}."""

    def __init__(self, text):
        self._text, self._place = text, 0
        self._section = ""
        self.sections = {}

    def entries(self):
        """All valid entries, in their order."""
        while self._place < len(self._text):
            character = self._text[self._place]
            if character in " \t\r\n":
                self._place += 1
            elif character == "#":
                self._skip_line()
            elif character == "[":
                self._read_section()
            else:
                entry = self._read_entry()
                if entry:
                    yield entry

    def _skip_line(self):
        """Continue after the next newline: in comments and invalid lines, CR alone does not end the line."""
        end = self._text.find("\n", self._place)
        self._place = len(self._text) if end < 0 else end + 1

    def _read_section(self):
        found = _SECTION.match(self._text, self._place)
        if not found:
            self._skip_line()
            return
        name, closing = found[1].lower(), found[2]
        rest = Pattern(r"[ \t]*(#|\r|\n|\Z)").match(self._text, found.end()) if closing else None
        if not rest:
            # WSL has already overwritten the name of the section, and continues with the length of the old name.
            self._section = name[: len(self._section)].ljust(len(self._section), "\0")
            self._skip_line()
            return
        self._section = name
        self._place = rest.end()
        if rest[1] == "#":
            self._skip_line()
        elif rest[1] == "\r" and self._text[self._place : self._place + 1] == "\n":
            self._place += 1
        self.sections.setdefault(name, self._place)

    def _read_entry(self):
        start, found = self._place, _KEY.match(self._text, self._place)
        value = found and self._read_value(found.end())
        if value is None:
            self._skip_line()
            return None
        name = f"{self._section}.{found[1].lower()}" if self._section else found[1].lower()
        text, end = value
        return Entry(name, text, start, found.end(), end)

    def _read_value(self, place):
        """(value, its end without trailing blanks), or None for an invalid line."""
        text, value, is_quoted, end, length = self._text, "", False, place, 0
        while place < len(text) and text[place] not in "\r\n" and (is_quoted or text[place] != "#"):
            character = text[place]
            place += 1
            if character == "\\":
                if text[place : place + 1] not in tuple(_ESCAPED):
                    self._place = place
                    return None
                value += _ESCAPED[text[place]]
                place += 1
            elif character == '"':
                is_quoted = not is_quoted
            else:
                value += character
            if character not in " \t":
                end, length = place, len(value)
        self._place = place
        return None if is_quoted else (value[:length], end)
