# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints that return a configuration: config, pending, cloudinit."""

from __future__ import annotations

from .config import digest
from .errors import ApiError, ParameterError

_HIDDEN = "**********"
#: Options that the server itself sets, with numbers as values.
_NUMBERS = {"snaptime"}


def config(call):
    machine = call.machine()
    found = machine.config
    snapshot = call.get("snapshot")
    if snapshot and call.flag("current"):
        both = "cannot use 'snapshot' parameter with 'current'"
        raise ParameterError(snapshot=both, current=both)
    if snapshot:
        options = snapshot_of(found, snapshot)
    else:
        options = found.current if call.flag("current") else found.next_start()
    return {key: shown(call.world.schema, key, value) for key, value in options.items()} | {
        "digest": digest(machine.text)
    }


def snapshot_of(config, name):
    if name not in config.snapshots:
        raise ApiError(f"snapshot '{name}' does not exist")
    return config.snapshots[name]


def shown(schema, key, value):
    """A value in the form of an answer: integers and booleans as numbers, passwords masked."""
    if key == "cipassword":
        return _HIDDEN
    rule = schema.option(key) or {}
    if key in _NUMBERS or rule.get("type") in ("integer", "boolean"):
        return int(value)
    return value


def pending(call):
    machine = call.machine()
    found = machine.config
    schema = call.world.schema
    entries = []
    for key in sorted({*found.current, *found.pending}):
        entry = {"key": key}
        if key in found.current:
            entry["value"] = shown(schema, key, found.current[key])
        if key in found.pending:
            entry["pending"] = shown(schema, key, found.pending[key])
        if key in found.deletes:
            entry["delete"] = 2 if found.deletes[key] else 1
        entries.append(entry)
    return [*entries, {"key": "digest", "value": digest(machine.text)}]


#: NICs and addresses of cloud-init are listed only while their deletion waits for the next drive.
_OF_CLOUDINIT = ["cicustom", "cipassword", "citype", "ciuser", "nameserver", "searchdomain", "sshkeys"]


def cloudinit(call):
    """The options of cloud-init, with the value of the present drive and the pending value if they differ."""
    found, schema = call.machine().config, call.world.schema
    old, now = dict(found.cloudinit), found.current
    added = [key for key in old.pop("added", "").split(",") if key]
    entries = [{"key": key, "pending": shown(schema, key, now[key])} for key in added if key in now]
    for key in (key for key in _OF_CLOUDINIT if key in now and key not in added):
        entry = {"key": key, "value": shown(schema, key, old.get(key, now[key]))}
        entries.append(entry | ({"pending": shown(schema, key, now[key])} if key in old else {}))
    return entries + [{"key": key, "delete": 1} for key in old if key not in now]
