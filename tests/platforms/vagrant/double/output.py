# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant's output: machine-readable rows or human-readable lines."""

from __future__ import annotations

import time

ERRORS = "Vagrant::Errors"


class Failure(Exception):
    """A command that fails; ``kind`` is the name of Vagrant's error class."""

    def __init__(self, kind, text, owner=ERRORS):
        super().__init__(text)
        self.kind, self.text = f"{owner}::{kind}", text


class EarlyFailure(Exception):
    """A command that fails before Vagrant has read its options: plain text, even with --machine-readable."""


class Output:
    """The output of one command; ``machine_readable`` is set by the option --machine-readable."""

    def __init__(self, machine_readable):
        self.machine_readable = machine_readable
        self.stdout, self.stderr = [], []

    def row(self, kind, *data, target=""):
        if self.machine_readable:
            line = ",".join(_escaped(item) for item in data)
            self.stdout.append(f"{int(time.time())},{target},{kind},{line}\n")

    def message(self, text, level="info", target=""):
        """Write a text. If ``target`` is the name of a VM, each line begins with it."""
        if target:
            prefix = f"    {target}: " if level == "detail" else f"==> {target}: "
            text = "\n".join(f"{prefix}{line}" for line in text.split("\n"))
        self.plain_message(text, level, target)

    def plain_message(self, text, level="info", target=""):
        """Write a text without a prefix."""
        if self.machine_readable:
            self.row("ui", level, text, target=target)
        else:
            (self.stderr if level == "error" else self.stdout).append(f"{text}\n")

    def fail(self, failure):
        self.plain_message(failure.text, "error")
        self.row("error-exit", failure.kind, failure.text)

    def fail_early(self, failure):
        self.stderr.append(f"Vagrant failed to initialize at a very early stage:\n\n{failure}\n")


def _escaped(item):
    return str(item).replace(",", "%!(VAGRANT_COMMA)").replace("\n", "\\n").replace("\r", "\\r")
