# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines of ``virsh event --loop``. Pure: text in, values out."""

from __future__ import annotations

import re
from typing import NamedTuple

#: Arguments after those of the connection.
ARGUMENTS = ("event", "--loop", "--event", "lifecycle")
# Before libvirt 6, the name was not quoted.
_LINE = re.compile(r"event 'lifecycle' for domain (?P<quote>'?)(?P<name>.+)(?P=quote): (?P<event>\w+) ?(?P<detail>.*)")
#: {(event, detail or None for all others): power state}, the same as in virsh_output.py. What is not listed says
#: nothing about the power state.
_STATES = {
    ("Started", None): "running",
    ("Resumed", None): "running",
    ("Suspended", "Paused"): "paused",
    ("Suspended", "I/O error"): "failed",
    ("Suspended", "Watchdog"): "failed",
    ("Stopped", "Shutdown"): "stopped",
    ("Stopped", "Destroyed"): "stopped",
    ("Stopped", "Crashed"): "stopped",
    ("Stopped", "Failed"): "stopped",
    ("Stopped", "Saved"): "suspended",
    ("Crashed", None): "failed",
}
#: The emulator ended, although neither the guest nor a user has stopped the VM.
_CRASHES = {("Stopped", "Crashed"), ("Stopped", "Failed")}
#: The list of VMs is another one, or where they run.
_ON_LISTS = {
    ("Defined", "Added"), ("Defined", "Renamed"), ("Undefined", None), ("Stopped", "Migrated"),
    ("Stopped", "From snapshot"),
}  # fmt: skip


class Report(NamedTuple):
    """What happened to a VM. ``power`` is its power state now, or None if all VMs must be observed to know it."""

    name: str
    power: str | None
    has_crashed: bool
    reason: str


def report(line):
    """Return the Report of a line, or None if it says nothing about existence and power state of a VM."""
    found = _LINE.fullmatch(line.strip())
    if found is None:
        return None
    event, detail = found["event"], found["detail"]
    power = _STATES.get((event, detail)) or _STATES.get((event, None))
    if power is None and not {(event, detail), (event, None)} & _ON_LISTS:
        return None
    return Report(found["name"], power, (event, detail) in _CRASHES, f"{event} {detail}".strip())
