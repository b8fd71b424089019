# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse options like OpenBSD's getopt(3), and the exceptions of failing commands."""

from __future__ import annotations


class Failure(Exception):
    """A command fails with this text on stderr and this exit code."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.text, self.code = text, code


class Misuse(Exception):
    """Wrong options; ``line`` is an optional message before the usage."""

    def __init__(self, line=""):
        super().__init__(line)
        self.line = line


class Hang(Exception):
    """A command never ends on its own; ``stderr`` is the text that it has printed."""

    stderr = ""


class NotRecorded(Exception):
    """The double does not know what OpenBSD answers to ``what``, and makes no assumption. The test fails."""

    code = 70

    def __init__(self, what):
        super().__init__(f"The double has no recorded answer, and makes no assumption: {what}")


class TimedOut(Exception):
    """The caller's patience ended a call in process; the argument is the call's stderr."""


def parse(words, spec):
    """``([(letter, value)], operands)``: options end before the first other word, or after ``--``."""
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
