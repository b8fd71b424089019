# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option ``machines``: each entry overrides the options of the task and is validated like them."""

from __future__ import annotations

import time
from collections import defaultdict
from copy import deepcopy

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.options import option as shared
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import Connection
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.platform import Platform
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._front.machines import run_machines

from unit.toy_platform.driver import ToyDriver

TOY = Platform("toy", lacks={"os_type": "Omit it."}, per_driver=("native",))
OPTIONS = TOY.supported({**shared.VM, "folder": Connection(), "number": Connection("int", aliases=["no"])})
IMAGE = {"source": "/images/small.img", "linked": False}


class Tasks:
    """Tasks on platforms in memory, one for each folder. ``driver_params``: of each driver of the last task."""

    def __init__(self):
        self.folders, self.driver_params = defaultdict(dict), []

    @property
    def platform(self):
        """The VMs of the folder that tasks without the option ``folder`` use."""
        return self.folders[None]

    def names(self, folder=None):
        return sorted(vm["name"] for vm in self.folders[folder].values())

    def __call__(self, check=False, **options):
        defaults = {name: option.default for name, option in OPTIONS.items()}
        self.driver_params = []
        return run_machines({**defaults, "image": IMAGE, **options}, OPTIONS, TOY, self._driver, check, Approval())

    def _driver(self, params):
        self.driver_params.append(params)
        return ToyDriver(self.folders[params["folder"]])


@pytest.fixture
def run_task():
    return Tasks()


def _cpus(outcome):
    return {vm["name"]: vm["cpus"] for vm in outcome.vms}


def test_entries_override_options_of_the_task(run_task):
    outcome = run_task(name=["a", "b"], cpus=2, machines=[{"name": "c", "cpus": "3"}, {"name": ["d", "e"]}])
    assert (outcome.failed, outcome.changed) == (False, True)
    assert _cpus(outcome) == {"a": 2, "b": 2, "c": 3, "d": 2, "e": 2}
    assert [vm["name"] for vm in outcome.vms] == ["a", "b", "c", "d", "e"]
    assert len(run_task.driver_params) == 1
    again = run_task(cpus=2, machines=[{"name": "c", "cpus": 3}, {"name": "a"}])
    assert (again.changed, list(_cpus(again))) == (False, ["c", "a"])


def test_entries_support_short_forms_and_aliases(run_task):
    outcome = run_task(image=None, number=1, machines=[{"name": "a", "image": "/images/small.img", "no": 7}])
    assert not outcome.failed
    assert run_task.driver_params[0]["number"] == 7


def test_entry_with_a_list_instead_of_text_is_rejected(run_task):
    with pytest.raises(InvalidInput, match=r"machines\[1\] \(b\): description: it is a list\."):
        run_task(machines=[{"name": "a"}, {"name": "b", "description": ["text"]}])
    assert not run_task.names()


def test_source_of_an_entry_replaces_that_of_the_task(run_task):
    """The platform in memory lacks clones, and that is all that is wrong with the entry."""
    outcome = run_task(machines=[{"name": "a"}, {"name": "b", "clone": {"source": "a"}}])
    assert outcome.msg == "b: clone is not supported on toy. Omit the option."


def test_vms_of_two_drivers_are_returned_in_the_requested_order(run_task):
    outcome = run_task(folder="x", machines=[{"name": "a"}, {"name": "b", "folder": "y"}, {"name": "c"}])
    assert [one["folder"] for one in run_task.driver_params] == ["x", "y"]
    assert [vm["name"] for vm in outcome.vms] == ["a", "b", "c"]
    assert (run_task.names("x"), run_task.names("y")) == (["a", "c"], ["b"])
    rejected = run_task(folder="x", machines=[{"name": "d"}, {"name": "e", "folder": "y", "cpus": 5}])
    assert (rejected.failed, rejected.changed) == (True, False)
    assert (run_task.names("x"), run_task.names("y")) == (["a", "c"], ["b"])
    assert [vm["failed"] for vm in rejected.vms] == [False, True]


