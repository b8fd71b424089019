# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan destroys: the files that it claims with a mode of loss, and what has no file; and who needs an image that
is to be deleted. Pure.
"""

from __future__ import annotations

from ..errors import PolyvirtError
from ..model import SUSPENDED
from ..planner.planned_steps import deleted_files
from ..planner.simulate import simulate
from ..verbs import VERB, Permit
from .claims import DELETE, FILE, GROW, MERGE, MOVE, RESTORE, SNAPSHOT, UNREADABLE, WITHOUT_VM, Claim, Held
from .world import World

#: Modes of claims in which what is in a file is lost, or is written by another program.
LOSSES = frozenset({DELETE, GROW, MERGE, MOVE, RESTORE, SNAPSHOT})


def permit_of(plan, during, after=()):
    """Return the Permit of a plan that claims ``during`` and then ``after``, compared with what all VMs hold."""
    lost = [claim for claim in during if claim.kind == FILE and claim.mode in LOSSES]
    things, vm = set(), plan.before
    for step in plan.steps:
        things.update(_THINGS[kind](vm, step) for kind in VERB[step.verb].loses)
        vm = simulate(vm, [step])
    deleted = sorted({*deleted_files(plan), *(one.text for one in lost if one.mode == DELETE)})
    named = [claim.text for claim in (*during, *after) if claim.kind == FILE]
    files = [(one.text, one.identity[1]) for one in lost]
    return Permit(files, frozenset().union(*things), deleted=deleted, named=named)


def _snapshots(vm, step):
    keys = {*step.arguments.get("names", ()), *step.arguments.get("ids", ())}
    return frozenset(("snapshot", vm.id, key) for key in keys)


_THINGS = {
    "vm": lambda vm, step: frozenset({("vm", vm.id)}),
    "state": lambda vm, step: frozenset({("state", vm.id)}),
    "memory": lambda vm, step: frozenset({("memory", vm.id)} if vm.power == SUSPENDED else ()),
    "snapshots": lambda vm, step: frozenset({("snapshot", vm.id)}),
    "snapshot": _snapshots,
}


class ImageUsers:
    """Who needs ``stored`` images for disks: VMs, and disk files without a VM. With ``mode`` DELETE, more is read."""

    def __init__(self, driver, stored, mode):
        self._claims, held = driver.claims if driver.images.are_used else None, ()
        self.unused_remedy = self._claims and self._claims.unused_remedy
        paths = [one.path for one in stored if self._claims]
        if paths:
            # As in a task about VMs: what all VMs hold is read after an observation.
            driver.traits()
            driver.observe([], frozenset({"power"}))
            held = self._claims.held([Claim(FILE, self._claims.identity(one), mode, "image", one) for one in paths])
        self._world = World(held)
        unused = [one for one in paths if mode == DELETE and not self.of(one)]
        if unused:
            self._world = World([*held, *self._without_vm(unused, held)])

    def _without_vm(self, images, held):
        try:
            return self._claims.without_vm(images, held)
        except PolyvirtError as error:
            message = f"it is not known which disk files without a VM need the image: {error.message}"
            claim = Claim(FILE, UNREADABLE, UNREADABLE, "", message, remedy=error.remedy or "")
            return [Held(WITHOUT_VM, "", claims=(claim,))]

    def of(self, path):
        """Return the names of the VMs that need an image, and the paths of such disk files."""
        return list(self._world.users("", self._claims.identity(path))) if self._claims else []

    def files(self, path):
        """Return the disk files that no VM has, and that need an image."""
        holders = self._world.holders("", FILE, self._claims.identity(path)) if self._claims else ()
        return [one.name for one in holders if all(claim.option == WITHOUT_VM for claim in one.claims)]

    def unreadable(self):
        """Return the Claim of a disk that may need any file, or None."""
        holders = self._world.holders("", FILE, UNREADABLE)
        return next((claim for one in holders for claim in one.claims if claim.identity == UNREADABLE), None)
