# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The world that a task makes: what all VMs hold after each plan, and which plans exclude each other. Pure.

A plan is compared with what exists when its turn comes. Only what it adds counts, or what it uses from now on because
the VM is started: a no-op or an unrelated change is never rejected because of what exists already.
"""

from __future__ import annotations

from collections import Counter

from ..frozen import Frozen, replace
from ..model import IN_USE, ON, is_started
from ..options.identity import listed
from .claims import (
    ADDRESS,
    BASE,
    COPY,
    DELETE,
    DEVICE,
    FILE,
    GROW,
    MAC,
    MERGE,
    MOVE,
    NAME,
    PORT,
    READ,
    RESTORE,
    SHARED,
    SNAPSHOT,
    SNAPSHOTS,
    UNREADABLE,
    WRITE,
    Claim,
    Held,
    kept_disks,
)
from .losses import EXCLUDES, both_on

#: Two slots of one VM.
_EXCLUDES_IN_ONE_VM = frozenset({(WRITE, WRITE), (WRITE, SHARED), (SHARED, WRITE), (WRITE, BASE), (BASE, WRITE)})
#: Work on a file that others have to wait for; those who only read it can do so at the same time.
_IN_PROGRESS = frozenset({COPY, GROW, RESTORE, SNAPSHOT, MERGE, DELETE, MOVE})
_READING = frozenset({READ, BASE, COPY})
_ALL_OF_IPV4, _LOOPBACK = "0.0.0.0", "127.0.0.1"  # noqa: S104 (it is compared, not listened at)


class _New(Frozen):
    """A claim of a plan. ``power`` is that of its VM after the plan; ``is_added``: the VM did not hold it before."""

    claim: Claim
    power: str
    is_added: bool

    @property
    def on(self):
        return self.power in ON


def excludes(new, held, other):
    """Return whether a new claim and ``held``, which the VM ``other`` holds, exclude each other."""
    claim = new.claim
    if claim.kind != held.kind or held.identity not in (claim.identity, UNREADABLE):
        return False
    if held.identity == UNREADABLE and claim.is_new:  # Nothing can be on top of it yet.
        return False
    if claim.kind == FILE:
        return EXCLUDES[claim.mode, held.mode](new, other)
    if claim.kind == PORT:
        both = new.power in IN_USE and other.power in IN_USE
        return (both or (claim.is_reserved and new.is_added)) and overlap(claim.where, held.where)
    if claim.kind == DEVICE:
        # Several VMs may have a device, as long as only one of them runs.
        return both_on(new, other)
    # The same MAC or address does not matter on another network.
    same_place = claim.kind == NAME or claim.is_reserved or (claim.where is not None and claim.where == held.where)
    return new.is_added and same_place


def _excludes_in_one_vm(new, other):
    claim = new.claim
    if claim.option == other.option or (claim.kind, claim.identity) != (other.kind, other.identity):
        return False
    if claim.kind == FILE:
        of_snapshot = any(one.option.startswith(SNAPSHOTS) for one in (claim, other))
        is_read = claim.is_new and other.mode == READ
        return is_read or ((claim.mode, other.mode) in _EXCLUDES_IN_ONE_VM and not of_snapshot)
    if claim.kind == ADDRESS:
        return new.is_added and claim.where == other.where
    return (claim.kind == MAC and new.is_added) or (claim.kind == PORT and overlap(claim.where, other.where))


def overlap(one, other):
    """Return whether two addresses of a host overlap: empty and 0.0.0.0 are all of IPv4, :: are all addresses."""
    one, other = (_LOOPBACK if address == "localhost" else address for address in (one, other))
    if one == other or "::" in (one, other):
        return True
    everywhere = ("", _ALL_OF_IPV4)
    others = [address for address in (one, other) if address not in everywhere]
    return len(others) < 2 and not any(":" in address for address in others)  # Also a name of the host.


# Conflicts ------------------------------------------------------------------------------------------------------------


class Conflict(Frozen):
    """A claim of a plan, and the VM that holds what it excludes. ``by_task``: an earlier plan has made it so."""

    claim: Claim
    held: Claim
    holder: Held
    others: tuple = ()
    by_task: bool = False
    is_own: bool = False

    @property
    def remedy(self):
        if self.is_own:
            return _REMEDY_IN_ONE_VM[self.claim.kind]
        moved = next((one for one in (self.claim, self.held) if one.mode == MOVE), None)
        if moved:
            return f"Change {moved.option} in a task before this one, then use the new path of the file."
        if self.held.remedy:
            return self.held.remedy
        if self.held.mode == BASE and self.by_task:
            return "Clone a snapshot of it, or use full clones."
        if self.claim.mode == MERGE:
            return f"Delete what needs it first{', or keep the snapshot' if self.claim.option else ''}."
        if self.claim.kind != FILE:
            return _KEPT_MAC if (self.claim.kind, self.claim.is_reserved) == (MAC, True) else _REMEDIES[self.claim.kind]
        if self.claim.is_new:
            return "Use another file, another name for the VM, or another directory."
        if self.claim.option == "image" and self.held.mode == WRITE:
            return "Use a copy that no VM writes to, or clone that VM."
        return _REMEDIES[self.held.mode, self.claim.source is not None and self.claim.source == self.holder.owner_id]

    def message(self, label):
        """Return what the plan for the VM ``label`` excludes."""
        subject = f"{label}: {self.claim.path}: " if self.claim.path else f"{label}: "
        if self.is_own:
            return f"{subject}{self.claim.text} is also that of {self.held.path}."
        users = listed([self.holder.name, *self.others])
        found = self._found(users).rstrip(".")
        by_task = self.by_task and self.claim.mode != MOVE
        return f"{subject}{found}{', as this task makes it' if by_task else ''}."

    def _found(self, users):
        claim, held = self.claim, self.held
        if UNREADABLE in (held.identity, held.mode):
            return held.text
        if claim.mode == MOVE:
            return f"{claim.text} would be moved, and this task attaches it to {users} by its path"
        if held.mode == MOVE:
            return f"{claim.text} is moved by this task with {users}"
        if held.mode == DELETE:
            return f"{claim.text} is deleted by this task with {users}"
        if claim.kind != FILE:
            return f"{claim.text} is used by {users}"
        if claim.source is not None and claim.source == self.holder.owner_id:
            return f"'{self.holder.name}' is {self.holder.power}, so its disk {claim.text} may be written"
        if held.mode == BASE:
            done = "deleted" if claim.mode == DELETE else "written to"
            is_of_snapshots = held.option.startswith(SNAPSHOTS)
            why = f"snapshots of {users} need it" if is_of_snapshots else f"it is the backing file of disks of {users}"
            return f"{claim.text} must not be {done}, because {why}"
        what = _WHAT[held.mode] if held.option.startswith("disks.") else "used by"
        return f"{claim.text} is {what} {users}{'' if claim.mode in (WRITE, SHARED) else _MAY_WRITE}"


_MAY_WRITE = ", which may write to it"
_WHAT = {WRITE: "a disk of", SHARED: "a shared disk of", READ: "a read-only disk of"}
_REMEDY_IN_ONE_VM = {
    FILE: "Use each file for one disk only.",
    MAC: "Set a different MAC for each NIC.",
    ADDRESS: "Set a different address for each NIC.",
    PORT: "Set another host_port for one of them.",
}
_KEPT_MAC = "Delete that VM first, or omit appliance.keep_macs to have new MACs generated."
_DELETE_FIRST = "Delete those VMs or snapshots first, or work with a full clone of this VM."
_REMEDIES = {
    (WRITE, False): "Detach it from that VM first, or use a copy that no VM writes to.",
    (WRITE, True): "Stop it first, or clone one of its snapshots.",
    (SHARED, False): "Detach it from that VM first, or use a copy that no VM writes to.",
    (SHARED, True): "Use a copy.",
    (READ, False): "Stop that VM first, or use a copy.",
    (BASE, False): _DELETE_FIRST,
    (BASE, True): _DELETE_FIRST,
    (UNREADABLE, False): "Repair what cannot be read, or detach it from its VM.",
    (DELETE, False): "Use another file, or keep it (delete_disks: none).",
    (DELETE, True): "Delete the source in a task after this one.",
    MAC: "Set another MAC, or omit mac to have one generated.",
    PORT: "Set another host_port.",
    ADDRESS: "Set another address.",
    NAME: "Use another name.",
    DEVICE: "Stop that VM first: only one running VM can have the device.",
}


# The world ------------------------------------------------------------------------------------------------------------


class World:
    """What each VM holds; ``enter`` is called for each plan in the order in which they take effect.

    ``released`` is what plans let go of and others can have, {(kind, identity)}: files that they delete, ports, names.
    """

    def __init__(self, held=()):
        self._held, self._index, self._unfinished, self.released = {}, {}, {}, set()
        #: [(work, Held)]: what an earlier plan lets go of, or uses only while it is carried out.
        self._past = []
        #: {identity of a file: (Claim, Held) of the plan that deletes or moves it}.
        self._deleted = {}
        for one in held:
            known = self._held.get(one.owner_id, one)
            # A VM may be listed in parts: its running and its stored definition.
            claims = one.claims if known is one else (*known.claims, *one.claims)
            self._put(replace(known if known.on else one, claims=claims))
        self._before = dict(self._held)
        #: {owner of the plan that completes a VM: its Held}.
        self._unfinished = {one.also: one for one in self._before.values() if one.also is not None}

    def _put(self, held):
        for one in filter(None, (self._held.pop(held.owner_id, None), self._unfinished.pop(held.owner_id, None))):
            self._held.pop(one.owner_id, None)
            for claim in one.claims:
                self._index[claim.kind, claim.identity].discard(one.owner_id)
        self._held[held.owner_id] = held
        for claim in held.claims:
            self._index.setdefault((claim.kind, claim.identity), set()).add(held.owner_id)

    def of(self, owner_id):
        """Return what a VM holds now; one that is not complete holds it under its id, too."""
        own, half = self._held.get(owner_id), self._unfinished.get(owner_id)
        claims = [claim for one in (own, half) if one for claim in one.claims]
        return replace(own or Held(owner_id, str(owner_id)), claims=tuple(claims))

    def holders(self, owner_id, kind, identity):
        """Return the Held of all others that hold something, by name."""
        found = [self._held[one] for one in self._index.get((kind, identity), ())]
        return sorted((one for one in found if owner_id not in (one.owner_id, one.also)), key=lambda held: held.name)

    def unreadable(self):
        """Return the claims of disks that may need any file, because they cannot be read."""
        holders = self.holders("", FILE, UNREADABLE)
        return [claim for one in holders for claim in one.claims if claim.identity == UNREADABLE]

    def users(self, owner_id, identity, deleted=()):
        """Return the names of all who need a file of ``owner_id``, sorted: other VMs, and its own disks that are kept.

        ``deleted`` are the identities of the files that are deleted with the VM. If a disk that is kept cannot be read,
        it may need any file.
        """
        others = [one for one in self.holders(owner_id, FILE, identity) if _known(one, identity)]
        own = self.of(owner_id).claims if identity in deleted else ()
        kept = kept_disks(own, deleted)
        above = [claim for claim in own if claim.option in kept and claim.text != kept[claim.option]]
        needed = {kept[claim.option] for claim in above if claim.identity in (identity, UNREADABLE)}
        return tuple(sorted({_user(held, identity) for held in others} | needed))

    def unknown(self, owner_id, identity):
        """Return who may need a file of ``owner_id``, and why that cannot be read; empty if that is known of all."""
        holders = [*self.holders(owner_id, FILE, UNREADABLE), *self.holders(owner_id, FILE, identity)]
        found = [(one.name, claim) for one in holders for claim in one.claims if _is_unknown(claim, identity)]
        return next((f"{name}: {claim.text.rstrip('.')}. {claim.remedy}".strip() for name, claim in found), "")

    def enter(self, work, during, after):
        """Enter the plan of ``work``; ``after`` is the Held of its VM after it. Returns (Conflict or None, works).

        The works must be complete before this one begins. With a conflict, the world stays as it is.
        """
        before = replace(self.of(after.owner_id), name=after.name)
        added, kept = _added_and_kept(before, after)
        new = [_New(claim, after.power, True) for claim in (*during, *added)]
        if is_started(before.power, after.power):
            new += [_New(claim, after.power, False) for claim in kept]
        conflict = self._conflict(after, new)
        if conflict is not None:
            return conflict, []
        waits = [
            past for past, held in self._past if any(_waits(one, claim, held) for one in new for claim in held.claims)
        ]
        self._leave(work, before, during, after)
        self._put(after)
        return None, list(dict.fromkeys(waits))

    def _leave(self, work, before, during, after):
        kept = {claim.key for claim in after.claims}
        gone = [claim for claim in before.claims if after.power != before.power or claim.key not in kept]
        self._past.append((work, replace(before, claims=(*gone, *during))))
        deleted = {claim.identity: (claim, before) for claim in during if claim.mode == DELETE}
        moved = {claim.identity: (claim, before) for claim in during if claim.mode == MOVE}
        created = {claim.identity for claim in after.claims if claim.is_new}
        self._deleted = {key: one for key, one in {**self._deleted, **moved, **deleted}.items() if key not in created}
        self.released |= {(FILE, identity) for identity in deleted}
        self.released |= {(one.kind, one.identity) for one in gone if _is_released(one, kept, before, after)}

    def _conflict(self, after, new):
        for one in new:
            other = next((other for other in after.claims if _excludes_in_one_vm(one, other)), None)
            own = other and Conflict(one.claim, other, after, is_own=True)
            found = own or self._with_deletion(one) or self._with_others(one, after.owner_id)
            if found:
                return found
        return None

    def _with_deletion(self, new):
        """Return the Conflict with an earlier plan that deletes or moves a file that this plan needs."""
        if not new.is_added or new.claim.kind != FILE or new.claim.is_new:
            return None
        claim, holder = self._deleted.get(new.claim.identity, (None, None))
        return Conflict(new.claim, claim, holder) if claim and claim.mode != new.claim.mode else None

    def _with_others(self, new, owner_id):
        holders = self.holders(owner_id, new.claim.kind, new.claim.identity)
        if new.claim.kind == FILE:
            holders += self.holders(owner_id, FILE, UNREADABLE)
        found = [(held, claim) for held in holders for claim in held.claims if excludes(new, claim, held)]
        if new.claim.mode == MOVE:  # Whatever had the file before gets its new path.
            found = [(held, claim) for held, claim in found if not self._had(held.owner_id, claim)]
        if not found:
            return None
        (holder, claim), *others = found
        names = tuple(dict.fromkeys(held.name for held, _claim in others if held.name != holder.name))
        before = self._before.get(holder.owner_id)
        by_task = before is None or not any(excludes(new, one, before) for one in before.claims)
        return Conflict(new.claim, claim, holder, names, by_task)

    def _had(self, owner_id, claim):
        before = self._before.get(owner_id)
        return before is not None and claim.key in {one.key for one in before.claims}


def _is_unknown(claim, identity):
    """Return whether a claim may be on a file, for all that is known."""
    may_be = claim.identity == UNREADABLE or (claim.mode == UNREADABLE and claim.identity == identity)
    return claim.kind == FILE and may_be


def _known(held, identity):
    return any(claim.identity == identity and claim.mode != UNREADABLE for claim in held.claims)


def _user(held, identity):
    """Return who needs a file: a VM, or a snapshot of it, if only that does."""
    options = {claim.option for claim in held.claims if claim.identity == identity}
    return f"a snapshot of {held.name}" if options == {SNAPSHOTS} else held.name


def _added_and_kept(before, after):
    """Return (claims that ``after`` has in addition to ``before``, those that both have): two slots are two claims."""
    known, added, kept = Counter(claim.key for claim in before.claims), [], []
    for claim in after.claims:
        (kept if known[claim.key] > 0 else added).append(claim)
        known[claim.key] -= 1
    return added, kept


def _is_released(claim, kept, before, after):
    """Return whether others can have a claim now. A file that is only detached still exists."""
    if claim.kind == PORT:
        return before.power in IN_USE and (claim.key not in kept or after.power not in IN_USE)
    return claim.kind != FILE and claim.key not in kept


def _waits(new, claim, held):
    """Return whether a new claim needs what an earlier plan lets go of, or works on."""
    if (claim.kind, claim.identity, new.claim.kind) != (FILE, new.claim.identity, FILE):
        return excludes(new, claim, held)
    if claim.mode in _IN_PROGRESS:
        # The source of a copy that may run meanwhile may be started.
        is_read = claim.mode == COPY and (new.claim.mode in _READING or (claim.while_on and new.claim.mode == WRITE))
        return new.claim.mode == DELETE or not is_read
    return new.claim.mode == DELETE or excludes(new, claim, held)
