# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check that name and id select the same VM."""

from __future__ import annotations

from ..errors import Refused
from ..model import ABSENT
from .option_errors import did_you_mean


def check_identity(vm, vm_id, name, traits, known=(), request=None):
    """Raise Refused if id and name belong to different VMs; ``known`` are the names of all VMs.

    If a ``request`` permits it, and no VM has the name, the VM with the ID gets it.
    """
    if not (vm_id and name):
        return
    folded = traits.folded
    if vm.power == ABSENT and folded(name) in map(folded, known):
        raise Refused(
            f"{name}: there is no VM with ID {vm_id}; the VM of this name has another ID.",
            "Correct the ID, or omit it.",
        )
    if vm.power == ABSENT or folded(vm.name) == folded(name):
        return
    if traits.renames is None:
        raise Refused(
            f"{name}: the VM with ID {vm_id} is named '{vm.name}'; VMs are not renamed.",
            "Correct the name or the ID.",
        )
    if not traits.renames or request is None or request.snapshot is not None or request.state == "absent":
        raise Refused(f"{name}: the VM with ID {vm_id} is named '{vm.name}'.", traits.instead["name"])
    if folded(name) in map(folded, known):
        raise Refused(
            f"{name}: the VM with ID {vm_id} is named '{vm.name}', and another VM has the name {name}.",
            "Choose another name, or rename the other VM first.",
        )


def spellings(targets, folded):
    """Return {what all spellings of a name have in common: its spellings} of the targets; ``folded``: see Traits."""
    found = {}
    for name in dict.fromkeys(target.name for target in targets or () if target.name):
        found.setdefault(folded(name), []).append(name)
    return found


#: How many names a message lists.
_MOST = 5


def listed(names, similar_to=""):
    """Return the first names as text, those that are similar to ``similar_to`` before others, and how many are left."""
    left = len(names) - _MOST
    if left <= 0:
        return ", ".join(names)
    if similar_to:
        from difflib import get_close_matches

        similar = get_close_matches(similar_to, names, _MOST)
        names = [*similar, *(name for name in names if name not in similar)]
    return f"{', '.join(names[:_MOST])} and {left} {'other' if left == 1 else 'others'}"


def known_names(known, wanted):
    """Return the remedy for the VM ``wanted``, which does not exist: names of VMs that do, similar ones first."""
    return f"{did_you_mean(wanted, known)}Existing VMs: {listed(sorted(known), wanted) or 'none'}."
