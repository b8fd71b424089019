# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of a VM that is created or overwritten."""

from __future__ import annotations

from .cluster import Machine
from .errors import ApiError
from .world import check_lock


def reserve(call, failed, replace=False):
    """Take the VMID, or lock the VM that has it already (create_and_lock_config in AbstractConfig.pm). All errors begin
    with ``failed``.
    """
    try:
        yield from call.world.flock(call.vmid).holding(_taken(call, replace), call.world.timing.flock_create)
    except ApiError as error:
        raise ApiError(f"{failed} {error}") from error


def _taken(call, replace):
    cluster, vmid, machine = call.world.cluster, call.vmid, call.machine_or_none()
    taken = cluster.taken_by(vmid)
    if taken and not (replace and machine):
        raise ApiError(f"{taken[0]} {vmid} already exists on node '{taken[1]}'")
    if machine is None:
        machine = cluster.machines[vmid] = Machine(vmid, call.node, guest=call.world.new_guest())
    config = machine.config
    check_lock(config)
    config.current["lock"] = "create"
    machine.write(config)
    yield from ()  # Takes no time.


def release(machine):
    """Remove the lock, if it is still there (remove_lock)."""
    config = machine.config
    if config.current.get("lock") == "create":
        del config.current["lock"]
        machine.write(config)
