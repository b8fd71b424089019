# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Approved plans by ansible-playbook: exactly the plan that was read in check mode is carried out, or nothing."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING

from platforms.known import PLATFORMS
from suite import front_door
from suite.front_door import SNAPSHOT, VM

pytestmark = pytest.mark.full

WEB, DB = "pvc-plan-web", "pvc-plan-db"
VARIABLE = "polyvirt_approved_plans"
_NO_APPROVALS = {
    "empty list": [],
    "null": None,
    "text": "{{ planned.plan }}",
    "another digest": ["plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst"],
    "another workflow": [{"plan": "{{ planned.plan }}", "workflow": 7}],
    "another key": [{"plan": "{{ planned.plan }}", "host": "any"}],
}


def _task(label, options, module=VM, check=False, variables=None, register="", **more):
    task = {"name": label, module: options, "check_mode": check, "ignore_errors": True, **more}
    return {**task, **({"vars": variables} if variables else {}), **({"register": register} if register else {})}


def _limited(label, options, approved, check=False):
    return _task(label, options, check=check, variables={VARIABLE: approved})


@contextmanager
def _play(platform, shim, folder, variables=None):
    """A function that carries out tasks and returns {label: result}."""
    platform.clean()
    shim.forget()
    with front_door.reached(platform) as reach, platform.hurried():
        given = {**reach["vars"], "vm_platform": platform.traits().platform, **(variables or {})}
        play = {**reach, "vars": given, "module_defaults": front_door.modules(platform)}

        def carry_out(*tasks):
            results = front_door.play(platform, shim, folder, tasks, play)
            return {label: {**result, "failed": failed} for label, (failed, result) in results.items()}

        yield carry_out


_OTHERS = [pytest.param(name, marks=pytest.mark.full) for name in PLATFORMS if name != "libvirt_test"]
_NEW = {"name": WEB, "state": "started"}
_CHANGE = {"name": WEB, "tags": ["approved"]}


@pytest.mark.core
@pytest.mark.parametrize("platform_name", ["libvirt_test", *_OTHERS], indirect=True, scope="session")
def test_only_the_approved_plan_is_carried_out(platform, shim, tmp_path):
    with _play(platform, shim, tmp_path) as carry_out:
        result_of = carry_out(
            _task("plan", _NEW, check=True, register="planned"),
            *(_limited(f"refused: {name}", _NEW, approved) for name, approved in _NO_APPROVALS.items()),
            *(_limited(f"refused in check mode: {name}", _NEW, one, True) for name, one in _NO_APPROVALS.items()),
            _task("refused: expected", {**_NEW, "expect_plan": "plan-x"}),
            _task("refused: expected nothing", {**_NEW, "expect_plan": ""}),
            _task("refused: one of two", {**_NEW, "expect_plan": "{{ planned.plan }}"}, variables={VARIABLE: []}),
        )
        assert platform.truth([WEB]) == {WEB: None}
        refused = {label: result for label, result in result_of.items() if label.startswith("refused")}
        assert [label for label, result in refused.items() if not result.get("failed")] == []
        assert {(result.get("changed", False), result.get("plan")) for result in refused.values()} == {(False, None)}
        plan = result_of["plan"]["plan"]
        shown = result_of["refused: another digest"]
        assert plan in shown["msg"] and WEB in shown["msg"] and "in check mode again" in shown["msg"]
        assert [entry for entry in refused.values() if "ansible_stats" in entry] == []
        result_of = carry_out(
            _limited("approved", _NEW, [{"plan": plan, "workflow": None}]),
            _limited("again", _NEW, []),
            _task("change", _CHANGE, check=True, register="planned"),
            _task("somebody else", {"name": WEB, "state": "stopped", "stop_mode": "force"}),
            _limited("outdated", _CHANGE, ["{{ planned.plan }}"]),
            _task("start again", _NEW),
            _limited("as planned", _CHANGE, ["{{ planned.plan }}"]),
            _limited("used twice", _CHANGE, ["{{ planned.plan }}"]),
        )
        done = {label: (result["changed"], bool(result.get("failed"))) for label, result in result_of.items()}
        assert done == {
            "approved": (True, False),
            "again": (False, False),
            "change": (True, False),
            "somebody else": (True, False),
            "outdated": (False, True),
            "start again": (True, False),
            "as planned": (True, False),
            "used twice": (False, False),
        }
        assert (result_of["approved"]["plan"], result_of["again"]["plan"]) == (plan, "")
        assert result_of["as planned"]["vms"][0]["state"] == RUNNING


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_digest_is_the_same_whenever_a_task_is_shipped_and_in_a_workflow(platform, shim, tmp_path):
    """A task with an environment of its own is shipped; the environment may choose other programs, so it counts."""
    with _play(platform, shim, tmp_path) as carry_out:
        result_of = carry_out(
            _task("here", _NEW, check=True),
            _task("shipped", _NEW, check=True, environment={"A_VARIABLE": "any"}),
            _task("shipped again", _NEW, check=True, environment=[{}, {"A_VARIABLE": "any"}]),
            _task("with another one", _NEW, check=True, environment={"A_VARIABLE": "other"}),
            _task("elsewhere", _NEW, check=True, variables={"awx_project_revision": "4f1c"}),
            _task("in a workflow", _NEW, check=True, variables={"awx_workflow_job_id": 5}),
        )
        here, shipped, again, other, elsewhere, workflow = (result["plan"] for result in result_of.values())
        assert (here, shipped) == (workflow, again)
        assert len({here, shipped, other, elsewhere}) == 4
        stats = result_of["in a workflow"]["ansible_stats"]
        assert stats["data"][VARIABLE] == [{"plan": workflow, "workflow": 5}]
        assert stats["data"]["polyvirt_plans"][0]["lines"][0].startswith(f"{WEB}: ")


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_snapshots_are_restored_only_as_approved(platform, shim, tmp_path):
    """A snapshot that was created again with the same name is another one."""
    taken, restored = {"name": WEB, "snapshot": "one"}, {"name": WEB, "snapshot": "one", "state": "restored"}
    with _play(platform, shim, tmp_path) as carry_out:
        result_of = carry_out(
            _task("create", {"name": WEB}),
            _task("take", taken, SNAPSHOT),
            _task("restore", restored, SNAPSHOT, check=True, register="planned"),
            _task("drop", {**taken, "state": "absent"}, SNAPSHOT),
            # The time of a snapshot is in seconds.
            _task("wait", {"seconds": 1}, "ansible.builtin.pause"),
            _task("take again", taken, SNAPSHOT),
            _task("refused", restored, SNAPSHOT, variables={VARIABLE: ["{{ planned.plan }}"]}),
            _task("now", restored, SNAPSHOT, check=True, register="planned"),
            _task("approved", restored, SNAPSHOT, variables={VARIABLE: ["{{ planned.plan }}"]}),
        )
        assert [label for label, result in result_of.items() if result.get("failed")] == ["refused"]
        assert result_of["approved"]["changed"]


