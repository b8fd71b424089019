# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed at a backend call: the next run completes it as if nothing had happened, and leaves nothing behind.

After every call that writes, and before every call at which something has changed since the call before it: a backend
changes by its calls alone, and files are looked at around each. Else all stands as it did one call earlier.
"""

from __future__ import annotations

import pytest

from suite.depth import share
from suite.scenarios.interrupted import CASES, Interrupted

#: The number of calls of a scenario at which it is killed each day; doubles in process are killed at all, every day.
EVERY_DAY = 2


@pytest.mark.parametrize(("aside", "scenario"), CASES, indirect=["aside"])
def test_killed_at_every_call(aside, shim, tmp_path, scenario, pytestconfig):
    task = Interrupted(aside, shim, tmp_path, scenario)
    points = list(_points(aside, task.undisturbed().calls))
    for when, number in share(pytestconfig, points, EVERY_DAY):
        killed = task.disturbed(when, number)
        if killed is not None:
            assert killed.rc == -9, f"{when} {number}: {killed}"
            task.assert_completed_by_next_run(f"{when} {number}")
    print(f"{scenario}: killed at {task.fired} of {len(points)} points, missed {task.missed}")
    # A run may make fewer calls only if there are fewer disks of VMs outside the namespace, which it reads, too.
    assert len(task.missed) <= task.fired, task.missed


def _points(platform, calls):
    """(when, number of the call) of all kills after which the state may differ from that after the previous kill."""
    seen = None
    for call in calls:
        if call.files != seen:
            yield "kill-before", call.number
        seen = call.files
        if platform.is_write(call):
            yield "kill-after", call.number
            seen = call.left
