# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine permits if plans have to be approved."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import PolyvirtError, Stale
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Policy, Request
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task
from ansible_collections.polyvirt.core.plugins.module_utils._hosts import course as host_settings
from ansible_collections.polyvirt.core.plugins.module_utils._hosts.course import Step

from unit.module_utils._engine.world import GIB, Machine, World


class Interfered(World):
    """Somebody else changes a VM just before the first write."""

    def __init__(self, machine, meanwhile):
        super().__init__(machine)
        self._meanwhile = meanwhile

    def _configure(self, vm, step):
        if self._meanwhile:
            self.machines[0].config.update(self._meanwhile)
            self._meanwhile = None
            raise Stale("web: it was changed.", "Run the task again.")
        super()._configure(vm, step)


def _machine(power="stopped"):
    return Machine("web", "u-web", power, {"cpus": 2, "memory": 2 * GIB, "firmware": "bios", "description": ""})


def _requests(**config):
    policy = Policy(allow_restart=True, stop_mode="force")
    return [Request("web", config=config or {"firmware": "uefi"}, policy=policy)]


def _run(world, requests, approval=None, check=False):
    return task.run(world, requests, check, approval, clock=world.clock, probe=None)


def _approved(*plans):
    return Approval({"polyvirt_approved_plans": list(plans)})


def _planned(requests, machine=None):
    """The Approval of what check mode shows."""
    approval = Approval()
    _run(World(machine or _machine()), requests, approval, check=True)
    return _approved(approval.plan)


@pytest.mark.parametrize("check", [True, False])
def test_plan_that_was_not_approved_changes_nothing(check):
    world = World(_machine())
    outcome = _run(world, _requests(), _approved(), check)
    assert (outcome.failed, outcome.changed, outcome.diff, world.verbs()) == (True, False, [], [])
    assert [vm["plan"] for vm in outcome.vms] == [None]
    assert outcome.msg.startswith("web: This plan was not approved: plan-") and "firmware" in outcome.msg


def test_approved_plan_is_carried_out_and_keeps_its_digest():
    requests = _requests()
    world, approval = World(_machine()), _planned(requests)
    outcome = _run(world, requests, approval)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert approval.plan and outcome.vms[0]["plan"]
    again = _run(world, requests, _approved())
    assert (again.failed, again.changed, again.vms[0]["plan"]) == (False, False, "")


def test_plan_of_all_vms_is_one():
    requests = [*_requests(cpus=4), Request("db", state="started")]
    world = World(_machine(), Machine("db", "u-db", "stopped", {}))
    approval = Approval()
    _run(world, requests, approval, check=True)
    for part in _run(world, requests, check=True).vms:
        outcome = _run(world, requests, _approved(part["plan"]))
        assert (outcome.failed, world.verbs()) == (True, [])
    assert not _run(world, requests, _approved(approval.plan)).failed
    assert sorted(world.verbs()) == ["configure", "start"]


@pytest.mark.parametrize(
    ("meanwhile", "is_same"),
    [({"description": "other"}, True), ({"memory": GIB}, False), ({"firmware": "uefi"}, False)],
)
def test_vm_that_is_planned_again_must_have_the_approved_plan(meanwhile, is_same):
    requests = _requests(firmware="uefi", memory=2 * GIB)
    world = Interfered(_machine("running"), meanwhile)
    outcome = _run(world, requests, _planned(requests, _machine("running")))
    assert outcome.failed is not is_same, outcome.msg
    assert world.machines[0].power == "running"
    if not is_same:
        assert world.machines[0].config["memory"] == meanwhile.get("memory", 2 * GIB)
        assert "another plan than the one that was approved" in outcome.msg


class WithFiles(World):
    """``files``: {path: (version, identity)}."""

    def __init__(self, *machines, files):
        super().__init__(*machines)
        self.files = files

    def file_version(self, path, _plan):
        return self.files[path][0]

    def file_identity(self, path):
        return self.files[path][1]


@pytest.mark.parametrize(
    ("files", "is_same"),
    [({"/a": ([1], ["inode 1"])}, True), ({"/a": ([2], ["inode 1"])}, True), ({"/a": ([1], ["inode 2"])}, False)],
)
def test_vm_is_started_only_with_the_disk_that_was_approved(files, is_same):
    """A guest may have written to it meanwhile."""
    machine = Machine("web", "u-web", "stopped", {"disks": {"vda": {"source": "/a", "size": GIB}}})
    requests, approval = [Request("web", state="started")], Approval()
    world = WithFiles(machine, files={"/a": ([1], ["inode 1"])})
    _run(world, requests, approval, check=True)
    world.files = files
    assert _run(world, requests, _approved(approval.plan)).failed is not is_same
    assert world.verbs() == (["start"] if is_same else [])


class Host:
    """A host with settings; the second round shows more that differs than the first one."""

    transient = ()

    def __init__(self, later=()):
        self.state, self.later, self.applied = {"a": 0}, dict(later), []

    def read(self):
        return dict(self.state)

    def plan(self, state):
        return [Step(key, value, 1) for key, value in sorted(state.items()) if value != 1]

    def apply(self, steps):
        self.applied += [step.key for step in steps]
        self.state.update({step.key: 1 for step in steps}, **self.later)
        self.later = {}

    def facts(self, state, steps):
        return {}


def test_settings_of_a_host_are_changed_only_as_approved():
    approval, host = Approval(), Host()
    host_settings.run(host, True, approval)
    with pytest.raises(PolyvirtError, match="not approved"):
        host_settings.run(host, False, _approved("plan-other"))
    assert host.applied == []
    assert host_settings.run(host, False, _approved(approval.plan))["changed"]
    assert not host_settings.run(host, False, _approved())["changed"]


def test_setting_that_differs_only_later_was_not_approved():
    approval = Approval()
    host_settings.run(Host(), True, approval)
    host = Host(later={"b": 0})
    result = host_settings.run(host, False, _approved(approval.plan))
    assert (result["failed"], host.applied) == (True, ["a"])
    assert host_settings.run(Host(later={"b": 0}), False, Approval())["changed"]
