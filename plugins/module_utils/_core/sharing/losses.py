# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan destroys: the files that it claims with a mode of loss, and what has no file. Pure."""

from __future__ import annotations

from ..errors import PolyvirtError
from ..frozen import replace
from ..model import SUSPENDED
from ..planner.simulate import simulate
from ..verbs import VERB, Permit
from .claims import (
    BACKUPS,
    BASE,
    DELETE,
    FILE,
    GROW,
    MERGE,
    MOVE,
    READ,
    RESTORE,
    SHARED,
    SNAPSHOT,
    UNREADABLE,
    WITHOUT_VM,
    WRITE,
    Claim,
    Held,
    claims_of_all,
)

#: Modes of claims in which what is in a file is lost, or is written by another program.
LOSSES = frozenset({DELETE, GROW, MERGE, MOVE, RESTORE, SNAPSHOT})
#: Options by which the disks of a new VM are linked to existing files.
_LINKED_TO = frozenset({"clone", "image"})
#: Who may need a file that is lost: what ``held`` of a platform reads, except for its ``unread``.
SOURCES = {
    "definitions": "stored and running definitions of all VMs",
    "saved_memory": "saved memory's own definition",
    "snapshots": "definitions in snapshots and checkpoints of all VMs",
    "undefined": "VMs that run without a definition",
    "below": "images below images",
    "alone": "images that no VM has",
    "backups": "backups",
    "records": "records of VMs",
    "open": "open files of other programs",
}
#: Why a source is not read, or not in full; docs/questions.md has a sentence for each.
UNREAD = {
    "in_part": "in part", "not_here": "does not exist", "unknown": "cannot be known", "too_dear": "too dear"
}  # fmt: skip


def unread(**sources):
    """Return {source: why it is not read}; ``sources`` is {one of UNREAD: names of SOURCES}."""
    return {name: UNREAD[why] for why, names in sources.items() for name in names.split()}


def with_images_needed(claims, wanted, held):
    """Return ``held`` with what disk files without a VM need of the unused stored images that ``wanted`` deletes."""
    used = {claim.identity for one in held for claim in one.claims}
    images = [one for one in wanted if (one.mode, one.option) == (DELETE, "image") and one.identity not in used]
    images = [claim.text for claim in images]
    try:
        return [*held, *(claims.without_vm(images, held) if images else ())]
    except PolyvirtError as error:
        message = f"it is not known which disk files without a VM need the image: {error.message}"
        claim = Claim(FILE, UNREADABLE, UNREADABLE, "", message, remedy=error.remedy or "")
        return [*held, Held(WITHOUT_VM, "", claims=(claim,))]


def asked_about(backups, claims):
    """Return in ``wanted`` of ``held`` what is asked about all backups from which a plan deletes some."""
    return [Claim(FILE, claims.identity(path), READ, BACKUPS, path) for one in backups for path in one.files]


def permit_of(plan, claimed=(), own=()):
    """Return the Permit of a plan, with a part for each verb. ``claimed`` are its ``claims_of_steps``.

    ``own`` are the claims that the VM holds before. Without claims, a plan loses only what has no file.
    """
    claimed = claimed or [(step, (), ()) for step in plan.steps]
    during, after = claims_of_all(claimed)
    named = [claim.text for claim in (*during, *after) if claim.kind == FILE]
    vm, parts, attached = plan.before, {}, _attached(after, own)
    for step, lost, _after in claimed:
        part = replace(_of_step(vm, step, lost), named=named, attached=attached if VERB[step.verb].attaches else ())
        parts[step.verb] = parts.get(step.verb, Permit()).joined(part)
        vm = simulate(vm, [step])
    return replace(Permit().joined(*parts.values()), parts=parts)


def _of_step(vm, step, during):
    """Return what a step loses, which claims ``during`` while it is carried out; ``vm`` is as before it."""
    lost = [claim for claim in during if claim.kind == FILE and claim.mode in LOSSES]
    things = frozenset().union(*(_THINGS[kind](vm, step) for kind in VERB[step.verb].loses))
    listed = step.arguments.get("files", ()) if VERB[step.verb].deletes else ()
    deleted = sorted({*listed, *(one.text for one in lost if one.mode == DELETE)})
    return Permit([(one.text, one.identity[1]) for one in lost], things, deleted=deleted, lost=lost)


def _attached(after, own):
    """Return the claims of the existing files that become disks of the VM, and of those below its disks."""
    known = {claim.identity for claim in own}
    added = [claim for claim in after if claim.kind == FILE and not claim.is_new and claim.identity not in known]
    options = {claim.option for claim in added if claim.option.startswith("disks.") and claim.mode in (WRITE, SHARED)}
    options |= _LINKED_TO
    return tuple(claim for claim in added if claim.option in options and claim.mode in (WRITE, SHARED, BASE))


def _snapshots(vm, step):
    keys = {*step.arguments.get("names", ()), *step.arguments.get("ids", ())}
    return frozenset(("snapshot", vm.id, key) for key in keys)


_THINGS = {
    "vm": lambda vm, step: frozenset({("vm", vm.id)}),
    "state": lambda vm, step: frozenset({("state", vm.id)}),
    # A transient VM exists only while it runs.
    "memory": lambda vm, step: frozenset(
        [*([("memory", vm.id)] if vm.power == SUSPENDED else ()), *(() if vm.persistent else [("vm", vm.id)])]
    ),
    "snapshots": lambda vm, step: frozenset({("snapshot", vm.id)}),
    "snapshot": _snapshots,
}
