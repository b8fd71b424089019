# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which VMs a fleet has too many. Pure."""

from __future__ import annotations


def too_many(vms, requests, fleet):
    """The VMs of ``fleet`` that no request names, by name or by id.

    A VM is of the fleet only if its mark is its own: a copy that somebody made has that of another VM.
    """
    names = {request.name for request in requests} - {None}
    ids = {request.id for request in requests} - {None}
    return [vm for vm in vms if is_of(vm, fleet) and vm.name not in names and (vm.id is None or vm.id not in ids)]


def is_of(vm, fleet):
    """Whether a VM belongs to a fleet."""
    # A VM without an id is only described so far, by this collection.
    return (vm.owned or vm.id is None) and bool(fleet) and vm.config.get("fleet") == fleet
