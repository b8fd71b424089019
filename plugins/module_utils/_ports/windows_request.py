# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls for a Windows host as data. A call is a dictionary in the form that the module windows_calls carries out."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from .._lifecycle import errors

#: Characters of one request. Windows PowerShell 5.1 reads JSON of up to 2 MB, and Ansible adds its own code.
LONGEST_REQUEST = 1_000_000
#: Seconds that one call may wait. A longer operation is polled, so that no lost connection ends it.
LONGEST_WAIT = 30
#: Null is bound like any other value: it turns a switch on. So it is given only by this name.
NULL = object()

_COMMAND = re.compile(r"[A-Za-z][A-Za-z0-9.-]*\\[A-Z][A-Za-z]+-[A-Z][A-Za-z0-9]+", re.ASCII)
_READING_VERBS = ("Get", "Test", "Measure", "Compare", "Resolve")
_NUMBERS = range(-(1 << 63), 1 << 64)


@dataclass(frozen=True)
class Ref:
    """The objects that an earlier call of the same chain kept under this name."""

    name: str


@dataclass(frozen=True)
class Joined:
    """One text of texts and of Refs, such as that to the id of a VM that an earlier call has created."""

    parts: tuple


@dataclass(frozen=True)
class Chain:
    """The calls for one VM, in order. The first failure ends a chain; others continue."""

    name: str
    calls: tuple

    @property
    def reads_only(self):
        return not any(map(is_write, self.calls))


def value(given):
    """A value in the form of a request. Texts have a leading "=", which keeps PowerShell from reading dates."""
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
    is_number = (isinstance(given, int) and given in _NUMBERS) or (isinstance(given, float) and math.isfinite(given))
    if not is_number:
        raise ValueError(f"{given!r} is no value of a request")
    return given


def call(command, arguments=None, *, keep=None, show=None, partial=False, follow=None, go_on=False):
    """A command with bound arguments. ``show`` names the properties to return, as a tree from ``properties``.

    ``partial``: the objects that were found, and the errors. ``follow``: (property, parameter) of a further call with
    what the property names, such as the parent of a disk.
    """
    # A name with wildcards, or of an alias, would find another command.
    if not _COMMAND.fullmatch(command):
        raise ValueError(f"{command!r} is not a command with its module")
    one = {"op": "call", "command": command}
    if arguments:
        one["with"] = {name: value(given) for name, given in arguments.items()}
    if follow:
        one["follow"] = dict(zip(("property", "argument"), follow))
    return _completed(one, keep=keep, show=show, partial=partial or None, on_error="go_on" if go_on else None)


def repeated(one, conditions, seconds, every=0.5):
    """A call that is repeated until one of its objects meets one of the conditions, as in ``where``."""
    until = [where(condition) for condition in conditions]
    return {**one, "until": until, "for": _wait(seconds), "every": every}


def in_background(one, seconds):
    """A call that may never return: after ``seconds`` the next one is carried out. It can keep and show nothing."""
    if {"keep", "show", "until", "follow"} & set(one):
        raise ValueError("a call in the background has no result")
    return {**one, "background": _wait(seconds)}


def pick(source, keep, *, path=(), conditions=None, one=True, fewer=None, show=None):
    """Objects out of those kept as ``source``: items of a property, those that meet the conditions, exactly one.

    With ``fewer`` than so many objects the chain goes on.
    """
    picked = {"op": "pick", "from": source, "keep": keep, "expect": "one" if one and fewer is None else "any"}
    met = where(conditions) if conditions else None
    return _completed(picked, path=list(path) or None, where=met, fewer=fewer, show=show)


def run(file, arguments, seconds, *, stdin=None, environment=None, reads=False, go_on=False):
    """A program without a shell. A list of arguments is quoted; a text is the rest of the command line, unchanged.

    ``reads``: it changes nothing, so it may be run again after a lost connection.
    """
    one = {"op": "run", "file": value(file), "arguments": value(arguments), "for": seconds}
    more = {name: value(text) for name, text in (environment or {}).items()} or None
    encoded = None if stdin is None else base64.b64encode(stdin).decode()
    one = _completed(one, stdin=encoded, environment=more, on_error="go_on" if go_on else None)
    return _Reading(one) if reads else one


def read(path, limit, go_on=False):
    """The content of a file of at most ``limit`` bytes; %VARIABLES% in the path are expanded."""
    one = {"op": "read", "path": value(path), "limit": limit}
    return _completed(one, on_error="go_on" if go_on else None)


def write(path, content):
    """Replace a file in one step."""
    return {"op": "write", "path": value(path), "base64": base64.b64encode(content).decode()}


def properties(*names, **inner):
    """A tree of properties: ``properties("Name", HardDrives=properties("Path"))``."""
    return {**dict.fromkeys(names, True), **inner}


def where(conditions):
    """{property: value or values}; a property with a leading "!" must have none of them."""
    return {
        name: [value(one) for one in (given if isinstance(given, (list, tuple)) else [given])]
        for name, given in conditions.items()
    }


def is_write(one):
    """Whether a call changes something, so that it must not be repeated blindly."""
    if isinstance(one, _Reading) or one["op"] in ("read", "pick"):
        return False
    return one["op"] != "call" or not one["command"].partition("\\")[2].startswith(_READING_VERBS)


def requests(chains, modules=(), about=False):
    """Chains as texts of requests, with as many chains in each as fit: (text, chains) pairs."""
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
    # The request is a text within the JSON of Ansible, which escapes each quote once more.
    return len(json.dumps(json.dumps(_written(chain)))) + 2


def _written(chain):
    return {"name": value(chain.name), "calls": chain.calls}


class _Reading(dict):
    """A call that changes nothing although its operation might."""


def _wait(seconds):
    if not 0 <= seconds <= LONGEST_WAIT:
        raise ValueError(f"one call must not wait {seconds} seconds; poll instead")
    return seconds


def _completed(one: Mapping, **more):
    return {**one, **{name: given for name, given in more.items() if given is not None}}
