# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the VMs of a fleet that a task with ``prune`` has to delete. Pure."""

from __future__ import annotations


def surplus_vms(vms, requests, fleet, folded=str):
    """Return the VMs of ``fleet`` that no request selects, by name or by id; ``folded`` is that of the Traits.

    A VM belongs to the fleet only if the mark is its own: a copy made by a user has the mark of the original VM.
    """
    names = {folded(request.name) for request in requests if request.name}
    ids = {folded(request.id) for request in requests if request.id}
    others = [vm for vm in vms if folded(vm.name) not in names and (vm.id is None or folded(vm.id) not in ids)]
    return [vm for vm in others if belongs_to(vm, fleet)]


def belongs_to(vm, fleet):
    """Return whether a VM belongs to a fleet."""
    # A VM without an id is not created yet; this collection has only written its definition (Vagrantfile).
    return (vm.owned or vm.id is None) and bool(fleet) and vm.config.get("fleet") == fleet
