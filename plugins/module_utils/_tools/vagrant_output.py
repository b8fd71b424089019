# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the output of ``vagrant --machine-readable``. Pure: text in, values out.

A row is ``EPOCH,TARGET,TYPE,DATA[,DATA...]``. In data, a comma is printed as ``%!(VAGRANT_COMMA)`` and a line break as
``\\n``. Backslashes are not escaped, so a text that contains ``\\n`` cannot be distinguished from a line break.
"""

from __future__ import annotations

import re
import shlex

from .._core.frozen import Frozen
from .._core.pattern import Pattern

_ROW = Pattern(r"^\d+,([^,\n]*),([^,\n]+),(.*?)\r?$", re.MULTILINE)
_COMMA = "%!(VAGRANT_COMMA)"
_VERSION = Pattern(r"^(?:Vagrant |Installed Version: )(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
# Escape sequences and overwritten text of progress bars, which are printed even without a terminal.
_CONTROL = Pattern(r"\x1b\[[0-9;]*[A-Za-z]|[^\n]*\r(?!\n)")
# Ruby's stack trace of an error in Vagrant.
_TRACE = Pattern(r"^\tfrom .*\n?|^/\S+\.rb:\d+:in `[^']*': ", re.MULTILINE)
_EXPERIMENTAL = "enabled the experimental flag"
_EARLY = Pattern(r"\AVagrant failed to initialize at a very early stage:\s*")


class Row(Frozen):
    """``target`` is the name of a VM; None if the row is not about a VM."""

    target: str | None
    kind: str
    data: tuple


class Failure(Frozen):
    """``kind`` is the class of Vagrant's error without its Ruby modules, such as ``MachineActionLockedError``."""

    kind: str
    text: str


class Status(Frozen):
    """``state`` is in the provider's own terms; vagrant_states maps it to a power state."""

    provider: str | None
    state: str


class Ssh(Frozen):
    """``host`` is where Vagrant connects to: with VirtualBox 127.0.0.1, whatever the address of the VM is."""

    host: str
    port: int
    user: str | None
    key_file: str | None


def rows(text):
    """[Row] of an output; lines that are not rows are skipped."""
    return [_row(*found) for found in _ROW.findall(text)]


def _row(target, kind, data):
    return Row(target or None, kind, tuple(_unescaped(item) for item in data.split(",")))


def _unescaped(item):
    return item.replace(_COMMA, ",").replace("\\n", "\n").replace("\\r", "\r")


def failure(found):
    """The Failure with which a command ended, or None."""
    row = next((row for row in found if row.kind == "error-exit"), None)
    return Failure(row.data[0].rpartition("::")[2], "\n".join(row.data[1:])) if row else None


def warnings(found):
    """Vagrant's warnings, each on one line, without the one about experimental features, which the caller enabled."""
    texts = [" ".join(row.data[1:]) for row in found if row.kind == "ui" and row.data[:1] == ("warn",)]
    return [" ".join(text.split()) for text in texts if _EXPERIMENTAL not in text]


def error_text(text):
    """Standard error without escape sequences, stack traces, empty lines, and the prefix of early failures."""
    plain = _EARLY.sub("", _TRACE.sub("", _CONTROL.sub("", text)).strip())
    return "\n".join(line.rstrip() for line in plain.split("\n") if line.strip())


def statuses(found):
    """``status`` as {VM name: Status}, in the order of the Vagrantfile."""
    providers = {row.target: row.data[0] for row in found if row.kind == "provider-name"}
    return {row.target: Status(providers.get(row.target), row.data[0]) for row in found if row.kind == "state"}


def ssh_configs(found):
    """``ssh-config`` as {VM name: Ssh}."""
    return {row.target: _ssh(row.data[0]) for row in found if row.kind == "ssh-config"}


def _ssh(text):
    settings = dict(_setting(line) for line in text.split("\n") if line.strip())
    return Ssh(settings["HostName"], int(settings.get("Port", 22)), settings.get("User"), settings.get("IdentityFile"))


def _setting(line):
    name, _space, value = line.strip().partition(" ")
    return name, shlex.split(value)[0] if value.startswith('"') else value


def snapshots(found):
    """``snapshot list`` as {VM name: names of its snapshots}, in no particular order; empty for a VM without any, and
    for one that does not exist.

    The names follow a heading without text, one per row. The message about a VM without snapshots is a heading with
    text.
    """
    listed, current_vm = {}, None
    for row in found:
        level, text = (*row.data, "")[:2] if row.kind == "ui" else ("", "")
        if row.target is not None and row.kind == "ui":
            listed.setdefault(row.target, [])
        if level == "output":
            heading = text.rpartition("==> ")[2]
            current_vm = row.target if heading.strip() in ("", f"{row.target}:") else None
        elif level == "detail" and row.target is not None and row.target == current_vm:
            listed[current_vm].append(text)
    return listed


def version(text):
    """``--version`` as (major, minor, patch), or None."""
    match = _VERSION.search(text)
    return tuple(int(number) for number in match.groups()) if match else None
