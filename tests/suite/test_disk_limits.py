# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``disks[].iops_limit`` and ``disks[].bandwidth_limit``: of new and existing disks, or rejected by name."""

from __future__ import annotations

import pytest

from suite.answer import Task

NAME = "pvc-limited"
RUNS = ("check", "real", "again")
LIMITS = ("iops_limit", "bandwidth_limit")
pytestmark = pytest.mark.core


def _carried(platform, carry, **options):
    """The answers of a task in check mode, for real, and again."""
    tasks = [Task(run, {**options, "name": [NAME]}, run == "check") for run in RUNS]
    return carry(platform, tasks, [NAME]).values()


def _limits(answer, slot):
    disk = next(one for one in answer.vm(NAME)["disks"] if one["slot"] == slot)
    return {name: disk[name] for name in LIMITS if name in disk}


def _agree(platform, carry, limits, slot, **options):
    """Assert that the disk at ``slot`` has these limits after each run, and that check mode has shown them."""
    check, real, again = _carried(platform, carry, **options)
    assert not real.failed, real.msg
    assert (check.failed, check.changed, check.diff) == (False, True, real.diff), check.msg
    assert [call.argv for call in check.calls if platform.is_write(call)] == []
    assert (again.failed, again.changed, again.truth) == (False, False, real.truth), again.msg
    assert [_limits(one, slot) for one in (check, real, again)] == [limits] * len(RUNS)


def test_limits_of_disks(platform, carry):
    platform.clean()
    slot, fields = platform.slots[0], platform.traits().fields
    disk = {"slot": slot, "size": platform.disk_size}
    lacking = [name for name in LIMITS if f"disks.{name}" not in fields]
    for name in lacking:
        answers = _carried(platform, carry, **{**platform.creation, "disks": [{**disk, name: 5}]})
        assert all(one.failed and f"disks.{name} is not supported on" in one.msg for one in answers)
    if "iops_limit" in lacking:
        return
    new = {**platform.creation, "disks": [{**disk, "iops_limit": 100}]}
    _agree(platform, carry, {"iops_limit": 100}, slot, **new)
    other = {} if "bandwidth_limit" in lacking else {"bandwidth_limit": "1536K"}
    changed = [{"slot": slot, "iops_limit": 0, **other}]
    _agree(platform, carry, other, slot, **platform.consent, disks=changed)
