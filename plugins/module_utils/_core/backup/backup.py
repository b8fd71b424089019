# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as data: what exists in a place, what a task requests, which one is meant, and which ones to keep. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Optional

from ..errors import NotFound, Refused
from ..frozen import Frozen, field
from ..record.leases import CLOCK_TOLERANCE, iso

#: What the disks of a backup are like, the weakest first: as after a power cut, with all file systems flushed and
#: frozen by the guest agent, or of a VM that was off.
CRASH, FILESYSTEM, OFF = "crash", "filesystem", "stopped"
CONSISTENCIES = (CRASH, FILESYSTEM, OFF)
NEWEST = "newest"
#: The key of a mark that names the backup from which the VM was restored.
RESTORED_FROM = "restored_from"
#: The key of a mark with what a restore in place has still to do: ``power``, the power state before it, and since the
#: VM is replaced also ``id`` of the backup, and ``files``, which are deleted at the end.
REPLACING = "replacing"
#: The key of a mark with earlier births of the VM, the backups of which are its own.
BIRTHS = "births"
_EPOCH = datetime(1970, 1, 1)


class Keep(Frozen):
    """How many backups to keep, None for a rule that is not set. ``within`` is in seconds."""

    last: Optional[int] = None
    daily: Optional[int] = None
    weekly: Optional[int] = None
    monthly: Optional[int] = None
    within: Optional[int] = None

    @property
    def is_set(self):
        """Whether there is any rule."""
        return any(one is not None for one in (self.last, self.daily, self.weekly, self.monthly, self.within))


#: Without any rule, all backups are kept.
ALL = Keep()


class Backup(Frozen):
    """A backup that exists in a place, or that a plan creates.

    ``birth`` identifies its VM, ``vm`` is the name of the VM at that time. ``start`` is in seconds since 1970, by the
    clock of the controller. ``size`` is in bytes. ``excluded`` are slots of disks that it does not contain.
    ``unfinished``: why it is not complete; ``is_written``: a job that still runs writes it; ``is_foreign``: another
    host wrote it. ``damaged``: what is wrong with its files. ``notes`` are for its users. ``config`` are the settings
    of the VM after a restore of this backup, None if they were not requested. ``power_before``: the power state of a VM
    of which an interrupted restore in place has left only a rest. ``content`` identifies what a restore reads, for the
    digest of its plan. ``files``: the paths of all its files. ``needed``: who else needs one of them, as a sentence
    without its end; that is determined only if a plan deletes backups.
    """

    id: str
    vm: str
    birth: Optional[str]
    start: float
    consistency: str = CRASH
    power: str = ""
    host: str = ""
    size: int = 0
    protected: bool = False
    excluded: Sequence[str] = ()
    unfinished: str = ""
    is_written: bool = False
    is_foreign: bool = False
    damaged: str = ""
    notes: Sequence[str] = ()
    config: Optional[Mapping] = None
    power_before: str = ""
    content: str = ""
    files: Sequence[str] = ()
    needed: str = ""

    @property
    def is_good(self):
        """Whether it can be restored, as far as is known."""
        return not (self.unfinished or self.damaged)

    def counts(self, now):
        """Whether it is good, and its date is not ahead of the controller's clock."""
        return self.is_good and not self.is_ahead(now)

    def may_be_restored(self, asked, now):
        """Whether a restore may choose it. The date of one that is requested by its ID may be ahead."""
        return self.id == asked.backup or (asked.backup == NEWEST and self.counts(now))

    def is_ahead(self, now):
        return self.start > now + CLOCK_TOLERANCE

    def satisfies(self, asked, now):
        """Whether no newer backup is needed for a request; with an age of 0, a new one always is."""
        is_young = self.counts(now) and asked.max_age > 0 and now - self.start <= asked.max_age
        is_strong = strength(self.consistency) >= strength(asked.consistency)
        return is_young and is_strong and set(self.excluded) <= set(asked.exclude)


class BackupRequest(Frozen):
    """What a task requests of the backups of one VM.

    ``max_age`` is in seconds. ``exclude`` are slots of disks. ``protected`` None leaves it as it is. ``backup`` is an
    ID, or ``newest``. ``of``: the name of the VM in the backup. ``is_beside``: it is restored as another VM.
    ``replace`` permits to replace an existing VM. ``networks`` are {name in the backup: name on this host}.
    """

    state: str = "present"
    max_age: Optional[int] = None
    consistency: str = CRASH
    exclude: Sequence[str] = ()
    verify: bool = False
    protected: Optional[bool] = None
    keep: Keep = ALL
    backup: str = ""
    of: Optional[str] = None
    is_beside: bool = False
    replace: bool = False
    networks: Mapping = field(default_factory=dict)

    @property
    def reads_content(self):
        """Whether the files of backups are read whole before the plan."""
        return self.verify or self.state == "restored"


def strength(consistency):
    return CONSISTENCIES.index(consistency)


