# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs with different options in one task, and surplus VMs of a fleet."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.answer import Task

ONE, TWO, THREE, FOREIGN = "pvc-fleet-1", "pvc-fleet-2", "pvc-fleet-3", "pvc-fleet-foreign"
ALL = [ONE, TWO, THREE, FOREIGN]
RUNS = ("check", "real", "again")


def _three(platform):
    """One has the options of the task, the others differ in one."""
    return {
        **platform.creation,
        "name": [ONE],
        "description": "as the task says",
        "fleet": "web",
        "machines": [{"name": TWO, "description": "another"}, {"name": THREE, "tags": ["third"]}],
    }


def _runs(label, options):
    return [Task(f"{label} {run}", options, run == "check") for run in RUNS]


def test_machines_that_differ_are_one_task(platform, carry):
    platform.clean()
    refused = {**_three(platform), "machines": [{"name": TWO}, {"name": THREE, "state": "paused"}]}
    answers = carry(platform, [Task("refused", refused), *_runs("make", _three(platform))], ALL)
    assert (answers["refused"].failed, answers["refused"].changed) == (True, False)
    assert answers["refused"].truth == dict.fromkeys(ALL)
    check, real, again = (answers[f"make {run}"] for run in RUNS)
    assert (real.failed, real.changed) == (False, True), real.msg
    assert (check.changed, check.diff, check.truth) == (True, real.diff, dict.fromkeys(ALL))
    assert [vm["name"] for vm in real.vms] == [ONE, TWO, THREE]
    reported = [(vm["description"], vm["tags"], vm["fleet"]) for vm in again.vms]
    assert reported == [("as the task says", [], "web"), ("another", [], "web"), ("as the task says", ["third"], "web")]
    assert (again.changed, again.truth) == (False, real.truth)


@pytest.mark.core
def test_prune_deletes_what_the_task_does_not_list_and_nothing_else(platform, carry):
    platform.clean()
    platform.bring({FOREIGN: STOPPED})
    kept = {"name": [ONE], "fleet": "web", "prune": True, "machines": [{"name": TWO}]}
    tasks = [
        Task("make", _three(platform)),
        Task("without a list", {"name": [], "fleet": "web", "prune": True, "machines": []}),
        Task("without a fleet", {"name": [ONE], "prune": True}),
        *_runs("another fleet", {"name": [ONE], "fleet": "db", "prune": True}),
        Task("back", {"name": [ONE], "fleet": "web"}),
        *_runs("too many", {"name": [ONE], "fleet": "web", "prune": True, "description": "of a part of the fleet"}),
        Task("none has expired", {**kept, "prune_expired_for": "0m"}),
        *_runs("prune", kept),
        *_runs("whole fleet", {"name": [ONE], "fleet": "web", "prune": True, "prune_max": 1, "state": "absent"}),
    ]
    answers = carry(platform, tasks, ALL)
    made = answers["make"]
    for label in ("without a list", "without a fleet"):
        assert (answers[label].failed, answers[label].truth) == (True, made.truth), answers[label].msg
    moved = answers["another fleet real"]
    assert [vm["name"] for vm in moved.vms] == [ONE]
    assert not answers["another fleet again"].changed
    for run in RUNS:
        refused = answers[f"too many {run}"]
        assert (refused.failed, refused.truth) == (True, answers["back"].truth), refused.msg
        assert f"({TWO}, {THREE})" in refused.msg and "set prune_max: 2" in refused.msg
    assert (answers["none has expired"].failed, answers["none has expired"].changed) == (False, False)
    assert [vm["name"] for vm in answers["none has expired"].vms] == [ONE, TWO]
    check, real, again = (answers[f"prune {run}"] for run in RUNS)
    assert (real.failed, check.changed, check.diff) == (False, True, real.diff), real.msg
    assert [vm["name"] for vm in check.vms] == [ONE, TWO, THREE]
    assert check.truth == answers["back"].truth
    assert real.truth == {**check.truth, THREE: None}
    assert (again.changed, again.truth) == (False, real.truth)
    whole = answers["whole fleet real"]
    assert (whole.failed, whole.truth) == (False, {**real.truth, ONE: None, TWO: None}), whole.msg
    assert answers["whole fleet check"].diff == whole.diff
