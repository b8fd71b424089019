# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan destroys: the files that it claims with a mode of loss, and what has no file. Pure."""

from __future__ import annotations

from ..model import SUSPENDED
from ..planner.planned_steps import deleted_files
from ..planner.simulate import simulate
from ..verbs import VERB, Permit
from .claims import BACKUPS, BASE, DELETE, FILE, GROW, MERGE, MOVE, READ, RESTORE, SHARED, SNAPSHOT, WRITE, Claim

#: Modes of claims in which what is in a file is lost, or is written by another program.
LOSSES = frozenset({DELETE, GROW, MERGE, MOVE, RESTORE, SNAPSHOT})


def asked_about(backups, claims):
    """Return in ``wanted`` of ``held`` what is asked about all backups from which a plan deletes some."""
    return [Claim(FILE, claims.identity(path), READ, BACKUPS, path) for one in backups for path in one.files]


def permit_of(plan, during, after=(), own=()):
    """Return the Permit of a plan that claims ``during`` and then ``after``, compared with what all VMs hold.

    ``own`` are the claims that the VM holds before.
    """
    lost = [claim for claim in during if claim.kind == FILE and claim.mode in LOSSES]
    things, vm = set(), plan.before
    for step in plan.steps:
        things.update(_THINGS[kind](vm, step) for kind in VERB[step.verb].loses)
        vm = simulate(vm, [step])
    deleted = sorted({*deleted_files(plan), *(one.text for one in lost if one.mode == DELETE)})
    named = [claim.text for claim in (*during, *after) if claim.kind == FILE]
    files = [(one.text, one.identity[1]) for one in lost]
    return Permit(files, frozenset().union(*things), deleted=deleted, named=named, attached=_attached(after, own))


def _attached(after, own):
    """Return the claims of the existing files that become disks of the VM, and of those below them."""
    known = {claim.identity for claim in own}
    added = [claim for claim in after if claim.kind == FILE and not claim.is_new and claim.identity not in known]
    disks = {claim.option for claim in added if claim.option.startswith("disks.") and claim.mode in (WRITE, SHARED)}
    return tuple(claim for claim in added if claim.option in disks and claim.mode in (WRITE, SHARED, BASE))


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
