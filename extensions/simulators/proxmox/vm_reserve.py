# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of a VM that is created or overwritten."""

from __future__ import annotations

from . import privileges
from .cluster import Machine
from .errors import ApiError
from .world import check_lock


def may_create(call, pool):
    """Whether the caller may have this number, by itself or by the pool. What else the parameters need is checked, too
    (create_vm in API2/Qemu.pm).
    """
    access, user = call.world.access, call.user
    privileges.check_pool(call, pool)
    if "storage" in call.params:
        privileges.check_space(call, call.get("storage"))
    if call.flag("ha-managed"):
        access.require(user, "/", ["Sys.Console"])
    if call.flag("start"):
        privileges.check_vm(call, call.vmid, ["VM.PowerMgmt"], pool=pool)
    by_pool = pool is not None and access.may(user, f"/pool/{pool}", ["VM.Allocate"])
    return by_pool or access.may(user, f"/vms/{call.vmid}", ["VM.Allocate"])


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
