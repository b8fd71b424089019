# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what ``vagrant --machine-readable`` prints. Pure: text in, values out.

A row is ``EPOCH,TARGET,TYPE,DATA[,DATA...]``. In data a comma is ``%!(VAGRANT_COMMA)`` and a line break ``\\n``; no
backslash is escaped, so a text that holds ``\\n`` itself cannot be told from a line break.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

_ROW = re.compile(r"^\d+,([^,\n]*),([^,\n]+),(.*?)\r?$", re.MULTILINE)
_COMMA = "%!(VAGRANT_COMMA)"
_VERSION = re.compile(r"^(?:Vagrant |Installed Version: )(\d+)\.(\d+)\.(\d+)", re.MULTILINE)
# What makes progress move on a terminal; it is printed without one too.
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[^\n]*\r(?!\n)")
# What only the authors of Vagrant need to know of a fault in it.
_TRACE = re.compile(r"^\tfrom .*\n?|^/\S+\.rb:\d+:in `[^']*': ", re.MULTILINE)
_EARLY = re.compile(r"\AVagrant failed to initialize at a very early stage:\s*")


@dataclass(frozen=True)
class Row:
    """``target`` is a machine's name; None where the row is about none."""

    target: str | None
    kind: str
    data: tuple


@dataclass(frozen=True)
class Failure:
    """``kind`` is Vagrant's name for it (``MachineActionLockedError``), without the names of what holds it."""

    kind: str
    text: str


@dataclass(frozen=True)
class Status:
    """``state`` is the provider's word."""

    provider: str | None
    state: str


@dataclass(frozen=True)
class Ssh:
    """``host`` is where Vagrant connects to: with VirtualBox 127.0.0.1, whatever the machine's address is."""

    host: str
    port: int
    user: str | None
    key_file: str | None


@dataclass(frozen=True)
class Box:
    name: str
    provider: str
    version: str


def rows(text):
    """All rows of an output; whatever stands between them is left out."""
    return [_row(*found) for found in _ROW.findall(text)]


def _row(target, kind, data):
    return Row(target or None, kind, tuple(_unescaped(item) for item in data.split(",")))


def _unescaped(item):
    return item.replace(_COMMA, ",").replace("\\n", "\n").replace("\\r", "\r")


def failure(found):
    """The Failure that ended a call; None where it was another end."""
    row = next((row for row in found if row.kind == "error-exit"), None)
    return Failure(row.data[0].rpartition("::")[2], "\n".join(row.data[1:])) if row else None


def warnings(found):
    """What Vagrant warned of, without its line breaks."""
    rows = [row for row in found if row.kind == "ui" and row.data[:1] == ("warn",)]
    return [" ".join(" ".join(row.data[1:]).split()) for row in rows]


def error_text(text):
    """What standard error says in a few lines, without what an early failure begins with and terminals understand."""
    plain = _EARLY.sub("", _TRACE.sub("", _CONTROL.sub("", text)).strip())
    return "\n".join(line.rstrip() for line in plain.split("\n") if line.strip())


def statuses(found):
    """``status`` as {machine: Status}, in the order of the Vagrantfile."""
    providers = {row.target: row.data[0] for row in found if row.kind == "provider-name"}
    return {row.target: Status(providers.get(row.target), row.data[0]) for row in found if row.kind == "state"}


def ssh_configs(found):
    """``ssh-config`` as {machine: Ssh}."""
    return {row.target: _ssh(row.data[0]) for row in found if row.kind == "ssh-config"}


def _ssh(text):
    given = dict(_setting(line) for line in text.split("\n") if line.strip())
    return Ssh(given["HostName"], int(given.get("Port", 22)), given.get("User"), given.get("IdentityFile"))


def _setting(line):
    name, _space, value = line.strip().partition(" ")
    return name, shlex.split(value)[0] if value.startswith('"') else value


def snapshots(found):
    """``snapshot list`` as {machine: names}, in no order; a machine without snapshots, or without itself, has none.

    Names come one by one after an empty headline. What is said about a machine that has none has words in its headline.
    """
    listed, within = {}, None
    for row in found:
        level, text = (*row.data, "")[:2] if row.kind == "ui" else ("", "")
        if row.target is not None and row.kind == "ui":
            listed.setdefault(row.target, [])
        if level == "output":
            headline = text.rpartition("==> ")[2]
            within = row.target if headline.strip() in ("", f"{row.target}:") else None
        elif level == "detail" and row.target is not None and row.target == within:
            listed[within].append(text)
    return listed


def boxes(found):
    """``box list``."""
    kinds = ("box-name", "box-provider", "box-version")
    columns = [[row.data[0] for row in found if row.kind == kind] for kind in kinds]
    return [Box(*values) for values in zip(*columns)]


def plugins(found):
    """``plugin list`` as {name: version}."""
    return {row.target: row.data[0].split(",")[0] for row in found if row.kind == "plugin-version"}


def version(text):
    """``--version`` as numbers, or None."""
    match = _VERSION.search(text)
    return tuple(int(number) for number in match.groups()) if match else None
