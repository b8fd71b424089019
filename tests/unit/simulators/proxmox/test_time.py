# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes time on the simulated cluster, and what is old news there."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans

VM1, VM2 = "/nodes/pve1/qemu/100", "/nodes/pve2/qemu/101"


@pytest.fixture
def world():
    return worlds.with_cases()


@pytest.fixture
def gateway(world):
    return Gateway(world)


def listed(gateway, vmid):
    return next(entry for entry in gateway.call("GET", "/cluster/resources").data if entry.get("vmid") == vmid)


def ended(gateway, upid):
    """The exit status of a task, and the seconds until it stood."""
    task = gateway.finished(upid)
    return task.exitstatus, round(task.ended - task.began, 1)


def status(gateway, upid):
    return gateway.call("GET", f"/nodes/{upid.split(':')[1]}/tasks/{upid}/status").data


def test_a_task_runs_for_its_time_and_is_told_as_running_until_then(world, gateway):
    upid = gateway.call("POST", f"{VM2}/status/start").data
    assert status(gateway, upid)["status"] == "running"
    assert "exitstatus" not in status(gateway, upid)
    world.engine.advance(world.timing.start)
    assert (status(gateway, upid)["status"], status(gateway, upid)["exitstatus"]) == ("stopped", "OK")


def test_the_statistics_lag_while_the_status_of_one_machine_is_fresh(world, gateway):
    world.engine.advance(1)
    ended(gateway, gateway.call("POST", f"{VM2}/status/start").data)
    assert gateway.call("GET", f"{VM2}/status/current").data["status"] == "running"
    assert listed(gateway, 101)["status"] == "stopped"
    world.engine.advance(world.timing.statistics)
    assert listed(gateway, 101)["status"] == "running"


def test_a_new_machine_has_no_name_in_the_statistics_at_first_but_in_its_nodes_list(world, gateway):
    upid = gateway.call("POST", "/nodes/pve3/qemu", {"vmid": 200, "name": "new", "tags": "a"}).data
    assert listed(gateway, 200)["lock"] == "create"
    ended(gateway, upid)
    assert "name" not in listed(gateway, 200)
    assert (listed(gateway, 200)["status"], listed(gateway, 200)["tags"]) == ("unknown", "a")
    assert [entry["name"] for entry in gateway.call("GET", "/nodes/pve3/qemu").data] == ["new"]
    world.engine.advance(world.timing.statistics)
    assert listed(gateway, 200)["name"] == "new"


def test_frozen_statistics_stay_as_they_are(world, gateway):
    world.faults.statistics_frozen = True
    behind.power(world, 100, on=False)
    world.engine.advance(60)
    assert listed(gateway, 100)["status"] == "running"


def test_a_creation_with_start_ends_before_the_machine_runs(world, gateway):
    upid = gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200, "scsi0": "local-lvm:8", "start": 1}).data
    assert ended(gateway, upid) == ("OK", world.timing.create + world.timing.create_disk)
    assert gateway.call("GET", "/nodes/pve1/qemu/200/status/current").data["status"] == "stopped"
    world.engine.advance(world.timing.start)
    assert gateway.call("GET", "/nodes/pve1/qemu/200/status/current").data["status"] == "running"
    assert [task["type"] for task in gateway.call("GET", "/nodes/pve1/tasks", {"vmid": 200}).data] == [
        "qmstart",
        "qmcreate",
    ]


def test_a_failed_start_of_a_new_machine_is_only_in_the_starts_task(world, gateway):
    world.faults.task("qmstart", "the emulator did not come up")
    upid = gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200, "start": 1}).data
    assert ended(gateway, upid)[0] == "OK"
    world.engine.advance(5)
    tasks = {task["type"]: task["status"] for task in gateway.call("GET", "/nodes/pve1/tasks", {"vmid": 200}).data}
    assert tasks == {"qmcreate": "OK", "qmstart": "the emulator did not come up"}


def test_a_guest_goes_down_in_its_own_time(world, gateway):
    assert ended(gateway, gateway.call("POST", f"{VM1}/status/shutdown").data) == ("OK", 5.0)
    assert not world.cluster.machines[100].running


def test_a_guest_that_ignores_the_button_lets_the_shutdown_fail(world, gateway):
    world.cluster.machines[100].guest.stops_within = None
    upid = gateway.call("POST", f"{VM1}/status/shutdown", {"timeout": 10}).data
    assert ended(gateway, upid) == ("VM quit/powerdown failed - got timeout", 10.0)
    assert world.cluster.machines[100].running


def test_with_force_the_same_guest_is_cut_off(world, gateway):
    world.cluster.machines[100].guest.stops_within = None
    upid = gateway.call("POST", f"{VM1}/status/shutdown", {"timeout": 10, "forceStop": 1}).data
    assert ended(gateway, upid)[0] == "OK"
    assert not world.cluster.machines[100].running


def test_a_late_guest_goes_down_after_the_shutdown_failed(world, gateway):
    world.cluster.machines[100].guest.stops_within = 15
    upid = gateway.call("POST", f"{VM1}/status/shutdown", {"timeout": 10}).data
    assert ended(gateway, upid)[0] == "VM quit/powerdown failed - got timeout"
    world.engine.advance(6)
    assert not world.cluster.machines[100].running


def test_a_guest_that_still_boots_does_not_hear_the_button(world, gateway):
    ended(gateway, gateway.call("POST", f"{VM2}/status/start").data)
    upid = gateway.call("POST", f"{VM2}/status/shutdown", {"timeout": 3}).data
    assert ended(gateway, upid)[0] == "VM quit/powerdown failed - got timeout"