@pytest.mark.parametrize("platform_name", ["libvirt_test"], indirect=True, scope="session")
def test_vms_of_two_platforms_are_one_plan(platform, shim, tmp_path):
    other = PLATFORMS["proxmox"](prefix="pvc-")
    options = {"state": "started", "machines": [{"name": DB, "platform": "proxmox"}, {"name": WEB}]}
    with other.kept(), _play(platform, shim, tmp_path) as carry_out:
        other.clean()
        defaults = {"module_defaults": {**front_door.modules(platform), **front_door.modules(other)}}
        result_of = carry_out(
            _task("plan", options, check=True, register="planned", **defaults),
            _task("nothing approved", options, variables={VARIABLE: []}, **defaults),
            _task("a part", options, variables={VARIABLE: "{{ planned.vms | map(attribute='plan') }}"}, **defaults),
            _task("unexpected", {**options, "expect_plan": "plan-x"}, **defaults),
        )
        assert [label for label, result in result_of.items() if not result.get("failed")] == ["plan"]
        assert (platform.truth([WEB]), other.truth([DB])) == ({WEB: None}, {DB: None})
        texts = result_of["plan"]["ansible_stats"]["data"]["polyvirt_plans"]
        assert sorted(one["vm"] for one in texts) == [DB, WEB] and {one["plan"] for one in texts} == {
            result_of["plan"]["plan"]
        }
        result_of = carry_out(
            _task("plan", options, check=True, register="planned", **defaults),
            _task("approved", options, variables={VARIABLE: ["{{ planned.plan }}"]}, **defaults),
            _task("expected", {**options, "expect_plan": "{{ planned.plan }}"}, **defaults),
            _task("remove", {"name": WEB, "state": "absent", "stop_mode": "force"}),
            _task("drift", {**options, "expect_plan": "{{ planned.plan }}"}, **defaults),
        )
        assert [label for label, result in result_of.items() if result.get("failed")] == ["drift"]
        assert [result["changed"] for result in result_of.values()] == [True, True, False, True, False]
        other.clean()
