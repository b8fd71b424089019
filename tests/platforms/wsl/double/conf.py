# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A parser of wsl.conf that reads one character after the other, like WSL. It is written from the grammar.

It shares no code with the product, and tests compare the product with it.
"""

from __future__ import annotations

_ALPHA = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_ALNUM = _ALPHA | set("0123456789")
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b", "\\": "\\", '"': '"', "\n": ""}


class _Wrong(Exception):
    """The line is wrong: WSL prints a warning, and ignores it."""


class _Text:
    def __init__(self, text):
        self.text, self.place = text, 0

    def next(self):
        """The next character, or an empty text at the end."""
        found = self.text[self.place : self.place + 1]
        self.place += 1
        return found

    def blanks(self):
        """The next character that is neither a space nor a tab."""
        character = self.next()
        while character and character in " \t":
            character = self.next()
        return character

    def rest_of_line(self, character):
        """Skip everything up to the newline; a carriage return alone ends neither a comment nor a wrong line."""
        while character and character != "\n":
            character = self.next()


class _Conf:
    def __init__(self, text):
        self.source, self.found = _Text(text), {}
        #: The name of the section, which even a wrong section line replaces, and the length of the last correct name.
        self.name, self.length = "", 0

    def read(self):
        while True:
            character = self.source.blanks()
            if not character:
                return self.found
            try:
                self._line(character)
            except _Wrong as wrong:
                self.source.rest_of_line(wrong.args[0])

    def _line(self, character):
        if character == "[":
            character = self._section()
        elif character in _ALPHA:
            character = self._entry(character)
        elif character not in "\r\n#":
            raise _Wrong(character)
        if character == "#":
            self.source.rest_of_line(character)

    def _section(self):
        first = self.source.next()
        if first not in _ALPHA:
            raise _Wrong(first)
        self.name, character = _word(self.source, first)
        character = _end_of_section(self.source, character)
        self.length = len(self.name)
        return character

    def _entry(self, character):
        key, character = _word(self.source, character)
        value, character = _value(self.source, character)
        self.name = self.name[: self.length].ljust(self.length, "\0")
        self.found.setdefault(f"{self.name}.{key}".lower() if self.length else key.lower(), value)
        return character


def read_conf(text):
    """{section.key in lower case: value} of the entries that WSL uses."""
    return _Conf(text).read()


def _word(source, first):
    word, character = first, source.next()
    while character and character in _ALNUM:
        word += character
        character = source.next()
    return word, character


def _end_of_section(source, character):
    if character != "]":
        raise _Wrong(character)
    character = source.blanks()
    if character and character not in "\r\n#":
        raise _Wrong(character)
    return character


def _value(source, character):
    while character and character in " \t":
        character = source.next()
    if character != "=":
        raise _Wrong(character)
    value, trimmed, quoted = "", 0, False
    character = source.blanks()
    while character and character not in "\r\n":
        if character == '"':
            quoted = not quoted
        elif character == "\\":
            escaped = source.next()
            if escaped not in _ESCAPES:
                raise _Wrong(character)
            value += _ESCAPES[escaped]
        elif character == "#" and not quoted:
            break
        else:
            value += character
        if character not in " \t":
            trimmed = len(value)
        character = source.next()
    if quoted:
        raise _Wrong(character)
    return value[:trimmed], character
