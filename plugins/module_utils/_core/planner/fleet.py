# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the VMs of a fleet that a task with ``prune`` has to delete, and limit their number. Pure."""

from __future__ import annotations

from ..errors import Refused
from ..options.identity import listed
from ..record.leases import is_expired


def surplus_vms(members, requests, folded=str):
    """Return the ``members`` of a fleet that no request selects, by name or by id; ``folded`` is that of the Traits."""
    names = {folded(request.name) for request in requests if request.name}
    ids = {folded(request.id) for request in requests if request.id}
    return [vm for vm in members if folded(vm.name) not in names and (vm.id is None or folded(vm.id) not in ids)]


def belongs_to(vm, fleet):
    """Return whether a VM belongs to a fleet.

    The mark must be its own: a copy made by a user has the mark of the original VM.
    """
    # A VM without an id is not created yet; this collection has only written its definition (Vagrantfile).
    return (vm.owned or vm.id is None) and bool(fleet) and vm.config.get("fleet") == fleet


def is_pruned_with(vm, fleet):
    """Return whether ``prune`` may delete a VM that belongs to a fleet. A fleet can be set on any VM; this collection
    must have created this very one.
    """
    return belongs_to(vm, fleet) and (vm.id is None or (vm.created and vm.is_proven))


def may_be_pruned(vm, policy):
    """Return whether to delete a surplus VM; some tasks delete only expired ones. Its plan decides again."""
    if policy.expired_for is None:
        return True
    now = policy.controller_time
    return is_expired(vm, None if now is None else now - policy.expired_for)


def check_prune_max(surplus, members, fleet, prune_max=None):
    """Raise Refused if ``surplus``, the names of the VMs to delete, are too many; ``members`` is the size of the fleet.

    A list that was computed from a part of an inventory, such as a slice of an AWX job, must not delete the rest: of
    two equal parts, each lacks exactly half.
    """
    limit = max(members - 1, 0) // 2 if prune_max is None else prune_max
    if len(surplus) <= limit:
        return
    reason = f"prune_max is {limit}"
    if prune_max is None:
        reason = f"without prune_max less than half of the {members} VMs of a fleet are deleted"
    raise Refused(
        f"prune: {len(surplus)} VMs of the fleet {fleet} are not listed in the task and would be deleted"
        f" ({listed(sorted(surplus))}), but {reason}.",
        f"List the VMs that must remain. To delete all of these, set prune_max: {len(surplus)}.",
    )
