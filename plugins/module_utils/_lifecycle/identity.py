# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that name and id select the same VM."""

from __future__ import annotations

from .errors import Refused
from .model import ABSENT


def check_identity(vm, vm_id, name, traits, known=()):
    """Raise Refused if id and name belong to different VMs; ``known`` are the names of all VMs."""
    if not (vm_id and name):
        return
    if vm.power == ABSENT and name in known:
        raise Refused(
            f"{name}: there is no VM with ID {vm_id}; the VM of this name has another ID.",
            "Correct the ID, or omit it.",
        )
    if vm.power != ABSENT and vm.name != name:
        raise Refused(
            f"{name}: the VM with ID {vm_id} is named '{vm.name}'; VMs are not renamed.",
            "Correct the name or the ID.",
        )


def known_names(known):
    """Return the remedy for a VM that does not exist: the names of those that do."""
    return f"Existing VMs: {', '.join(sorted(known)) or 'none'}."
