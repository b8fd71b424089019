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
    _check_standing(listing, vm, doomed)
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


def _check_standing(listing, vm, doomed):
    """Images that go on from those of the snapshot: VirtualBox merges each with one of the machine's own only."""
    kept = {medium.uuid for medium in listing.media.values() if doomed.id in medium.users.get(vm.id, ())}
    sight = next(listing.sight(one) for one in listing.machines if one.uuid == vm.id)
    left = [medium for medium in sight.left_behind() if medium.parent in kept]
    _check_clones(listing, vm, doomed, kept, left)
    for medium in left:
        if any(one.parent == medium.parent and one is not medium for one in listing.media.values()):
            raise Refused(
                f"{vm.name}: snapshot '{doomed.name}' is needed by {medium.location}, which is what was written to a"
                " disk before it was detached.",
                f"Remove that if nobody wants it: VBoxManage closemedium disk {medium.uuid} --delete",
            )


def _check_clones(listing, vm, doomed, kept, left):
    """Linked clones would lose what they were made from."""
    names = {one.uuid: one.name or one.uuid for one in listing.machines}
    clones = {
        names.get(user, _UNKNOWN)
        for medium in listing.media.values()
        if medium.parent in kept and vm.id not in medium.users and medium not in left
        for user in medium.users or (None,)
    }
    if clones:
        users = ", ".join(sorted(clones))
        raise Refused(f"{vm.name}: snapshot '{doomed.name}' is needed by {users}.", f"Remove {users} first.")
