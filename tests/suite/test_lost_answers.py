# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backend call is carried out and its answer is lost or late: the result is true, and nothing is done twice.

The task succeeds and ends as undisturbed; or it fails, reports what it changed, and the same task run again ends so.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import pytest

from suite.belts import share
from suite.scenarios.interrupted import CASES, NAME, Interrupted

pytestmark = pytest.mark.full

#: The number of calls of a scenario that are disturbed in a full run.
EVERY_DAY = 2
#: The time limit of a call in seconds; the late answer never comes. If the host is so slow that other calls reach the
#: limit, they are late, too, and the result must still be true.
_CALL_TIMEOUT = 3


#: A real platform loses no answer that its double cannot lose: a deep run has them, and a full run is killed there.
@pytest.mark.parametrize(("aside", "scenario"), [case.values for case in CASES], indirect=["aside"])
def test_answer_lost_at_every_call(aside, shim, tmp_path, scenario, pytestconfig):
    task = Interrupted(aside, shim, tmp_path, scenario)
    points = list(_points(aside, task.undisturbed().calls))
    ends = {"succeeded": 0, "failed": 0}
    for order, number in share(pytestconfig, points, EVERY_DAY):
        ceiling = {"POLYVIRT_CALL_TIMEOUT": str(_CALL_TIMEOUT)} if order == "delay" else {}
        with mock.patch.dict(os.environ, ceiling):
            answer = task.disturbed(order, number)
        if answer is not None:
            ends["failed" if answer.failed else "succeeded"] += 1
            _assert_true(aside, task, answer, f"{order} {number}: {answer.calls[number - 1].argv}: {answer.result}")
    print(f"{scenario}: {ends} of {len(points)} points, missed {task.missed}")
    assert len(task.missed) <= task.fired, task.missed


#: What the task sees of a hot-plug that libvirt carries out: (order to the shim, error that virsh prints). The second
#: error is one that nobody expects: only the VM shows that the disk is in use.
_WITHOUT_ANSWER = {
    "connection ended": ("lose", "error: End of file while reading data: Input/output error"),
    "unexpected error": ("lose", "error: An error occurred, but the cause is unknown"),
    "virsh killed": ("kill-command", ""),
}


@pytest.mark.parametrize("aside", ["libvirt_qemu"], indirect=True)
@pytest.mark.parametrize("case", _WITHOUT_ANSWER)
def test_disk_that_is_attached_without_an_answer_is_kept(aside, shim, tmp_path, case):
    task = Interrupted(aside, shim, tmp_path, "configure")
    (number,) = [call.number for call in task.undisturbed().calls if "attach-device" in call.argv]
    order, error = _WITHOUT_ANSWER[case]
    answer = task.disturbed(order, number, error)
    assert Path(aside.disk_of(NAME).replace("-vda", "-vdc")).exists()
    assert {"vda", "vdb", "vdc"} <= {disk["slot"] for disk in answer.result["vms"][0]["disks"]}
    _assert_true(aside, task, answer, case)


def _points(platform, calls):
    """(order, number of the call): every call that writes, and the first read after each."""
    is_write = False
    for call in calls:
        is_first_read, is_write = is_write, platform.is_write(call)
        if is_write or is_first_read:
            yield "lose", call.number
        if is_write:
            yield "delay", call.number


def _assert_true(platform, task, answer, where):
    if not answer.failed:
        assert task.platform_state() == task.end, where
        assert answer.changed, where
        return
    _assert_reports_what_it_changed(platform, task, answer, where)
    task.assert_completed_by_next_run(where)


def _assert_reports_what_it_changed(platform, task, answer, where):
    before, after = task.begin, platform.truth([NAME])[NAME]
    assert answer.msg, where
    found = [_seen(platform, one) for one in (before, after)]
    diff = answer.diff_of(NAME)
    reported = [(diff or {}).get(side, {}) for side in ("before", "after")]
    assert answer.changed or found[0] == found[1], where
    assert answer.changed or not diff, where
    for key in found[0].keys() | found[1].keys():
        values = [one.get(key) or None for one in found]
        if values[0] != values[1]:
            assert [one.get(key) or None for one in reported] == values, f"{key}: {where}"


def _seen(platform, machine):
    """Of a VM as the backend reports it: what a diff reports in the same words."""
    if machine is None:
        return {"state": "absent"}
    settings = platform.settings(machine)
    return {"state": machine["power"], "cpus": settings.get("cpus"), "description": settings["description"]}
