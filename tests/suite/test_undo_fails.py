# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A call of a task is disturbed, and from then on its host changes nothing: no step can be completed, nor undone.

Even so, the result says whether something was changed, and the next run completes the task.
"""

from __future__ import annotations

import pytest

from platforms.benches import WITH_PAIRS
from suite.belts import share
from suite.disturbances import FAILS, LATE, LOST, NO_RECORD, Disturbance
from suite.stories import stories, story_task

pytestmark = pytest.mark.full

#: The number of calls of a story that are disturbed in a full run.
EVERY_DAY = 6
_DELETE_FIRST = "delete the VM first (state: absent)"


@pytest.mark.core
@pytest.mark.parametrize("bench", WITH_PAIRS)
def test_result_is_true_if_nothing_can_be_undone(ground, bench, pytestconfig):
    with bench.opened(ground=ground) as platform:
        labels = list(stories(platform))
    # What is carried out after the task has ended is in no result.
    kinds = (FAILS,) if bench.answers_before_it_acts else (FAILS, LOST, LATE)
    for label in labels:
        counting = Disturbance()
        with bench.opened(ground=ground) as platform:
            platform.task(story_task(platform, label), disturbance=counting)
        points = [(kind, place) for place in range(1, counting.calls + 1) for kind in kinds]
        for kind, place in share(pytestconfig, points, EVERY_DAY):
            with bench.opened(ground=ground) as platform:
                _assert_true(platform, story_task(platform, label), Disturbance(kind, place, then_fails=True))


def _assert_true(platform, task, disturbance):
    begin = platform.end_state()
    outcome = platform.task(task, disturbance=disturbance)
    assert outcome.changed or platform.end_state() == begin, outcome.msg
    if not outcome.failed:
        return
    platform.after_kill()
    again = platform.task(task)
    if again.failed:
        # The VM may be a user's: the task is rejected, with the way to delete it.
        assert NO_RECORD in again.msg or _DELETE_FIRST in again.msg, again.msg
        platform.delete(task)
        again = platform.task(task)
    assert not again.failed, again.msg
    platform.assert_sound()
    assert task[1].get("state") == "restored" or not platform.task(task).changed
