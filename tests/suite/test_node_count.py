# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The automation controller counts a managed VM as one node, however many tasks and modules managed it."""

from __future__ import annotations

import pytest

from suite.answer import Task
from suite.by_ansible import module_of
from suite.node_count import nodes_of
from suite.scenarios.snapshots import snapshot

ONE, TWO, NONE = "pvc-count-1", "pvc-count-2", "pvc-count-none"
BOTH = {"name": [ONE, TWO]}


def _full_name(platform, about):
    name = module_of(platform, about)
    return name if "." in name else f"polyvirt.core.{name}"


def _nodes(platform, tasks, answers):
    results = [(_full_name(platform, task.about), answers[task.label].result) for task in tasks]
    return sorted(name.split(" (")[0] for name in nodes_of(results))


@pytest.mark.core
def test_each_vm_that_a_task_manages_is_counted_once(platform, carry):
    platform.clean()
    made = {**platform.creation, **BOTH, "state": "started"}
    tasks = [
        Task("create, checked", made, check=True),
        Task("create", made),
        Task("again", made),
        Task("change", {**platform.consent, "name": [ONE], "description": "counted"}),
    ]
    if platform.has_snapshots:
        tasks.append(snapshot("snapshot", TWO, "first"))
    answers = carry(platform, tasks)
    assert [label for label, answer in answers.items() if answer.failed] == []
    assert _nodes(platform, tasks, answers) == [ONE, TWO]
    for task in tasks[1:]:
        assert _nodes(platform, [task], answers) == sorted(vm["name"] for vm in answers[task.label].vms), task.label


def test_vms_that_no_task_manages_are_not_counted(platform, carry):
    """Not counted: VMs that are only listed, that do not exist, or that are named in a rejected request."""
    platform.clean()
    made = Task("create", {**platform.creation, "name": [ONE]})
    tasks = [
        Task("foreseen", {**platform.creation, "name": [TWO]}, check=True),
        Task("list", {}, about="vm_info"),
        Task("absent", {"name": [NONE], "state": "absent"}),
        Task("rejected", {"name": [ONE], "disks": [{"size": "1K", "slot": "no slot"}]}),
    ]
    answers = carry(platform, [made, *tasks])
    assert {label: answer.failed for label, answer in answers.items()} == {
        "create": False,
        "foreseen": False,
        "list": False,
        "absent": False,
        "rejected": True,
    }
    assert _nodes(platform, tasks, answers) == []


@pytest.mark.parametrize("result", [{}, {"censored": "no_log"}, {"results": [{"vms": []}]}, {"msg": "no", "vms": None}])
def test_result_without_vms_counts_nothing_and_is_no_error(result):
    assert nodes_of([("polyvirt.core.vm", result)]) == []
