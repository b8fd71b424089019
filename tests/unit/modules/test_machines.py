# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``machines``: each entry is checked as the options of a task are, and overrides them."""

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


class Carried:
    """Tasks on one platform in memory; ``made`` are the parameters of the drivers of the last one."""

    def __init__(self):
        self.platform, self.made = {}, []

    def __call__(self, check=False, **given):
        defaults = {name: option.default for name, option in OPTIONS.items()}
        self.made = []
        return run_machines({**defaults, "image": IMAGE, **given}, OPTIONS, TOY, self._driver, check)

    def _driver(self, params):
        self.made.append(params)
        return ToyDriver(self.platform)


@pytest.fixture
def carried():
    return Carried()


def _cpus(outcome):
    return {vm["name"]: vm["cpus"] for vm in outcome.vms}


def test_entries_override_the_task_one_by_one(carried):
    outcome = carried(name=["a", "b"], cpus=2, machines=[{"name": "c", "cpus": "3"}, {"name": ["d", "e"]}])
    assert (outcome.failed, outcome.changed) == (False, True)
    assert _cpus(outcome) == {"a": 2, "b": 2, "c": 3, "d": 2, "e": 2}
    assert [vm["name"] for vm in outcome.vms] == ["a", "b", "c", "d", "e"]
    assert len(carried.made) == 1
    again = carried(cpus=2, machines=[{"name": "c", "cpus": 3}, {"name": "a"}])
    assert (again.changed, list(_cpus(again))) == (False, ["c", "a"])


def test_short_forms_and_aliases_hold_in_an_entry(carried):
    outcome = carried(image=None, number=1, machines=[{"name": "a", "image": "/images/small.img", "no": 7}])
    assert not outcome.failed
    assert carried.made[0]["number"] == 7


def test_vms_that_need_two_drivers_are_one_task_in_the_order_asked(carried):
    outcome = carried(folder="x", machines=[{"name": "a"}, {"name": "b", "folder": "y"}, {"name": "c"}])
    assert [one["folder"] for one in carried.made] == ["x", "y"]
    assert [vm["name"] for vm in outcome.vms] == ["a", "b", "c"]
    assert len(carried.platform) == 3
    refused = carried(machines=[{"name": "d"}, {"name": "e", "folder": "y", "cpus": 5}])
    assert (refused.failed, refused.changed, len(carried.platform)) == (True, False, 3)
    assert [vm["failed"] for vm in refused.vms] == [False, True]


def test_a_driver_is_told_of_options_that_any_vm_uses(carried):
    carried(machines=[{"name": "a"}, {"name": "b", "description": "text"}])
    assert [one["description"] for one in carried.made] == ["text"]


@pytest.mark.parametrize(
    ("given", "words"),
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
def test_bad_entries_are_rejected_before_anything_is_read(carried, given, words):
    with pytest.raises(InvalidInput) as caught:
        carried(**given)
    assert [word for word in words if word not in str(caught.value)] == []
    assert (carried.platform, carried.made) == ({}, [])


def test_one_port_of_the_host_serves_one_vm(carried):
    def machines(*rules):
        return [{"name": f"vm{place}", "port_forwards": [rule]} for place, rule in enumerate(rules)]

    ssh = {"name": "ssh", "host_port": 2222, "guest_port": 22}
    with pytest.raises(InvalidInput, match="2222 is also that of vm0"):
        carried(machines=machines(ssh, {**ssh, "name": "web"}))
    # The toy platform has no forwards, and says so of each VM: both got there.
    outcome = carried(machines=machines(ssh, {**ssh, "protocol": "udp"}))
    assert [vm["name"] for vm in outcome.vms if vm["failed"]] == ["vm0", "vm1"]
