# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How OpenBSD's installer takes answers from a response file (install.conf)."""

from __future__ import annotations

from dataclasses import dataclass, field

_BLANKS = " \t"


@dataclass
class Line:
    """``key = value`` in a response file."""

    text: str
    key: str
    value: str

    def answers(self, question):
        """True if the question contains the key, after a blank or its start and before a blank, a ``?`` or its end."""
        words, key = question.lower(), self.key.lower()
        at = words.find(key)
        while at >= 0:
            end = at + len(key)
            if (at == 0 or words[at - 1] == " ") and words[end : end + 1] in ("", " ", "?"):
                return True
            at = words.find(key, at + 1)
        return False


@dataclass
class Installation:
    """The answers to a series of questions, the error of an unanswered question, and the unused lines."""

    answers: list = field(default_factory=list)
    error: str = ""
    left_over: list = field(default_factory=list)


def lines(text):
    # A last line without a newline is not read.
    for line in text.split("\n")[:-1]:
        line = line.strip(_BLANKS)
        key, equals, value = (part.strip(_BLANKS) for part in line.partition("="))
        if equals and key and value and not line.startswith("#"):
            yield Line(line, key, value)


class Unanswered(Exception):
    """A question has neither an answer nor a default."""


class Answers:
    """The lines of a response file; each answers one question only."""

    def __init__(self, text):
        self.unused = list(lines(text))

    def take(self, question, default):
        line = next((line for line in self.unused if line.answers(question)), None)
        if line:
            self.unused.remove(line)
        elif not default:
            raise Unanswered(f'Question has no answer in response file: "{question.lower()}"')
        return line.value if line else default


def install(text, questions):
    """Ask the questions, (question, default), in their order."""
    answers, done = Answers(text), Installation()
    try:
        for question, default in questions:
            done.answers.append(answers.take(question, default))
    except Unanswered as error:
        done.error = str(error)
    done.left_over = [line.text for line in answers.unused]
    return done
