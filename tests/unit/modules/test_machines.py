# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Option ``machines``: each entry overrides the options of the task and is validated like them."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._front.machines import run_machines
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle import options as shared
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.options import (
    Connection,
    Platform,
)

from unit.toy_platform.driver import ToyDriver

TOY = Platform("toy", lacks={"os_type": "Omit it."}, per_driver=("native",))
OPTIONS = TOY.supported({**shared.VM, "folder": Connection(), "number": Connection("int", aliases=["no"])})
IMAGE = {"source": "/images/small.img", "linked": False}


class Tasks:
    """Tasks on a platform in memory. ``driver_params`` are the parameters of each driver of the last task."""

    def __init__(self):
        self.platform, self.driver_params = {}, []

    def __call__(self, check=False, **options):
        defaults = {name: option.default for name, option in OPTIONS.items()}
        self.driver_params = []
        return run_machines({**defaults, "image": IMAGE, **options}, OPTIONS, TOY, self._driver, check)

    def _driver(self, params):
        self.driver_params.append(params)
        return ToyDriver(self.platform)


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


def test_vms_of_two_drivers_are_returned_in_the_requested_order(run_task):
    outcome = run_task(folder="x", machines=[{"name": "a"}, {"name": "b", "folder": "y"}, {"name": "c"}])
    assert [one["folder"] for one in run_task.driver_params] == ["x", "y"]
    assert [vm["name"] for vm in outcome.vms] == ["a", "b", "c"]
    assert len(run_task.platform) == 3
    rejected = run_task(machines=[{"name": "d"}, {"name": "e", "folder": "y", "cpus": 5}])
    assert (rejected.failed, rejected.changed, len(run_task.platform)) == (True, False, 3)
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
        ({"machines": [{"name": "a", "cpus": "two"}]}, ("machines[0] (a)", "cpus", "two")),
        ({"machines": [{"name": "a", "cpus": 0}]}, ("cpus", "0")),
        ({"machines": [{"name": "a", "os_type": "x"}]}, ("machines[0] (a)", "os_type", "Omit it.")),
        ({"machines": [{"name": "a", "fleet": "x"}]}, ("machines[0] (a)", "fleet", "beside machines")),
        ({"machines": [{"name": "a", "machines": []}]}, ("machines[0] (a)", "beside machines")),
        ({"machines": [{"name": "a", "image": {"sauce": "x"}}]}, ("machines[0] (a)", "source")),
        ({"name": ["a"], "machines": [{"name": "a"}]}, ("a is listed twice",)),
        ({"machines": [{"name": "a"}], "prune": True}, ("prune", "fleet is not set")),
        (
            {"machines": [{"name": name, "disks": [{"source": "/x.img"}]} for name in "ab"]},
            ("b: disks", "/x.img", "also that of a: disks"),
        ),
    ],
)
def test_invalid_entries_are_rejected_before_anything_is_read(run_task, options, texts):
    with pytest.raises(InvalidInput) as caught:
        run_task(**options)
    assert [text for text in texts if text not in str(caught.value)] == []
    assert (run_task.platform, run_task.driver_params) == ({}, [])


def test_two_vms_cannot_forward_the_same_host_port(run_task):
    def machines(*rules):
        return [{"name": f"vm{place}", "port_forwards": [rule]} for place, rule in enumerate(rules)]

    ssh = {"name": "ssh", "host_port": 2222, "guest_port": 22}
    with pytest.raises(InvalidInput, match="2222 is also that of vm0"):
        run_task(machines=machines(ssh, {**ssh, "name": "web"}))
    # The toy platform supports no port forwards. That error of both VMs shows that the ports were accepted.
    outcome = run_task(machines=machines(ssh, {**ssh, "protocol": "udp"}))
    assert [vm["name"] for vm in outcome.vms if vm["failed"]] == ["vm0", "vm1"]