def births_of(vm):
    """Return all births under which the backups of a VM are stored: a restored VM continues earlier ones."""
    earlier = vm.mark.get(BIRTHS, ()) if vm.owned else ()
    return tuple(dict.fromkeys(one for one in (vm.identity, *earlier) if one))


def comes_from(vm, backup):
    """Return whether a VM was restored from this backup."""
    return vm.owned and vm.mark.get(RESTORED_FROM) == restored_from(backup)


def restored_from(backup):
    """Return what the mark of a restored VM records of the backup."""
    return {"id": backup.id, "birth": backup.birth}


def interrupted_restore(mark):
    """Return what an interrupted restore in place has recorded (``REPLACING``) in a mark; empty if there was none."""
    recorded = (mark or {}).get(REPLACING)
    # A user can have edited it.
    is_valid = isinstance(recorded, dict) and isinstance(recorded.get("power"), str)
    return recorded if is_valid and isinstance(recorded.get("files", []), list) else {}


def own_backups(vm, with_others=False):
    """Return the backups of a VM, oldest first, or ``with_others`` that had its name."""
    births = births_of(vm)
    return by_age(one for one in vm.backups if with_others or one.birth in births)


def by_age(backups):
    """Return backups, oldest first."""
    return sorted(backups, key=lambda one: (one.start, one.id))


def find(backups, backup_id):
    """Return the backup with this id, or None."""
    return next((one for one in backups if one.id == backup_id), None)


def choose(label, backups, asked, now):
    """Return the backup that a task restores. Raises NotFound or Refused; ``backups`` are those that fit, by age."""
    good = [one for one in backups if one.counts(now)]
    if asked.backup == NEWEST:
        if not good:
            reasons = "".join(f" {one.id}: {one.unfinished or one.damaged}." for one in backups if not one.is_good)
            others = _listed([one for one in backups if one.is_good])
            raise NotFound(f"{label}: backup: there is no complete backup of '{asked.of}'.{reasons}", others)
        if len({one.birth for one in good}) > 1:
            raise Refused(
                f"{label}: backup: newest: several VMs were named '{asked.of}', and each has backups.", _listed(good)
            )
        return good[-1]
    chosen = find(backups, asked.backup)
    if chosen is None:
        raise NotFound(f"{label}: backup: '{asked.of}' has no backup '{asked.backup}'.", _listed(good))
    if not chosen.is_good:
        raise Refused(
            f"{label}: backup '{chosen.id}' cannot be restored: {chosen.unfinished or chosen.damaged}.",
            _listed([one for one in good if one is not chosen]),
        )
    return chosen


def _listed(backups):
    if not backups:
        return "There is no other one here; check where the task reads backups."
    shown = (f"{one.id} (VM {one.birth}, {iso(one.start)})" for one in backups[-20:])
    return f"Set backup to one of {', '.join(shown)}."


# Which backups to keep ------------------------------------------------------------------------------------------------
#
# The rules are those of Proxmox VE, and ``within``. Each rule considers only the backups that no earlier rule has kept
# or discarded. A rule counts periods that have backups, and keeps the newest one of each; a period with a backup that
# an earlier rule keeps is not counted. Days, weeks (of ISO 8601) and months are those of UTC.


def _day(start):
    return _date(start).isocalendar()[:3]


def _week(start):
    return _date(start).isocalendar()[:2]


def _month(start):
    found = _date(start)
    return (found.year, found.month)


def _date(start):
    return _EPOCH + timedelta(seconds=int(start))


def surplus(backups, keep, now):
    """Return those of ``backups`` that no rule keeps, oldest first: complete ones of one VM, not protected.

    The newest one is never among them. ``within`` alone keeps all if even the newest one is older: backups have ended,
    or a clock was wrong.
    """
    if not keep.is_set or not backups:
        return []
    newest_first = sorted(backups, key=lambda one: (one.start, one.id), reverse=True)
    if keep == Keep(within=keep.within) and now - newest_first[0].start > keep.within:
        return []
    kept = {one.id for one in newest_first if keep.within is not None and now - one.start <= keep.within}
    kept |= {one.id for one in newest_first[: keep.last or 0]}
    discarded = set()
    for count, period in ((keep.daily, _day), (keep.weekly, _week), (keep.monthly, _month)):
        _keep_of_periods(newest_first, count or 0, period, kept, discarded)
    return [one for one in reversed(newest_first[1:]) if one.id not in kept]


def _keep_of_periods(newest_first, count, period, kept, discarded):
    """Add what one rule keeps to ``kept``, and what it passes over in the same periods to ``discarded``."""
    covered, counted = {period(one.start) for one in newest_first if one.id in kept}, set()
    for one in newest_first:
        if one.id in kept or one.id in discarded or period(one.start) in covered:
            continue
        if period(one.start) in counted:
            discarded.add(one.id)
        elif len(counted) == count:
            break
        else:
            counted.add(period(one.start))
            kept.add(one.id)
