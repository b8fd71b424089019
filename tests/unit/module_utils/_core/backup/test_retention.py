# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups are kept: examples by hand, and generated histories against a second implementation of the rules."""

from __future__ import annotations

import random
from datetime import datetime, timezone
from itertools import groupby

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.backup.backup import ALL, Backup, Keep, surplus

from suite.belts import is_deep

_DAY = 86400
#: 2027-01-31 12:00:00 UTC, a Sunday.
_NOW = 1801396800


def _backup(start, number=0):
    return Backup(id=f"b{start}-{number}", vm="web1", birth="u", start=start)


def test_example_of_the_guide():
    """With a backup each day, on Thursday, January 28, at noon."""
    days = {day: _backup(_NOW - (31 - day) * _DAY) for day in range(10, 29)}
    deleted = surplus(list(days.values()), Keep(daily=3, weekly=2), _NOW - 3 * _DAY)
    assert [day for day, one in days.items() if one not in deleted] == [17, 24, 26, 27, 28]


def _deleted(keep, *days):
    """The ages in days of the deleted backups, the oldest first."""
    backups = [_backup(int(_NOW - day * _DAY), number) for number, day in enumerate(days)]
    return [(_NOW - one.start) / _DAY for one in surplus(backups, keep, _NOW)]


@pytest.mark.parametrize(
    ("keep", "days", "deleted"),
    [
        pytest.param(ALL, (0, 1, 2), [], id="without_a_rule_all_are_kept"),
        pytest.param(Keep(last=2), (0, 1, 2, 3), [3, 2], id="last"),
        pytest.param(Keep(last=9), (0, 1), [], id="fewer_than_last"),
        pytest.param(Keep(last=0), (0, 1), [1], id="the_newest_remains_whatever_the_numbers"),
        pytest.param(Keep(daily=2), (0, 0.25, 1, 1.25, 2), [2, 1.25, 0.25], id="the_newest_of_each_day"),
        pytest.param(Keep(daily=2), (0, 5, 9), [9], id="days_without_backups_are_not_counted"),
        pytest.param(Keep(last=1, daily=1), (0, 0.25, 1, 2), [2, 0.25], id="a_day_that_last_covers_is_not_counted"),
        pytest.param(Keep(weekly=2), (0, 3, 7, 8, 14), [14, 8, 3], id="the_newest_of_each_week"),
        pytest.param(Keep(monthly=2), (0, 5, 31, 40, 70), [70, 40, 5], id="the_newest_of_each_month"),
        pytest.param(Keep(within=2 * _DAY), (0, 1, 2, 3), [3], id="within"),
        pytest.param(Keep(within=3600, last=1), (5, 6), [6], id="within_and_another_rule"),
        pytest.param(Keep(within=3600), (5, 6), [], id="within_alone_deletes_nothing_if_the_newest_is_older"),
    ],
)
def test_rule(keep, days, deleted):
    assert _deleted(keep, *days) == deleted


def _second(backups, keep, now):
    """The rules again, by periods instead of backups. Returns the IDs that are kept."""
    ordered = sorted(backups, key=lambda one: (one.start, one.id))[::-1]
    kept = [one for one in ordered if keep.within is not None and one.start >= now - keep.within]
    kept += ordered[: keep.last or 0]
    passed_over = []
    formats = ((keep.daily, "%Y-%m-%d"), (keep.weekly, "%G-%V"), (keep.monthly, "%Y-%m"))
    for count, form in formats:
        name_of = lambda one, form=form: datetime.fromtimestamp(one.start, timezone.utc).strftime(form)  # noqa: E731
        covered = {name_of(one) for one in kept}
        free = [one for one in ordered if one not in kept and one not in passed_over and name_of(one) not in covered]
        periods = [list(group) for _name, group in groupby(free, name_of)]
        for newest, *others in periods[: count or 0]:
            kept.append(newest)
            passed_over += others
    has_only_old = keep == Keep(within=keep.within) and ordered[0] not in kept
    return {one.id for one in (ordered if has_only_old else (*kept, ordered[0]))}


def _history(draw):
    """Backups over some time with gaps, some at the same second, and rules."""
    span = draw.choice((2, 20, 120, 800)) * _DAY
    starts = [_NOW - draw.randrange(span) for _number in range(draw.randrange(1, 40))]
    starts += draw.choices(starts, k=draw.randrange(3))
    maybe = lambda most: draw.choice((None, draw.randrange(1, most)))  # noqa: E731
    within = draw.choice((None, draw.randrange(span)))
    keep = Keep(maybe(6), maybe(9), maybe(6), maybe(13), within)
    return [_backup(start, number) for number, start in enumerate(starts)], keep


def test_generated_histories(pytestconfig):
    draw = random.Random(20270131)
    for _number in range(10_000 if is_deep(pytestconfig) else 400):
        backups, keep = _history(draw)
        deleted = surplus(backups, keep, _NOW)
        kept = [one for one in backups if one not in deleted]
        if not keep.is_set:
            assert not deleted
            continue
        assert {one.id for one in kept} == _second(backups, keep, _NOW), (keep, backups)
        # The next task deletes nothing more, and the newest one always remains.
        assert not surplus(kept, keep, _NOW)
        assert max(one.start for one in kept) == max(one.start for one in backups)
