# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's domain states as power states of this collection. Pure: text in, values out."""

from __future__ import annotations

from typing import NamedTuple

from . import virsh_output as output

#: Reasons of an unrequested pause, after which resuming would not help.
_BROKEN_PAUSES = ("I/O error", "watchdog", "crashed")
#: "migrating" is not listed: a VM restored as paused keeps this reason (libvirt 9.0.0).
_PASSING_PAUSES = ("saving", "dumping", "creating snapshot", "creating", "starting up", "shutting down")


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``unknown``; ``busy`` names a temporary state."""

    power: str
    busy: str | None
    reason: str


def state(answer, saved):
    """The State from an answer to ``domstate --reason``; ``saved``: its memory is on disk."""
    if answer.error:
        return State("unknown", None, answer.error)
    word, reason = output.power(answer.stdout)
    reason = reason or ""
    if word == "shut off":
        return State("suspended" if saved else "stopped", None, reason)
    if word in ("running", "idle", "no state"):
        return State("running", None, reason)
    if word == "in shutdown":
        return State("running", "stopping", reason)
    if word == "paused" and reason in _BROKEN_PAUSES:
        return State("failed", None, reason)
    if word == "paused":
        return State("paused", reason if reason in _PASSING_PAUSES else None, reason)
    if word == "crashed":
        return State("failed", None, reason or word)
    return State("unknown", None, word)
