# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a guarded run does to VMs of an interrupted run is a part of its plan: nothing of it happens unapproved."""

from __future__ import annotations

import pytest
from ansible import context
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.decisions import GuardedVm, Outcome
from ansible_collections.polyvirt.core.plugins.plugin_utils.guarded.run import GuardedRun

WEB, DB = (GuardedVm("lab", "libvirt", name, f"u-{name}", (name,)) for name in ("web", "db"))
LEFT = {"name": "guarded-patch-job7", "description": "", "created": 1000}
VARIABLE = "polyvirt_approved_plans"


class Snapshots:
    """``left``: {vm: snapshots that it has}; ``done`` is what was changed."""

    def __init__(self, left, meanwhile=()):
        self.left, self.done, self.meanwhile = left, [], meanwhile

    def plan(self, vms, name, playbook):
        vm = {"state": "running"}
        return {one: {"changed": True, "vms": [{**vm, "snapshots": self.left.get(one, [])}]} for one in vms}

    def take(self, states, name, playbook):
        self._done("take", states)
        snapshots = [{"name": one} for one in (*self.meanwhile, name)]
        return {vm: {"vms": [{"snapshots": snapshots}]} for vm in states}

    def restore(self, snapshots):
        return self._done("restore", snapshots)

    def delete(self, snapshots):
        return self._done("delete", snapshots)

    def _done(self, what, vms):
        self.done += [(what, vm.name) for vm in vms]
        return {vm: {} for vm in vms}


class Child:
    def run(self, playbook):
        return Outcome(0)


def _run(approval, left, finish=None, playbook=None, where=("lab", "libvirt", "hv1"), check=False, **more):
    run = object.__new__(GuardedRun)
    run._options = {"finish": finish, "playbook": playbook, "restore": "failed"}
    run._approval, run._check, run._task_vars, run._where = approval, check, {}, [list(where)]
    run._snapshots = Snapshots(left, **more)
    try:
        run._run([WEB, DB], Child())
    except Refused as error:
        return run._snapshots.done, str(error)
    return run._snapshots.done, ""


def _plan(left, finish=None, playbook=None, **more):
    approval = Approval()
    _run(approval, left, finish, playbook, **more)
    return approval.plan


@pytest.fixture(name="playbook")
def _playbook(tmp_path):
    path = tmp_path / "patch.yml"
    path.write_text("[]", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("finish", ["restore", "keep"])
@pytest.mark.parametrize("has_playbook", [True, False])
@pytest.mark.parametrize("limited", [{"expected": "plan-x"}, {"expected": ""}, {"given": {VARIABLE: []}}])
def test_interrupted_run_is_not_finished_unapproved(finish, has_playbook, limited, playbook):
    done, error = _run(Approval(**limited), {WEB: [LEFT]}, finish, playbook if has_playbook else None)
    assert done == [] and "This plan was not approved" in error


@pytest.mark.parametrize("finish", ["restore", "keep"])
def test_interrupted_run_is_finished_as_approved(finish):
    left = {WEB: [LEFT]}
    plan = _plan(left, finish)
    done, error = _run(Approval({VARIABLE: [plan]}, plan), left, finish)
    restored = [("restore", "web")] if finish == "restore" else []
    assert (done, error) == ([*restored, ("delete", "web")], "")
    shown = Approval()
    _run(shown, left, finish)
    assert LEFT["name"] in str(shown.artifacts()["data"]["polyvirt_plans"])


def test_plan_depends_on_what_is_finished_and_where(playbook):
    later = {**LEFT, "created": 2000}
    plans = [
        *(_plan({WEB: [LEFT]}, finish, one) for finish in ("restore", "keep") for one in (None, playbook)),
        _plan({WEB: [later]}, "restore"),
        _plan({WEB: [LEFT, {**later, "name": "guarded-patch-job8"}]}, "restore"),
        _plan({DB: [LEFT]}, "restore"),
        _plan({WEB: [LEFT]}, "restore", where=("lab", "libvirt", "hv2")),
        _plan({}, None, playbook),
    ]
    assert None not in plans and len(set(plans)) == len(plans)
    # Without a snapshot of an interrupted run, finish does nothing.
    assert _plan({}, "restore", playbook) == _plan({}, None, playbook)
    assert _plan({}, "restore") == ""
    assert _run(Approval({VARIABLE: []}), {}, "restore") == ([], "")


@pytest.mark.parametrize("option", ["ask_pass", "become_ask_pass"])
def test_passwords_that_ansible_asked_for_are_rejected_with_the_options_to_use(option, playbook, monkeypatch):
    monkeypatch.setattr(context, "CLIARGS", {option: True})
    run = object.__new__(GuardedRun)
    run._options = {"finish": None, "playbook": playbook, "hosts": ["web"]}
    with pytest.raises(Refused, match=r"--connection-password-file.*Nothing was changed"):
        run._check_options()
    monkeypatch.setattr(context, "CLIARGS", {})
    run._check_options()


def test_run_that_meets_another_one_ends_before_it_changes_anything(playbook):
    """Both found no snapshot at their start, and took theirs in the same second."""
    other = "guarded-patch-20261125-170012-aaaa"
    done, error = _run(Approval(), {}, playbook=playbook, meanwhile=[other])
    assert done == [(what, vm) for what in ("take", "delete") for vm in ("web", "db")]
    assert f"web: the snapshot {other} was taken" in error and "Nothing was changed" in error
    done, error = _run(Approval(), {}, playbook=playbook)
    assert (done[:2], error) == ([("take", "web"), ("take", "db")], "")
