# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Vagrant speaks: rows for programs, or lines for people."""

from __future__ import annotations

import time

ERRORS = "Vagrant::Errors"


class Failure(Exception):
    """A call that Vagrant ends with an error; ``kind`` is the name of its class."""

    def __init__(self, kind, text, owner=ERRORS):
        super().__init__(text)
        self.kind, self.text = f"{owner}::{kind}", text


class EarlyFailure(Exception):
    """A call that ends before Vagrant knows how to speak: plain text, whatever was asked for."""


class Speech:
    """What one call says. ``for_programs`` is what --machine-readable asks for."""

    def __init__(self, for_programs):
        self.for_programs = for_programs
        self.stdout, self.stderr = [], []

    def row(self, kind, *data, target=""):
        if self.for_programs:
            line = ",".join(_escaped(item) for item in data)
            self.stdout.append(f"{int(time.time())},{target},{kind},{line}\n")

    def say(self, text, level="info", target=""):
        """A text, of a machine where there is a target: each of its lines begins with the machine's name then."""
        if target:
            start = f"    {target}: " if level == "detail" else f"==> {target}: "
            text = "\n".join(f"{start}{line}" for line in text.split("\n"))
        self.say_plainly(text, level, target)

    def say_plainly(self, text, level="info", target=""):
        if self.for_programs:
            self.row("ui", level, text, target=target)
        else:
            (self.stderr if level == "error" else self.stdout).append(f"{text}\n")

    def fail(self, failure):
        self.say_plainly(failure.text, "error")
        self.row("error-exit", failure.kind, failure.text)

    def fail_early(self, failure):
        self.stderr.append(f"Vagrant failed to initialize at a very early stage:\n\n{failure}\n")


def _escaped(item):
    return str(item).replace(",", "%!(VAGRANT_COMMA)").replace("\n", "\\n").replace("\r", "\\r")
