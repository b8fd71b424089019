# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed at a backend call: the next run completes it as if nothing had happened, and leaves nothing behind.

After every call that writes, and before every call at which something has changed since the call before it: a backend
changes by its calls alone, and files are looked at around each. Else all stands as it did one call earlier.
"""

from __future__ import annotations

from random import Random

import pytest

from platforms.benches import DOUBLES
from suite.belts import seed, share
from suite.bench import NAME
from suite.disturbances import KILLED, NO_RECORD, Disturbance, Killed
from suite.pairs import generated
from suite.scenarios.interrupted import CASES, Interrupted
from suite.stories import stories, story_task

pytestmark = pytest.mark.full

#: The number of calls of a scenario at which it is killed in a full run, and of a story on a double in process.
EVERY_DAY, EVERY_DAY_IN_PROCESS = 2, 6
#: States that a run can reach whatever an earlier run has left.
_REACHED_FROM_ANYWHERE = ("started", "stopped", "absent")
#: {name of a bench: a change that needs a restart}; libvirt: CASES.
RESTARTING = {
    **{key: {"cpus": 3} for key in ("virtualbox", "proxmox", "hyperv")},
    "vmm": {"memory": "96M"},
    "wsl": {"systemd": True},
}


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


@pytest.mark.parametrize("bench", DOUBLES)
def test_generated_task_that_is_killed(bench):
    killed = []

    @generated(bench.pair_count // 6, bench.cases, at_most=1000)
    def holds(case):
        calls, end = _undisturbed(bench, lambda platform: _prepared(platform, case))
        if end is None or not calls:
            return
        place = Random(f"{seed()} {case}").randrange(calls)
        for kind in KILLED:
            with bench.opened() as platform:
                killed.append(_assert_completed(platform, _prepared(platform, case), Disturbance(kind, place + 1), end))

    holds()
    assert sum(killed) * 2 > len(killed)


def _prepared(platform, case):
    platform.prepare(case)
    return platform.asked(case)


@pytest.mark.core
@pytest.mark.parametrize("bench", DOUBLES)
def test_story_that_is_killed(bench, pytestconfig):
    with bench.opened() as platform:
        labels = list(stories(platform))
    for label in labels:
        calls, end = _undisturbed(bench, lambda platform, label=label: story_task(platform, label))
        points = [(kind, place) for place in range(1, calls + 1) for kind in KILLED]
        for kind, place in share(pytestconfig, points, EVERY_DAY_IN_PROCESS):
            with bench.opened() as platform:
                _assert_completed(platform, story_task(platform, label), Disturbance(kind, place), end)


@pytest.mark.core
@pytest.mark.parametrize("bench", [one for one in DOUBLES if one.values[0].name in RESTARTING])
def test_permitted_restart_that_is_killed(bench):
    calls, end = _undisturbed(bench, _before_restart)
    assert calls > 3, "more than the stop, the change and the start"
    for kind, place in ((kind, place) for place in range(1, calls + 1) for kind in KILLED):
        with bench.opened() as platform:
            assert _assert_completed(platform, _before_restart(platform), Disturbance(kind, place), end)
            assert platform.end_state() == end, (kind, place)


def _before_restart(platform):
    platform.done(("vm", {**platform.creation, **platform.small, "name": NAME, "state": "started"}))
    return "vm", {**RESTARTING[platform.name], "allow_restart": True, "stop_mode": "force"}


def _undisturbed(bench, prepare):
    """(number of calls that write, the state after a task), or (0, None) if it fails."""
    with bench.opened() as platform:
        task, counting = prepare(platform), Disturbance()
        outcome = platform.task(task, disturbance=counting)
        return (0, None) if outcome.failed else (counting.calls, platform.end_state())


def _assert_completed(platform, task, disturbance, end):
    """Assert that the task, killed and run again, ends as undisturbed, and that a third run has nothing to do.

    Returns whether it was killed.
    """
    state = task[1].get("state")
    try:
        platform.task(task, disturbance=disturbance)
    except Killed:
        pass
    else:
        return False  # It has made fewer calls this time: WSL's answers depend on the time.
    platform.after_kill()
    again = platform.task(task)
    if again.failed and platform.is_recorded_late and NO_RECORD in again.msg:
        platform.delete(task)
        again = platform.task(task)
    if again.failed and state in ("paused", "suspended", "restarted"):
        # It was stopped for a change, and these states need a VM that is on.
        assert "is not possible" in again.msg, again.msg
        return True
    assert not again.failed, again.msg
    platform.assert_sound()
    if state in _REACHED_FROM_ANYWHERE:
        assert platform.end_state() == end
    if state not in ("restarted", "restored"):
        assert not platform.task(task).changed
    return True
