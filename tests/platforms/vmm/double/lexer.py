# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lexer that configuration files of OpenBSD share: macros, includes, continuation lines, quotes, line numbers.

``vm.conf`` and ``pf.conf`` differ in their keywords and in the characters of words (``Dialect``). Texts are bytes
decoded as Latin-1. All messages go to one list, as ``FILE:LINE: text``.
"""

from __future__ import annotations

import errno
import os
import string
from dataclasses import dataclass, field

from .options import NotRecorded

END, ERROR, NUMBER, STRING = "$end", "ERROR", "NUMBER", "STRING"
#: Characters that mark the beginning and end of a macro's text, in which no macro is replaced.
_BEGIN_TEXT, _END_TEXT = "\x01", "\x02"
_BUFFER = 8096
#: The number of files that a process can open: it ends a file that includes itself.
_OPEN_FILES = 100
_LETTERS = frozenset(string.ascii_letters)
_DIGITS = frozenset(string.digits)
_SPACE = frozenset(" \t\n\r\v\f")
_ENDS_NUMBER = _SPACE | frozenset("),/}=")
_LARGEST, _SMALLEST = 2**63 - 1, -(2**63)


@dataclass(frozen=True)
class Dialect:
    """The lexical rules of one file: ``first`` may begin a word without quotes, ``excluded`` may not be in one."""

    keywords: frozenset
    #: Tokens of statements that the double does not know. They may be valid where the parser expects others.
    others: frozenset
    first: frozenset
    excluded: frozenset

    def is_in_word(self, character):
        return "!" <= character <= "~" and character not in self.excluded


def dialect(keywords, others="", first=":_/", excluded="(){}!=#,", symbols=""):
    words = frozenset(f"{keywords} {others}".split())
    unknown = frozenset([*others.upper().split(), *symbols])
    return Dialect(words, unknown, _LETTERS | _DIGITS | frozenset(first), frozenset(excluded))


@dataclass
class Source:
    """One file that is being read."""

    name: str
    text: str
    line: int
    position: int = 0
    returned: list = field(default_factory=list)
    has_ended: bool = False
    errors: int = 0


@dataclass
class Macro:
    name: str
    value: str
    is_used: bool = False


class Lexer:
    """Tokens ``(kind, value)`` of a file and the files that it includes; ``read(path)`` returns a file's text."""

    def __init__(self, words, read):
        self.dialect, self._read = words, read
        self.sources, self.messages, self.macros = [], [], []
        #: The line of the last token, for messages.
        self.line = 0
        self._is_expanding, self._kind = False, ""

    # Files and messages -----------------------------------------------------------------------------------------------

    def open(self, path):
        """Continue with this file; OSError if it cannot be read. ``include`` adds the line feed that begins line 1."""
        if len(self.sources) >= _OPEN_FILES:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        text = self._read(path)
        self.sources.append(Source(path, text, 0 if self.sources else 1))

    def include(self, path):
        self.open(path)
        self.source.returned.append("\n")

    @property
    def source(self):
        return self.sources[-1]

    @property
    def errors(self):
        return sum(source.errors for source in self.sources)

    def error(self, text):
        if text == "syntax error" and self._kind in self.dialect.others:
            self.unknown(self._kind.lower())
        self.source.errors += 1
        self.messages.append(f"{self.source.name}:{self.line}: {text}")

    def unknown(self, what):
        """End the test: OpenBSD's answer to this statement is unknown here."""
        raise NotRecorded(f"{self.source.name}:{self.line}: {what}")

    def remark(self, text):
        """Add a message without file and line."""
        self.messages.append(text)

    def _close(self):
        """Return to the file that included this one; returns False if there is none."""
        if len(self.sources) == 1:
            return False
        self.sources[-2].errors += self.sources.pop().errors
        return True

    # Macros -----------------------------------------------------------------------------------------------------------

    def define(self, name, value):
        """Define a macro; a new definition replaces an older one."""
        self.macros = [macro for macro in self.macros if macro.name != name] + [Macro(name, value)]

    def unused(self):
        return [macro.name for macro in self.macros if not macro.is_used]

    def _expand(self):
        """Read a macro's name and insert the macro's text at this position; returns a token only if that fails."""
        name = ""
        while True:
            character = self._next()
            if character is None:
                return END, None
            if character not in _LETTERS and character not in _DIGITS and character != "_":
                break
            if len(name) + 1 >= _BUFFER - 1:
                return self._too_long()
            name += character
        self._return(character)
        macro = next((macro for macro in self.macros if macro.name == name), None)
        if macro is None:
            return self._skip(f"macro '{name}' not defined")
        macro.is_used = True
        self.source.returned += [_END_TEXT, *reversed(macro.value), _BEGIN_TEXT]
        return None

    # Characters -------------------------------------------------------------------------------------------------------

    def _raw(self):
        """The next character, or None at the end of the file."""
        while True:
            source = self.source
            if source.returned:
                character = source.returned.pop()
            elif source.position < len(source.text):
                character = source.text[source.position]
                source.position += 1
            else:
                return None
            if character not in (_BEGIN_TEXT, _END_TEXT):
                return character
            self._is_expanding = character == _BEGIN_TEXT

    def _return(self, character):
        if character is not None:
            self.source.returned.append(character)

    def _next(self):
        """The next character outside of quotes. Continued lines are joined; the end of a file ends its last line."""
        while (character := self._raw()) == "\\":
            following = self._raw()
            if following != "\n":
                character = following
                break
            self.line = self.source.line
            self.source.line += 1
        if character is None and not self.source.has_ended:
            self.source.has_ended = True
            return "\n"
        while character is None:
            if not self._close():
                return None
            character = self._raw()
        return character

    def _quoted(self, quote):
        """The next character within quotes."""
        character = self._raw()
        if character is None:
            self.error("reached end of file while parsing quoted string")
            return quote if self._close() else None
        return character

    def _skip(self, text):
        """Report an error, and skip the rest of the line; returns an error token."""
        self.error(text)
        while (character := self._next()) not in ("\n", None):
            pass
        if character == "\n":
            self.source.line += 1
        return ERROR, None

    def _too_long(self):
        return self._skip("string too long")

    # Tokens -----------------------------------------------------------------------------------------------------------

    def token(self):
        """The next (kind, value); the kind is STRING, NUMBER, a keyword in capitals, or the character itself."""
        found = self._read_token()
        self._kind = found[0]
        return found

    def _read_token(self):
        while True:
            while (character := self._next()) in (" ", "\t"):
                pass
            self.line = self.source.line
            if character == "#":
                while (character := self._next()) not in ("\n", None):
                    pass
            if character != "$" or self._is_expanding:
                break
            failed = self._expand()
            if failed:
                return failed
        return self._token(character)

    def _token(self, character):
        if character in ("'", '"'):
            return self._string(character)
        if character == "-" or character in _DIGITS:
            found = self._number(character)
            if found:
                return found
        if character in self.dialect.first:
            return self._word(character)
        if character == "\n":
            self.line = self.source.line
            self.source.line += 1
        if character in (None, "\0"):
            return END, None
        return self.symbol(character)

    def symbol(self, character):
        """The token of any other character: the character itself."""
        return character, character

    def _string(self, quote):
        text = []
        while True:
            character = self._quoted(quote)
            if character is None:
                return END, None
            if character == "\n":
                self.source.line += 1
                continue
            if character == "\\":
                character = self._escaped(quote)
                if character == "\n":
                    continue
            elif character == quote:
                return STRING, "".join(text)
            elif character == "\0":
                return self._skip("syntax error")
            if character is None:
                return END, None
            if len(text) + 1 >= _BUFFER - 1:
                return self._too_long()
            text.append(character)

    def _escaped(self, quote):
        """The character for a backslash within quotes; a line feed is returned, and the caller ignores it."""
        following = self._quoted(quote)
        if following in (quote, " ", "\t", None):
            return following
        if following == "\n":
            self.source.line += 1
            return following
        self._return(following)
        return "\\"

    def _number(self, character):
        """The number that begins here, or ``-``, or None if a word begins here."""
        text = []
        while True:
            text.append(character)
            if len(text) >= _BUFFER:
                return self._too_long()
            character = self._next()
            if character is None or character not in _DIGITS:
                break
        self._return(character)
        is_number = text != ["-"] and (character is None or character in _ENDS_NUMBER)
        if is_number:
            return self._checked("".join(text))
        self.source.returned += reversed(text[1:])
        return ("-", "-") if text[0] == "-" else None

    def _checked(self, text):
        number = int(text)
        if _SMALLEST <= number <= _LARGEST:
            return NUMBER, number
        return self._skip(f'"{text}" invalid number: too {"large" if number > 0 else "small"}')

    def _word(self, character):
        text = []
        while True:
            text.append(character)
            if len(text) >= _BUFFER:
                return self._too_long()
            character = self._next()
            if character is None or not self.dialect.is_in_word(character):
                break
        self._return(character)
        word = "".join(text)
        return (word.upper(), word) if word in self.dialect.keywords else (STRING, word)