def test_a_shutdown_holds_the_lock_file_and_others_give_up(world, gateway):
    world.cluster.machines[100].guest.stops_within = None
    gateway.call("POST", f"{VM1}/status/shutdown")
    refused = gateway.call("PUT", f"{VM1}/config", {"onboot": 1})
    assert (refused.status, refused.reason) == (
        500,
        "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
    )


def test_a_stop_that_overrules_ends_the_shutdown(world, gateway):
    world.cluster.machines[100].guest.stops_within = None
    shutdown = gateway.call("POST", f"{VM1}/status/shutdown").data
    stop = gateway.call("POST", f"{VM1}/status/stop", {"overrule-shutdown": 1}).data
    assert ended(gateway, stop)[0] == "OK"
    assert world.tasks.get(shutdown).exitstatus == "received interrupt"
    assert not world.cluster.machines[100].running


def test_after_a_reboot_the_machine_runs_again_only_when_the_task_is_over(world, gateway):
    gateway.call("PUT", f"{VM1}/config", {"memory": 4096})
    assert ended(gateway, gateway.call("POST", f"{VM1}/status/reboot").data)[0] == "OK"
    assert not world.cluster.machines[100].running
    world.engine.advance(world.timing.reboot_start)
    assert world.cluster.machines[100].running
    assert gateway.call("GET", f"{VM1}/config", {"current": 1}).data["memory"] == "4096"


def test_memory_is_kept_on_disk_and_comes_back(world, gateway):
    assert ended(gateway, gateway.call("POST", f"{VM1}/status/suspend", {"todisk": 1}).data) == ("OK", 2.0)
    current = gateway.call("GET", f"{VM1}/status/current").data
    assert (current["status"], current["lock"]) == ("stopped", "suspended")
    assert ended(gateway, gateway.call("POST", f"{VM1}/status/resume").data)[0] == "OK"
    current = gateway.call("GET", f"{VM1}/status/current").data
    assert current["status"] == "running" and "lock" not in current


def test_a_paused_machine_runs_as_far_as_its_status_goes(world, gateway):
    ended(gateway, gateway.call("POST", f"{VM1}/status/suspend").data)
    current = gateway.call("GET", f"{VM1}/status/current").data
    assert (current["status"], current["qmpstatus"]) == ("running", "paused")
    ended(gateway, gateway.call("POST", f"{VM1}/status/resume").data)
    assert gateway.call("GET", f"{VM1}/status/current").data["qmpstatus"] == "running"


def test_the_agent_answers_some_time_after_the_start_and_each_try_before_blocks(world, gateway):
    ended(gateway, gateway.call("POST", f"{VM2}/status/start").data)
    before = world.now
    refused = gateway.call("POST", f"{VM2}/agent/ping")
    assert (refused.status, refused.reason) == (500, "QEMU guest agent is not running")
    assert world.now - before >= world.timing.agent_ping
    world.engine.advance(world.cluster.machines[101].guest.agent_after)
    assert gateway.call("POST", f"{VM2}/agent/ping").data == {"result": {}}


def test_the_agent_tells_the_address_that_cloud_init_was_given(world, gateway):
    gateway.call("PUT", f"{VM1}/config", {"ipconfig0": "ip=10.0.0.5/24", "net1": "virtio,bridge=vmbr1"})
    cards = gateway.call("GET", f"{VM1}/agent/network-get-interfaces").data["result"]
    told = {card["name"]: [entry["ip-address"] for entry in card.get("ip-addresses", ())] for card in cards}
    assert told == {"lo": ["127.0.0.1"], "eth0": ["10.0.0.5", "fe80::64"], "eth1": []}
    world.cluster.machines[100].guest.addresses = ()
    cards = gateway.call("GET", f"{VM1}/agent/network-get-interfaces").data["result"]
    assert all("ip-addresses" not in card for card in cards[1:])


def test_a_lock_of_somebody_else_goes_after_its_time(world, gateway):
    behind.lock(world, 100, "backup", seconds=20)
    assert gateway.call("PUT", f"{VM1}/config", {"onboot": 1}).reason == "VM is locked (backup)"
    world.engine.advance(20)
    assert gateway.call("PUT", f"{VM1}/config", {"onboot": 1}).status == 200


def test_twenty_clones_at_once_take_as_long_as_one(world, gateway):
    began = world.now
    upids = [gateway.call("POST", "/nodes/pve1/qemu/9000/clone", {"newid": 300 + number}).data for number in range(20)]
    assert {ended(gateway, upid)[0] for upid in upids} == {"OK"}
    assert world.now - began < 2 * world.timing.clone_linked + 0.5


def test_of_two_clones_of_a_running_machine_one_does_not_get_the_lock_file(world, gateway):
    upids = [gateway.call("POST", f"{VM1}/clone", {"newid": number, "full": 1}).data for number in (300, 301)]
    assert [ended(gateway, upid)[0] for upid in upids] == [
        "OK",
        "can't lock file '/var/lock/qemu-server/lock-100.conf' - got timeout",
    ]
    assert 301 not in world.cluster.machines
    assert orphans(world) == []


def test_two_creations_with_one_number_leave_one_machine(world, gateway):
    first = gateway.call("POST", "/nodes/pve1/qemu", {"vmid": 200, "name": "a"})
    second = gateway.call("POST", "/nodes/pve2/qemu", {"vmid": 200, "name": "b"})
    assert (first.status, second.status) == (200, 500)
    assert second.reason == "unable to create VM 200 - VM 200 already exists on node 'pve1'"
