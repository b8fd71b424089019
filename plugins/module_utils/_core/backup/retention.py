# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups of a VM to keep: the rules of Proxmox VE, and ``within``. Pure.

Each rule considers only the backups that no earlier rule has kept or discarded. A rule counts periods that have
backups, and keeps the newest one of each; a period with a backup that an earlier rule keeps is not counted. Days, weeks
(of ISO 8601) and months are those of UTC.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Optional

from ..frozen import Frozen

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
