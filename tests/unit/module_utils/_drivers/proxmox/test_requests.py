# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of requests: one for the cluster, one for each node, one for the settings of each VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import ProxmoxObserver
from ansible_collections.polyvirt.core.plugins.modules import proxmox_vm

from simulators.proxmox import behind, worlds
from unit.module_utils._drivers.proxmox.simulated import defaults, do, driver_of

NODES = 3
#: Requests before the first step of a task: quorum of the cluster, permissions of the account; before a start also the
#: bridges of the node.
BEFORE = 2
SETTINGS = {"memory": "2048", "cpus": 2, "tags": [], "disks": [{"slot": "scsi0", "size": "32G"}], "networks": [{}]}


def _names(count):
    return [f"vm-{number + 1:03}" for number in range(count)]


def _requests(world):
    """(number of requests, number of those about tasks) since the last call of this function."""
    requests = world.journal.requests
    looks = sum("/tasks/" in entry.path for entry in requests)
    count = len(requests)
    world.journal.clear()
    return count - looks, looks


@pytest.mark.parametrize("count", [20, 200])
def test_nothing_to_do_with_all_settings_compared(count):
    world = worlds.with_many(count)
    outcome = do(world, name=_names(count), **SETTINGS)
    assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    assert _requests(world) == (1 + NODES + count, 0)


def test_a_list_of_a_thousand_vms_takes_two_requests():
    """Names and states are from the last broadcast; an offline node is not an error."""
    world = worlds.with_many(1000)
    world.cluster.nodes["pve3"].online = False
    observation = driver_of(world).observe(None, frozenset({"list"}))
    assert _requests(world) == (1, 0)
    states = [vm.power for vm in observation.vms]
    assert (len(states), states.count("running") > 300, states.count("unknown")) == (1000, True, 333)
    assert all(vm.reason for vm in observation.vms if vm.power == "unknown")


def test_counters_need_no_further_request():
    world = worlds.with_many(20)
    driver = driver_of(world, kind=ProxmoxObserver)
    vms = driver.observe(None, frozenset({"power", "unfinished", "counters"})).vms
    assert _requests(world) == (1 + NODES, 0)
    running, stopped = ([vm.counters for vm in vms if vm.power == power] for power in ("running", "stopped"))
    assert {(one.memory_used, one.uptime) for one in running} == {(1 << 30, 3600)}
    assert {(one.memory_used, one.uptime) for one in stopped} == {(None, None)}


def test_changes_by_others_are_found_without_further_requests():
    world = worlds.with_many(20)
    world.faults.statistics_frozen = True
    behind.power(world, 101, on=True)
    behind.edit(world, 110, memory="1024")
    outcome = do(world, name=_names(20), check=True, state="started", **SETTINGS)
    assert _requests(world)[0] == 1 + NODES + 20 + BEFORE + NODES
    states = {vm["name"]: [step["verb"] for step in vm["steps"]] for vm in outcome.vms}
    assert states["vm-002"] == []
    assert states["vm-004"] == ["start"]
    assert states["vm-011"] == ["configure"]


@pytest.mark.parametrize("facets", [{"power"}, {"power", "config"}])
def test_power_of_all_vms_needs_one_call_and_one_for_each_node(facets):
    world = worlds.with_many(200)
    driver = driver_of(world, kind=ProxmoxObserver)
    for targets in (None, [Target(name=name) for name in _names(200)]):
        assert len(driver.observe(targets, frozenset(facets)).vms) == 200
        assert _requests(world) == (1 + NODES + (200 if "config" in facets else 0), 0)


def test_only_vms_with_a_power_change_are_read():
    world = worlds.with_many(20)
    assert do(world, name=_names(20)[:4], state="started", check=True).changed
    assert _requests(world) == (1 + NODES + 2 + BEFORE + 2, 0)


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        # Read, write, check the result, and read everything again at the end, with snapshots.
        ({"name": "web2", "state": "started"}, 12 + BEFORE),
        ({"name": "web1", "memory": "4096"}, 12 + BEFORE),
        ({"name": "web1", "state": "absent", "stop_mode": "force", "delete_disks": "all"}, 18 + BEFORE),
    ],
)
def test_requests_of_a_change(options, calls):
    world = worlds.with_cases()
    assert do(world, **options).changed
    assert _requests(world)[0] <= calls


def test_long_lock_is_polled_less_and_less_often():
    """A backup takes minutes; the driver notices the end of the lock within a few seconds."""
    world = worlds.with_cases()
    behind.lock(world, 101, "backup", seconds=200)
    began = world.engine.clock.now
    assert do(world, name="web2", state="started").changed
    assert world.engine.clock.now - began < 210
    assert _requests(world)[0] <= 3 * 200 / 5 + 30


def _params(**given):
    own = {"api_host": "pve1", "api_user": "root@pam", "api_token_id": "t", "api_token_secret": "s"}
    return {**defaults(proxmox_vm), "name": ["web1"], **own, **given}


@pytest.mark.parametrize(
    ("given", "reads_settings"),
    [
        ({"state": "started"}, False),
        ({"state": "stopped", "stop_mode": "force", "timeout": 5}, False),
        ({"state": "started", "memory": "2G"}, True),
        ({"state": "started", "native": {}}, True),
        ({"state": "started", "clone": {"source": "tmpl"}}, True),
        ({"state": "started", "allow_restart": True}, True),
        ({"state": "present"}, True),
        ({"state": "absent"}, True),
    ],
)
def test_options_decide_whether_the_settings_of_vms_are_read(given, reads_settings):
    assert make_driver(_params(**given)).sees_settings == reads_settings