def test_driver_gets_options_that_any_vm_uses(run_task):
    run_task(machines=[{"name": "a"}, {"name": "b", "description": "text"}])
    assert [one["description"] for one in run_task.driver_params] == ["text"]


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"machines": [{"name": "a"}, {"cpus": 2}]}, ("machines[1]", "Neither name nor id")),
        ({"machines": []}, ("Neither name nor id",)),
        ({"machines": [{"name": "a", "cpu": 2}]}, ("machines[0] (a)", "cpu")),
        ({"machines": [{"name": "a", "quux": 2}]}, ("machines[0] (a): Unsupported parameters: quux. Supported",)),
        ({"machines": [{"name": "a", "cpus": "two"}]}, ("machines[0] (a)", "cpus", "int")),
        ({"machines": [{"name": "a", "cpus": 0}]}, ("cpus", "0")),
        ({"machines": [{"name": "a", "os_type": "x"}]}, ("machines[0] (a)", "os_type", "Omit it.")),
        ({"machines": [{"name": "a", "fleet": "x"}]}, ("machines[0] (a)", "fleet", "next to machines")),
        ({"machines": [{"name": "a", "machines": []}]}, ("machines[0] (a)", "next to machines")),
        ({"machines": [{"name": "a", "image": {"sauce": "x"}}]}, ("machines[0] (a)", "source")),
        ({"name": ["a"], "machines": [{"name": "a"}]}, ("a is listed twice",)),
        ({"machines": [{"name": "a", "id": "1"}, {"name": "a"}]}, ("a is listed twice",)),
        ({"machines": [{"name": "a"}], "prune": True}, ("prune", "fleet is not set")),
        ({"machines": [{"name": "a"}], "prune": True, "fleet": "web", "prune_max": -1}, ("prune_max", "-1")),
        ({"machines": [{"name": "a", "prune_max": 1}]}, ("machines[0] (a)", "prune_max", "next to machines")),
        ({"name": ["a"], "prune_stop_mode": "force"}, ("prune_stop_mode", "without prune", "Set prune: true")),
        ({"machines": [{"name": "a", "prune_stop_mode": "force"}]}, ("machines[0] (a)", "next to machines")),
        ({"name": ["a"], "prune_expired_for": "2h"}, ("prune_expired_for", "without prune", "Set prune: true")),
        (
            {"machines": [{"name": name, "networks": [{"type": "nat", "address": "10.0.0.2"}]} for name in "ab"]},
            ("b: networks[0].address", "10.0.0.2", "also that of a: networks[0].address"),
        ),
    ],
)
def test_invalid_entries_are_rejected_before_anything_is_read(run_task, options, texts):
    with pytest.raises(InvalidInput) as caught:
        run_task(**options)
    assert [text for text in texts if text not in str(caught.value)] == []
    assert (run_task.platform, run_task.driver_params) == ({}, [])


@pytest.mark.parametrize(
    "options",
    [
        {"port_forwards": [{"name": "ssh", "host_port": 2222, "guest_port": 22}]},
        {"networks": [{"type": "nat", "mac": "52:54:00:00:00:01"}]},
        {"disks": [{"source": "/x.img"}]},
    ],
    ids=["port", "mac", "file"],
)
def test_two_vms_may_name_what_only_one_of_them_uses(run_task, options):
    """Such as a port of VMs that do not run at the same time, or a MAC on two networks: the plans are compared."""
    outcome = run_task(machines=[{"name": name, **options} for name in ("vm0", "vm1")])
    # The toy platform supports none of them. That error of both VMs shows that the values were accepted.
    assert [vm["name"] for vm in outcome.vms if vm["failed"]] == ["vm0", "vm1"]


def test_surplus_vms_are_deleted_with_the_options_of_the_task(run_task):
    run_task(name=["a", "b", "c"], fleet="web", state="started")
    pruned = run_task(
        fleet="web", prune=True, stop_mode="force", machines=[{"name": "a", "stop_mode": "graceful"}, {"name": "b"}]
    )
    assert (pruned.failed, run_task.names()) == (False, ["a", "b"])
    assert [step["verb"] for step in pruned.vms[2]["steps"]] == ["kill", "delete"]


