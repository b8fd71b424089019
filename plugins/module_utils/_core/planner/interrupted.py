# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from the record of a restart that was interrupted while the VM was off."""

from __future__ import annotations

from ..model import ABSENT, FAILED, STOPPED, SUSPENDED, UNKNOWN, Change
from ..record.mark import INTERRUPTED, interrupted_restart
from .power import BACK_TO, ENDS_IN


def power_to_keep(vm, policy):
    """Return the power state of a VM if the task sets none: that before a restart which an interrupted task began."""
    power, _begun, is_recent = interrupted_restart(vm, policy.controller_time)
    return power if is_recent and vm.power == STOPPED and BACK_TO.get(power) else vm.power


def moves_back(vm, request):
    """Return the moves to that power state; none if the VM has it, or if the task sets another one."""
    return BACK_TO[power_to_keep(vm, request.policy)] if (ENDS_IN[request.state], vm.power) == (None, STOPPED) else ()


def note_of(vm, policy, move):
    """Return the note of the start after which the VM is as before the restart."""
    return "its restart was interrupted" if move == "start" and power_to_keep(vm, policy) != vm.power else ""


def forgotten(vm, request):
    """Return the change that removes the record, unless the VM is off and the task sets no state."""
    power, end = interrupted_restart(vm)[0], ENDS_IN[request.state]
    is_due = end != ABSENT and vm.power not in (SUSPENDED, FAILED, UNKNOWN) and (end or vm.power != STOPPED)
    return [Change(INTERRUPTED, power, "")] if power and is_due and vm.persistent else []
