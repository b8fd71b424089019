# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What VirtualBox would refuse when it drops a snapshot, perhaps after others are gone; refused beforehand."""

from __future__ import annotations

from dataclasses import replace

from ..._lifecycle.errors import Refused
from ..._lifecycle.simulate import simulate

_UNKNOWN = "another machine"


def check_dropping(listing, plan):
    """Raise Refused for a plan that drops a snapshot which VirtualBox keeps."""
    vm = plan.before
    for step in plan.steps:
        if step.verb == "drop_snapshot":
            for key in step.arguments["ids"]:
                vm = _without(listing, vm, step, key)
        else:
            vm = simulate(vm, [step])


def _without(listing, vm, step, key):
    doomed = next(one for one in vm.snapshots if key in (one.id, one.name))
    _check_current(vm, doomed)
    _check_clones(listing, vm, doomed)
    return simulate(vm, [replace(step, arguments={**step.arguments, "names": (doomed.name,), "ids": (key,)})])


def _check_current(vm, doomed):
    """What the disks went on from is kept as long as another snapshot stands on it, too."""
    children = [one.name for one in vm.snapshots if one.parent is not None and one.parent in (doomed.id, doomed.name)]
    if doomed.current and children:
        raise Refused(
            f"{vm.name}: snapshot '{doomed.name}' is the current one and has the child '{children[0]}', and VirtualBox"
            " does not remove such a one.",
            "Remove the children too (children: true), or restore another snapshot first.",
        )


def _check_clones(listing, vm, doomed):
    """Linked clones stand on the images that a snapshot keeps, and would lose what they were made from."""
    names = {one.uuid: one.name or one.uuid for one in listing.machines}
    kept = {medium.uuid for medium in listing.media.values() if doomed.id in medium.users.get(vm.id, ())}
    clones = {
        names.get(user, _UNKNOWN)
        for medium in listing.media.values()
        if medium.parent in kept and vm.id not in medium.users
        for user in medium.users or (None,)
    }
    if clones:
        users = ", ".join(sorted(clones))
        raise Refused(f"{vm.name}: snapshot '{doomed.name}' is needed by {users}.", f"Remove {users} first.")