def test_surplus_vms_are_stopped_as_prune_stop_mode_says(run_task):
    """The other VMs of the task keep its stop_mode."""
    run_task(name=["a", "b"], fleet="web", state="started")
    pruned = run_task(name=["a"], fleet="web", prune=True, prune_max=1, prune_stop_mode="force", state="stopped")
    assert (pruned.failed, run_task.names()) == (False, ["a"]), pruned.msg
    assert [[step["verb"] for step in vm["steps"]] for vm in pruned.vms] == [["stop"], ["kill", "delete"]]


def test_only_expired_surplus_vms_are_deleted(run_task):
    """The other VMs of the task do not have to expire."""
    now = int(time.time())
    lease = {"fleet": "web", "controller_time": now}
    run_task(**lease, machines=[{"name": "a"}, {"name": "b", "expires": "0m"}, {"name": "c", "expires": "8h"}])
    pruned = run_task(**lease, name=["a"], prune=True, prune_expired_for="0m")
    assert (pruned.failed, run_task.names()) == (False, ["a", "c"]), pruned.msg


def test_surplus_vms_are_deleted_on_each_connection(run_task):
    for folder in "xyz":
        run_task(name=[f"{folder}1", f"{folder}2"], fleet="web", folder=folder)
    listed = [{"name": "x1"}, {"name": "y1", "folder": "y"}]
    pruned = run_task(fleet="web", prune=True, prune_max=2, folder="x", machines=listed)
    assert not pruned.failed
    assert [vm["name"] for vm in pruned.vms] == ["x1", "y1", "x2", "y2"]
    assert [run_task.names(folder) for folder in "xyz"] == [["x1"], ["y1"], ["z1", "z2"]]
    assert len(run_task.driver_params) == 2


def test_surplus_vms_are_deleted_by_a_driver_with_the_options_of_the_task(run_task):
    run_task(name=["a", "b"], fleet="web")
    listed = [{"name": "a", "native": {"of": "a"}}]
    run_task(fleet="web", prune=True, prune_max=1, native={"of": "the task"}, machines=listed)
    assert [one["native"] for one in run_task.driver_params] == [{"of": "a"}, {"of": "the task"}]


def test_surplus_vm_that_two_connections_find_is_deleted_once(run_task):
    run_task.folders["x"] = run_task.folders["y"]
    run_task(name=["a", "b", "c"], fleet="web", folder="x")
    pruned = run_task(fleet="web", prune=True, folder="x", machines=[{"name": "a"}, {"name": "b", "folder": "y"}])
    assert (pruned.failed, run_task.names("x")) == (False, ["a", "b"])
    assert [vm["name"] for vm in pruned.vms] == ["a", "b", "c"]


def _refused(run_task, **options):
    with pytest.raises(Refused) as caught:
        run_task(fleet="web", prune=True, **options)
    return str(caught.value)


def test_two_equal_parts_of_a_fleet_do_not_delete_each_other(run_task):
    """Two slices of a job of AWX: each lists the VMs of its own hosts."""
    run_task(name=["a", "b", "c", "d"], fleet="web")
    for names in (["a", "b"], ["c", "d"]):
        assert "set prune_max: 2" in _refused(run_task, name=names)
    assert run_task.names() == ["a", "b", "c", "d"]


@pytest.mark.parametrize("check", [True, False])
def test_more_surplus_vms_than_prune_max_are_rejected_before_anything_is_changed(run_task, check):
    run_task(name=["a", "b", "c"], fleet="web")
    before = deepcopy(run_task.platform)
    message = _refused(run_task, check=check, machines=[{"name": "a", "cpus": 2}, {"name": "new"}])
    assert "2 VMs of the fleet web are not listed" in message and "(b, c)" in message
    assert _refused(run_task, check=check, name=["a", "b"], prune_max=0).endswith("set prune_max: 1.")
    assert run_task.platform == before
    assert not run_task(name=["a"], fleet="web", prune=True, prune_max=2).failed
    assert run_task.names() == ["a"]


def test_vm_that_two_connections_find_counts_once_for_the_default_of_prune_max(run_task):
    run_task.folders["x"] = run_task.folders["y"]
    run_task(name=["a", "b", "c"], fleet="web", folder="x")
    assert "the 3 VMs" in _refused(run_task, folder="x", machines=[{"name": "a"}, {"name": "a2", "folder": "y"}])
    assert run_task.names("x") == ["a", "b", "c"]
