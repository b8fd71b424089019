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
_TEMPORARY_PAUSES = ("saving", "dumping", "creating snapshot", "creating", "starting up", "shutting down")


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``unknown``; ``busy`` names a temporary state."""

    power: str
    busy: str | None
    reason: str


def state(answer, saved):
    """The State from an answer to ``domstate --reason``; ``saved``: its memory is on disk."""
    if answer.error:
        return State("unknown", None, answer.error)
    domain_state, reason = output.power(answer.stdout)
    reason = "" if reason in (None, "unknown") else reason
    if domain_state == "shut off":
        return State("suspended" if saved else "stopped", None, reason)
    if domain_state in ("running", "idle", "no state"):
        return State("running", None, reason)
    if domain_state == "in shutdown":
        return State("running", "stopping", reason)
    if domain_state == "paused" and reason in _BROKEN_PAUSES:
        return State("failed", None, reason)
    if domain_state == "paused":
        return State("paused", reason if reason in _TEMPORARY_PAUSES else None, reason)
    if domain_state == "crashed":
        return State("failed", None, reason or domain_state)
    return State("unknown", None, domain_state)
