# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan claims as a whole, what it destroys, and which uses of a file exclude each other. Pure."""

from __future__ import annotations

from ..frozen import replace
from ..model import SUSPENDED, is_started
from ..planner.simulate import simulate
from ..verbs import VERB, Permit
from .claims import (
    BACKUPS,
    BASE,
    COPY,
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
    WRITE,
    Claim,
    claims_of_steps,
    is_claiming,
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


def sources_not_read(**sources):
    """Return {source: why it is not read}; ``sources`` is {one of UNREAD: names of SOURCES}."""
    return {name: UNREAD[why] for why, names in sources.items() for name in names.split()}


def lost_files(wanted):
    """Return {identity: path} of the files in ``wanted`` of ``held`` that are lost, or belong to backups (BACKUPS)."""
    lost = [one for one in wanted if one.kind == FILE and (one.mode in LOSSES or one.option == BACKUPS)]
    return {one.identity: one.text for one in lost}


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
        [*([("memory", vm.id)] if vm.power == SUSPENDED else ()), *(() if vm.persistent else [("transient", vm.id)])]
    ),
    "snapshots": lambda vm, step: frozenset({("snapshot", vm.id)}),
    "snapshot": _snapshots,
}


# What plans claim -----------------------------------------------------------------------------------------------------


def can_claim(plan, options=()):
    """Return whether a plan can claim anything; ``options`` are options of the platform that name files.

    A VM that runs before and after a plan has what it claims by its start already.
    """
    changes = [change for step in plan.steps for change in step.changes]
    verbs = {step.verb for step in plan.steps}
    if not is_started(plan.before.power, plan.after.power):
        verbs.discard("start")
    return any(VERB[verb].claims for verb in verbs) or any(
        is_claiming(change) or change.kind == "disks.size" or change.field in options for change in changes
    )


def claims_of_plan(plan, own, driver, source=None, copies_running=False):
    """Return (claims only while the plan is carried out, claims after it); the arguments of ``claims_of_steps``."""
    return claims_of_all(claims_of_steps(plan, own, driver, source, copies_running), own)


def claims_of_all(claimed, own=()):
    """Return (claims only while steps are carried out, claims after them) of what ``claims_of_steps`` returns."""
    return [claim for _step, during, _after in claimed for claim in during], claimed[-1][2] if claimed else list(own)


# Which uses of a file exclude each other ------------------------------------------------------------------------------


def _always(new, other):
    return True


def _added(new, other):
    """A claim that the plan adds; or one that exists, of a VM that is started while the other one is on."""
    return new.is_added or other.on


def both_on(new, other):
    """Both run. A new file is never written to one that another VM reads."""
    return new.claim.is_new or (new.on and other.on)


def _holder_on(new, other):
    return other.on


def _is_no_backup(new, other):
    """A disk that cannot be read never stops the retention of backups: that is a warning."""
    return new.claim.option != BACKUPS


def _not_its_source(new, other):
    """The disk of a VM is cloned or copied: only from the VM that is the source, while it is off.

    A clone that exists may be started while that VM is off: then the VM is not started again. Neither is the VM below
    the source of a clone.
    """
    if not new.is_added or new.claim.is_inherited:
        return other.on
    is_source = new.claim.source is not None and new.claim.source == other.owner_id
    return not is_source or (other.on and not new.claim.while_on)


def _reason(text):
    """Return a rule for claims that never exclude each other; ``text`` says why."""

    def never(new, other):
        return False

    never.why = text
    return never


_BOTH_READ = _reason("both only read the file")
_SHAREABLE = _reason("several VMs use a shareable disk at the same time on purpose")
_LARGER = _reason("who reads a disk is not harmed if it gets larger")
_KEEPS_CONTENT = _reason("what VMs read stays the same, and the platform locks the disk of a running one")
_LOSES_NOTHING = _reason("attaching and copying lose nothing, whatever an image that cannot be read may need")
_ANY = _reason("an own image that cannot be read may use any file, but its VM only attaches it")

#: (mode of the new claim, mode of the claim that another VM holds): rule that says whether they exclude each other.
#: Each new mode has a rule for each of HELD: a pair without a rule is an error, not a permission.
HELD = (WRITE, SHARED, READ, BASE, UNREADABLE)
_RULES = {
    WRITE: (_added, _added, both_on, _always, _LOSES_NOTHING),
    SHARED: (_added, _SHAREABLE, _SHAREABLE, _always, _LOSES_NOTHING),
    READ: (both_on, _SHAREABLE, _BOTH_READ, _BOTH_READ, _LOSES_NOTHING),
    BASE: (_not_its_source, _added, _BOTH_READ, _BOTH_READ, _LOSES_NOTHING),
    UNREADABLE: (_ANY, _ANY, _ANY, _ANY, _ANY),
    COPY: (_not_its_source, _always, _BOTH_READ, _BOTH_READ, _LOSES_NOTHING),
    GROW: (_holder_on, _holder_on, _LARGER, _always, _always),
    SNAPSHOT: (_KEEPS_CONTENT, _KEEPS_CONTENT, _KEEPS_CONTENT, _holder_on, _holder_on),
    RESTORE: (_always, _always, _holder_on, _always, _always),
    MERGE: (_always, _always, _always, _always, _always),
    DELETE: (_always, _always, _always, _always, _is_no_backup),
    MOVE: (_always, _always, _always, _always, _always),
}  # fmt: skip
EXCLUDES = {(new, held): rule for new, rules in _RULES.items() for held, rule in zip(HELD, rules)}
