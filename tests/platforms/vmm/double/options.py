# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options as OpenBSD's getopt(3) reads them, and the failures of commands."""

from __future__ import annotations


class Failure(Exception):
    """A command ends with a text on stderr."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.text, self.code = text, code


class Misuse(Exception):
    """Wrong options: an optional line, before the usage."""

    def __init__(self, line=""):
        super().__init__(line)
        self.line = line


class Hang(Exception):
    """A command that never ends on its own; it has printed its first words."""

    stderr = ""


class TimedOut(Exception):
    """A call in process was ended by its caller; what it has written to stderr."""


def parse(words, spec):
    """``([(letter, value)], operands)``: options end at the first other word, or behind ``--``."""
    found, words = [], list(words)
    while words and words[0].startswith("-") and words[0] != "-":
        word = words.pop(0)
        if word == "--":
            break
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            position = spec.find(letter)
            if position < 0 or letter == ":":
                raise Misuse(f"unknown option -- {letter}")
            value = None
            if spec[position + 1 : position + 2] == ":":
                if not letters and not words:
                    raise Misuse(f"option requires an argument -- {letter}")
                value, letters = letters or words.pop(0), ""
            found.append((letter, value))
    return found, words
