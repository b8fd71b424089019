# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create calls for a Windows host. A call is a dictionary in the format of the module windows_calls."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping

from .._core import errors
from .._core.frozen import Frozen
from .._core.pattern import Pattern

#: Maximum characters of one request. Windows PowerShell 5.1 reads JSON of up to 2 MB, and Ansible adds its own code.
LONGEST_REQUEST = 1_000_000
#: Maximum seconds that one call may wait. Longer operations are polled, so that they survive a lost connection.
LONGEST_WAIT = 30
#: PowerShell binds null like any value, and it turns a switch parameter on; so it is passed only by this constant.
NULL = object()

_COMMAND = Pattern(r"[A-Za-z][A-Za-z0-9.-]*\\[A-Z][A-Za-z]+-[A-Z][A-Za-z0-9]+", re.ASCII)
_READING_VERBS = ("Get", "Test", "Measure", "Compare", "Resolve")
_NUMBERS = range(-(1 << 63), 1 << 64)


class Ref(Frozen):
    """A reference to the objects that an earlier call of the same chain stored under this name."""

    name: str


class Joined(Frozen):
    """A text that is concatenated from texts and Refs, such as the id of a VM that an earlier call has created."""

    parts: tuple


class Chain(Frozen):
    """The calls for one VM, in order. The first failure ends this chain, but not the other chains."""

    name: str
    calls: tuple

    @property
    def reads_only(self):
        return not any(map(is_write, self.calls))


def value(given):
    """Return a value in the format of requests. Texts get a leading "=", so that PowerShell does not convert dates."""
    if given is NULL:
        return None
    if isinstance(given, str):
        return f"={given}"
    if isinstance(given, bool):
        return given
    if isinstance(given, Ref):
        return {"ref": given.name}
    if isinstance(given, Joined):
        return {"joined": value(given.parts)}
    if isinstance(given, (list, tuple)):
        return [value(item) for item in given]
    if isinstance(given, Mapping):
        return {"table": {name: value(item) for name, item in given.items()}}
    is_number = (isinstance(given, int) and given in _NUMBERS) or (isinstance(given, float) and math.isfinite(given))
    if not is_number:
        raise ValueError(f"{given!r} is no value of a request")
    return given


def call(command, arguments=None, *, keep=None, show=None, partial=False, follow=None, go_on=False):
    """Return a call of a PowerShell command. ``show`` are the properties to return, as a tree from ``properties``.

    ``keep``: name under which later calls can refer to the objects. ``partial``: return the objects that were found
    together with the errors. ``follow``: (property, parameter): the command is called again with the values of the
    property until there are none, such as for the parents of a disk. ``go_on``: an error does not end the chain.
    """
    # Wildcards or an alias could select another command.
    if not _COMMAND.fullmatch(command):
        raise ValueError(f"{command!r} is not a command with its module")
    one = {"op": "call", "command": command}
    if arguments:
        one["with"] = {name: value(given) for name, given in arguments.items()}
    if follow:
        one["follow"] = dict(zip(("property", "argument"), follow))
    return _completed(one, keep=keep, show=show, partial=partial or None, on_error="go_on" if go_on else None)


def repeated(one, conditions, seconds, every=0.5):
    """Return a call that is repeated until one of its objects meets one of the conditions (see ``where``)."""
    until = [where(condition) for condition in conditions]
    return {**one, "until": until, "for": _wait(seconds), "every": every}


def in_background(one, seconds):
    """Return a call that may never end: the next call begins after ``seconds``. Its result cannot be used."""
    if {"keep", "show", "until", "follow"} & set(one):
        raise ValueError("a call in the background has no result")
    return {**one, "background": _wait(seconds)}


def pick(source, keep, *, path=(), conditions=None, one=True, fewer=None, show=None):
    """Return a call that selects from the objects stored as ``source`` and stores the selection as ``keep``.

    ``path``: select the items of a property. ``conditions``: select objects that meet them. ``one``: the call fails
    unless there is exactly one. ``fewer``: the chain continues only if there are fewer objects than that.
    """
    picked = {"op": "pick", "from": source, "keep": keep, "expect": "one" if one and fewer is None else "any"}
    met = where(conditions) if conditions else None
    return _completed(picked, path=list(path) or None, where=met, fewer=fewer, show=show)


