# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Splits a configuration file into tokens, byte by byte as the lexers of OpenBSD do: macros, included files,
continued lines, quotes. Bytes are Latin-1 characters; the end of a file is an empty string."""

from __future__ import annotations

import re
import string

#: Longest word; a quoted string or the name of a macro has one byte less.
LONGEST = 8095
_EXPANSION, _EXPANDED = "\1", "\2"
_ALNUM = frozenset(string.ascii_letters + string.digits)
_WORD = re.compile(r"[A-Za-z0-9\"$%&'*+\-.:;?@\[\]^_`|~]+")
_WORD_START = _ALNUM | {":", "_"}
_WORD_CHARACTERS = _ALNUM | frozenset("\"$%&'*+-.:;?@[\\]^_`|~")
_ENDS_NUMBER = frozenset(" \t\n\v\f\r),/}=")
_OPERATORS = {"!=": "NE", "<>": "PORTBINARY", "<=": "LE", "><": "PORTBINARY", ">=": "GE"}
_INT64 = 2**63


class Source:
    """One open file. A file that another one includes starts at line 0: a newline is put before its text."""

    def __init__(self, name, text, line=1):
        self.name, self.text, self.position, self.line = name, text, 0, line
        self.ended = False

    def put_back(self, text):
        if text and self.text.startswith(text, max(self.position - len(text), 0)) and self.position >= len(text):
            self.position -= len(text)
        else:
            self.text, self.position = text + self.text[self.position :], 0


class Lexer:
    """Tokens of a file as (type, value). ``complain`` reports a message about the present line."""

    def __init__(self, keywords, complain, source, macros):
        self.keywords, self._complain, self.macros = keywords, complain, macros
        self.files = [source]
        self.line = 1
        self.used = set()
        self._expanding = False

    @property
    def file(self):
        return self.files[-1]

    def include(self, source):
        source.line, source.text = 0, "\n" + source.text
        self.files.append(source)

    def _raw(self):
        source = self.file
        while source.position < len(source.text):
            character = source.text[source.position]
            source.position += 1
            if character not in (_EXPANSION, _EXPANDED):
                return character
            self._expanding = character == _EXPANSION
        return ""

    def _next(self):
        """The next character outside of quotes. The end of each file counts as a newline once."""
        while (character := self._raw()) == "\\":
            character = self._raw()
            if character != "\n":
                break
            self.line = self.file.line
            self.file.line += 1
        if character or not self.file.ended:
            self.file.ended = self.file.ended or not character
            return character or "\n"
        while not character:
            if len(self.files) == 1:
                return ""
            self.files.pop()
            character = self._raw()
        return character

    def _next_quoted(self, quote):
        character = self._raw()
        if character:
            return character
        self._complain("reached end of file while parsing quoted string")
        if len(self.files) == 1:
            return ""
        self.files.pop()
        return quote

    def _back(self, character):
        self.file.put_back(character)

    def _skip_line(self):
        """After an error of the lexer: to the end of the line. The parser rejects this token."""
        while (character := self._next()) not in ("\n", ""):
            pass
        if character:
            self.file.line += 1
        return "ERROR", None

    def token(self):
        while True:
            character = self._next()
            while character in (" ", "\t"):
                character = self._next()
            self.line = self.file.line
            if character == "#":
                while character not in ("\n", ""):
                    character = self._next()
            if character != "$" or self._expanding:
                return self._token(character)
            failed = self._expand()
            if failed:
                return failed

    def _expand(self):
        """Put the value of a macro in front of the rest of the file."""
        name = ""
        while True:
            character = self._next()
            if not character:
                return "$end", None
            if len(name) + 1 >= LONGEST:
                self._complain("string too long")
                return self._skip_line()
            if character not in _ALNUM and character != "_":
                break
            name += character
        self._back(character)
        if name not in self.macros:
            self._complain(f"macro '{name}' not defined")
            return self._skip_line()
        self.used.add(name)
        self._back(_EXPANSION + self.macros[name] + _EXPANDED)
        return None

    def _token(self, character):
        if character in ("'", '"'):
            return self._quoted(character)
        if character in ("!", "<", ">"):
            following = self._next()
            if character + following in _OPERATORS:
                return _OPERATORS[character + following], character + following
            self._back(following)
        if character == "-" or character.isdigit():
            number = self._number(character)
            if number:
                return number
        if character in _WORD_START and character:
            return self._word(character)
        if character == "\n":
            self.line = self.file.line
            self.file.line += 1
            return "NL", character
        return (character, character) if character not in ("", "\0") else ("$end", None)

    def _quoted(self, quote):
        text = ""
        while True:
            character = self._next_quoted(quote)
            if character == "\\":
                following = self._next_quoted(quote)
                if following in (quote, " ", "\t", "\n"):
                    character = following
                    quoted = following != "\n"
                else:
                    self._back(following)
                    quoted = bool(following)
                character = character if following else ""
            else:
                quoted = False
            if not character:
                return "$end", None
            if character == "\n":
                self.file.line += 1
            elif character == quote and not quoted:
                return "STRING", text
            elif character == "\0":
                self._complain("syntax error")
                return self._skip_line()
            elif len(text) + 1 >= LONGEST:
                self._complain("string too long")
                return self._skip_line()
            else:
                text += character

    def _number(self, character):
        """A number, a lone ``-``, or None if the characters start a word; then they are read again."""
        text = ""
        while character and (not text or character.isdigit()):
            text += character
            if len(text) > LONGEST:
                self._complain("string too long")
                return self._skip_line()
            character = self._next()
        self._back(character)
        if text != "-" and (not character or character in _ENDS_NUMBER):
            if -_INT64 <= int(text) < _INT64:
                return "NUMBER", int(text)
            self._complain(f'"{text}" invalid number: too {"small" if text[0] == "-" else "large"}')
            return self._skip_line()
        self._back(text[1:])
        return ("-", "-") if text[0] == "-" else None

    def _word(self, character):
        text = ""
        while character and (not text or character in _WORD_CHARACTERS):
            text += character
            source = self.file
            rest = _WORD.match(source.text, source.position)
            if rest:
                text, source.position = text + rest.group(), rest.end()
            if len(text) > LONGEST:
                self._complain("string too long")
                return self._skip_line()
            character = self._next()
        self._back(character)
        return self.keywords.get(text, "STRING"), text
