# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox's VM states as power states of this collection. Pure: text in, values out."""

from __future__ import annotations

from typing import NamedTuple

#: VMState -> power state.
_POWERS = {
    "poweroff": "stopped", "aborted": "stopped", "teleported": "stopped", "saved": "suspended",
    "aborted-saved": "suspended", "running": "running", "paused": "paused", "gurumeditation": "failed",
}  # fmt: skip
#: VMState during an operation -> the power state to use in the meantime.
_TEMPORARY = {
    "starting": "running", "stopping": "running", "saving": "running", "restoring": "running",
    "livesnapshotting": "running", "onlinesnapshotting": "running", "deletingsnapshotlive": "running",
    "deletingsnapshotlivepaused": "paused", "teleporting": "running", "teleportingpausedvm": "paused",
    "teleportingin": "running", "snapshotting": "stopped", "restoringsnapshot": "stopped",
    "deletingsnapshot": "stopped", "settingup": "stopped",
}  # fmt: skip
#: States that are also reported as a reason.
_REASONS = ("aborted", "aborted-saved", "teleported", "gurumeditation")


class State(NamedTuple):
    """``power`` is a power state of the power table, or ``unknown``; ``busy`` names a temporary state."""

    power: str
    busy: str | None
    reason: str


def state(vm_state):
    """The State for VirtualBox's VMState."""
    if vm_state in _POWERS:
        return State(_POWERS[vm_state], None, vm_state if vm_state in _REASONS else "")
    if vm_state in _TEMPORARY:
        return State(_TEMPORARY[vm_state], vm_state, "")
    return State("unknown", None, f"VirtualBox reports {vm_state!r}")