def run(file, arguments, seconds, *, stdin=None, environment=None, keep=None, reads=False, go_on=False):
    """Return a call that runs a program without a shell. A list of arguments is quoted; a text is used unchanged.

    ``reads``: the program changes nothing, so it may be run again after a lost connection. ``keep``: name under which
    later calls can pick by its ``exit_code``.
    """
    one = {"op": "run", "file": value(file), "arguments": value(arguments), "for": seconds}
    more = {name: value(text) for name, text in (environment or {}).items()} or None
    encoded = None if stdin is None else base64.b64encode(stdin).decode()
    one = _completed(one, stdin=encoded, environment=more, keep=keep, on_error="go_on" if go_on else None)
    return _Reading(one) if reads else one


def read(path, limit, go_on=False):
    """Return a call that reads a file of at most ``limit`` bytes; %VARIABLES% in the path are expanded."""
    one = {"op": "read", "path": value(path), "limit": limit}
    return _completed(one, on_error="go_on" if go_on else None)


def write(path, content, grant=(), is_new=False):
    """Return a call that replaces a file atomically, or creates it: ``is_new``, which fails if there is a file.

    With ``grant``, a new file has only these rights (see icacls).
    """
    one = {"op": "write", "path": value(path), "base64": base64.b64encode(content).decode()}
    return _completed(one, grant=value(grant) or None, new=is_new or None)


def append(path, piece, at, size):
    """Return a call that unpacks the gzip file ``piece`` onto a file, and deletes it.

    The file is cut at ``at`` first, so a piece may be sent again; ``size`` is that of the unpacked piece.
    """
    return {"op": "append", "path": value(path), "piece": value(piece), "at": at, "size": size, "gzip": True}


def read_part(path, at, size, go_on=False):
    """Return a call that reads ``size`` bytes of a file from ``at`` on, or fewer at its end."""
    one = {"op": "read", "path": value(path), "at": at, "size": size}
    return _completed(one, on_error="go_on" if go_on else None)


def copy_part(path, source, at, size):
    """Return a call that writes ``size`` bytes of the file ``source``, from ``at`` on, to the same place of a file.

    The file is cut there first, so a part may be copied again.
    """
    return {"op": "copy", "path": value(path), "source": value(source), "at": at, "size": size}


def edit(path, at, old, new):
    """Return a call that replaces the bytes ``old`` within a file; it fails if neither they nor ``new`` are there."""
    old, new = (base64.b64encode(one).decode() for one in (old, new))
    return {"op": "edit", "path": value(path), "at": at, "old": old, "new": new}


def properties(*names, **inner):
    """Return a tree of properties: ``properties("Name", HardDrives=properties("Path"))``."""
    return {**dict.fromkeys(names, True), **inner}


def where(conditions):
    """Return the conditions {property: [values]}; a property with a leading "!" must have none of the values."""
    return {
        name: [value(one) for one in (given if isinstance(given, (list, tuple)) else [given])]
        for name, given in conditions.items()
    }


def is_write(one):
    """Return whether a call may change something, so that it must not be repeated blindly."""
    if isinstance(one, _Reading) or one["op"] in ("read", "pick"):
        return False
    return one["op"] != "call" or not one["command"].partition("\\")[2].startswith(_READING_VERBS)


def requests(chains, modules=(), about=False):
    """Yield (text of a request, its chains), with as many chains in each request as fit."""
    groups, room = [], 0
    for chain in chains:
        size = _size(chain)
        if size > room or not groups:
            groups.append([])
            room = LONGEST_REQUEST - len(json.dumps(list(modules))) - 100
        if size > room:
            raise errors.InvalidInput(
                f"{chain.name}: the data for the VM are too large for one request.", "Split them."
            )
        groups[-1].append(chain)
        room -= size
    for place, group in enumerate(groups or [[]]):
        request = {"modules": list(modules), "chains": [_written(one) for one in group]}
        yield json.dumps({**request, "about": True} if about and not place else request), group


def _size(chain):
    # The request is a string within Ansible's JSON, which escapes each quote again.
    return len(json.dumps(json.dumps(_written(chain)))) + 2


def _written(chain):
    return {"name": value(chain.name), "calls": chain.calls}


class _Reading(dict):
    """A call that only reads, although its operation could change something."""


def _wait(seconds):
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"one call must not wait {seconds} seconds; poll instead")
    return seconds


def _completed(one: Mapping, **more):
    return {**one, **{name: given for name, given in more.items() if given is not None}}
