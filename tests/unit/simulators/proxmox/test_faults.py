# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the simulator can be told to let go wrong."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, worlds
from simulators.proxmox.access import User
from simulators.proxmox.errors import Dropped
from simulators.proxmox.faults import RequestFault
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations
from simulators.proxmox.storage import GIB, Volume

VM1, VM2 = "/nodes/pve1/qemu/100", "/nodes/pve2/qemu/101"
DISKS = {"vmid": 200, "scsi0": "local-lvm:8", "scsi1": "local-lvm:8"}


@pytest.fixture
def world():
    return worlds.with_cases()


@pytest.fixture
def gateway(world):
    return Gateway(world)


def test_a_task_fails_half_way_and_cleans_up_behind_itself(world, gateway):
    world.faults.task("qmcreate", "lvcreate failed", step=1)
    upid = gateway.call("POST", "/nodes/pve1/qemu", DISKS).data
    assert gateway.finished(upid).exitstatus == "unable to create VM 200 - lvcreate failed"
    assert 200 not in world.cluster.machines
    effects = [effect.text.split(" ")[0] for effect in world.journal.effects]
    assert effects == ["ALLOC", "FREE"]
    assert orphans(world) == []
    log = gateway.call("GET", f"/nodes/pve1/tasks/{upid}/log").data
    assert log[-1]["t"] == "TASK ERROR: unable to create VM 200 - lvcreate failed"


def test_warnings_do_not_let_a_task_fail(world, gateway):
    world.faults.task("qmstart", "something odd", warnings=2)
    upid = gateway.call("POST", f"{VM2}/status/start").data
    assert gateway.finished(upid).exitstatus == "WARNINGS: 2"
    assert world.cluster.machines[101].running


def test_a_task_that_is_stopped_says_so(world, gateway):
    upid = gateway.call("POST", "/nodes/pve1/qemu/9000/clone", {"newid": 300, "full": 1}).data
    world.engine.advance(0.5)
    assert gateway.call("DELETE", f"/nodes/pve1/tasks/{upid}").status == 200
    assert gateway.finished(upid).exitstatus.endswith("received interrupt")
    assert 300 not in world.cluster.machines
    assert orphans(world) == []


def test_a_full_storage_lets_the_creation_fail(world, gateway):
    world.faults.full_storages.add("local-lvm")
    upid = gateway.call("POST", "/nodes/pve1/qemu", DISKS).data
    assert "no space left" in gateway.finished(upid).exitstatus


@pytest.mark.parametrize("status", [401, 403, 500, 501, 595, 596, 599])
def test_an_answer_can_be_told_and_then_nothing_is_done(world, gateway, status):
    world.faults.request("reply", method="PUT", path=".*/config", status=status, reason="as it was told")
    refused = gateway.call("PUT", f"{VM1}/config", {"onboot": 1})
    assert (refused.status, refused.reason) == (status, "as it was told")
    assert "onboot" not in world.cluster.machines[100].text
    assert gateway.call("PUT", f"{VM1}/config", {"onboot": 1}).status == 200


def test_the_third_matching_request_can_be_chosen(world, gateway):
    world.faults.request("reply", path="/version", status=500, reason="no", skip=2)
    assert [gateway.call("GET", "/version").status for _number in range(4)] == [200, 200, 500, 200]


def test_a_connection_can_be_dropped_before_and_after_the_work(world, gateway):
    world.faults.request("reset", method="PUT", path=".*/config")
    with pytest.raises(Dropped):
        gateway.call("PUT", f"{VM1}/config", {"onboot": 1})
    assert "onboot" not in world.cluster.machines[100].text
    world.faults.request("reset_after", method="PUT", path=".*/config")
    with pytest.raises(Dropped):
        gateway.call("PUT", f"{VM1}/config", {"onboot": 1})
    assert "onboot: 1" in world.cluster.machines[100].text


def test_a_slow_answer_comes_late(world, gateway):
    world.faults.request("delay", path="/version", seconds=25)
    before = world.now
    assert gateway.call("GET", "/version").status == 200
    assert world.now - before == 25


def test_what_another_node_does_not_do_in_time_is_a_596_and_happens_all_the_same(world, gateway):
    world.timing.config = 40
    refused = gateway.call("PUT", f"{VM2}/config", {"onboot": 1})
    assert (refused.status, refused.reason, refused.body) == (596, "Connection timed out", None)
    assert "onboot" not in world.cluster.machines[101].text
    world.engine.advance(11)
    assert "onboot: 1" in world.cluster.machines[101].text


def test_a_node_that_is_gone_is_a_595_and_keeps_its_machines_listed(world, gateway):
    behind.node(world, "pve2", online=False)
    refused = gateway.call("GET", f"{VM2}/config")
    assert (refused.status, refused.reason, refused.body) == (595, "No route to host", None)
    listed = {entry.get("vmid"): entry for entry in gateway.call("GET", "/cluster/resources").data}
    assert (listed[101]["status"], listed[101]["name"]) == ("unknown", "web2")


def test_a_node_that_is_gone_itself_answers_nothing(world, gateway):
    behind.node(world, "pve1", online=False)
    with pytest.raises(Dropped):
        gateway.call("GET", "/version")


def test_without_quorum_nothing_is_written(world, gateway):
    for name in ("pve2", "pve3"):
        behind.node(world, name, online=False)
    assert gateway.call("PUT", f"{VM1}/config", {"onboot": 1}).reason == "cluster not ready - no quorum?"
    assert gateway.call("GET", f"{VM1}/config").status == 200


def test_an_unknown_node_has_no_address(gateway):
    refused = gateway.call("GET", "/nodes/foo/qemu")
    assert refused.reason.startswith("hostname lookup 'foo' failed - failed to get address info for: foo:")


def test_a_change_of_somebody_else_breaks_the_digest(world, gateway):
    digest = gateway.call("GET", f"{VM1}/config").data["digest"]
    behind.edit(world, 100, description="mine")
    refused = gateway.call("PUT", f"{VM1}/config", {"onboot": 1, "digest": digest})
    assert refused.reason == "checksum mismatch (file change by other user?)"


def test_a_lock_file_that_is_held_is_waited_for(world, gateway):
    behind.hold_file_lock(world, 100, 5)
    assert gateway.call("PUT", f"{VM1}/config", {"onboot": 1}).status == 200
    behind.hold_file_lock(world, 100, 15)
    assert "got timeout" in gateway.call("PUT", f"{VM1}/config", {"onboot": 0}).reason


def test_an_agent_may_answer_with_an_error(world, gateway):
    world.cluster.machines[100].guest.agent_error = "Command get-osinfo has been disabled"
    answer = gateway.call("GET", f"{VM1}/agent/get-osinfo")
    assert answer.data == {
        "result": {"error": {"class": "GenericError", "desc": "Command get-osinfo has been disabled"}}
    }


def test_what_a_request_cannot_be_told_is_refused():
    with pytest.raises(ValueError, match="it can: reply"):
        RequestFault("explode")


@pytest.mark.parametrize(
    ("storage", "base", "parent"),
    [
        ("local", "9000/base-9000-disk-0.raw", "../9000/base-9000-disk-0.raw"),
        ("zfs", "base-9000-disk-0", "base-9000-disk-0@__base__"),
        ("local-lvm", "base-9000-disk-0", None),
    ],
)
def test_template_with_linked_clones_is_deleted_only_on_lvm_thin(world, gateway, storage, base, parent):
    """As recorded: the clones on LVM-thin do not need their base, and the list of the storage does not name it."""
    place = world.storages.get(storage)
    place.volumes[place.key("pve1", base)] = Volume(8 * GIB, vmid=9000)
    behind.edit(world, 9000, scsi0=f"{storage}:{base},size=8G")
    upid = gateway.call("POST", "/nodes/pve1/qemu/9000/clone", {"newid": 300}).data
    assert gateway.finished(upid).exitstatus == "OK"
    listed = gateway.call("GET", f"/nodes/pve1/storage/{storage}/content", {"vmid": 300}).data
    assert listed[0].get("parent") == parent
    upid = gateway.call("DELETE", "/nodes/pve1/qemu/9000").data
    expected = f"base volume '{storage}:{base}' is still in use by linked cloned" if parent else "OK"
    assert gateway.finished(upid).exitstatus == expected
    assert violations(world) == []


@pytest.mark.parametrize("full", [0, 1])
def test_list_fails_if_a_vm_is_deleted_meanwhile(world, gateway, full):
    """Recorded as list_race."""
    world.engine.after(world.timing.listing / 2, lambda: behind.delete(world, 100))
    answer = gateway.call("GET", "/nodes/pve1/qemu", {"full": full})
    assert (answer.status, answer.reason) == (
        500,
        "Configuration file 'nodes/pve1/qemu-server/100.conf' does not exist",
    )
    assert [entry["vmid"] for entry in gateway.call("GET", "/nodes/pve1/qemu", {"full": full}).data] == [9000]


def test_nic_with_a_vlan_does_not_start_on_a_bridge_without_port(world, gateway):
    world.cluster.bridges_without_port.add("vmbr1")
    behind.edit(world, 101, net1="virtio=BC:24:11:00:00:09,bridge=vmbr1,tag=5")
    upid = gateway.call("POST", f"{VM2}/status/start").data
    assert "no physical interface on bridge 'vmbr1'" in gateway.finished(upid).exitstatus
    listed = gateway.call("GET", "/nodes/pve2/network", {"type": "any_bridge"}).data
    assert [(bridge["iface"], bridge["bridge_ports"]) for bridge in listed] == [("vmbr0", "eno1"), ("vmbr1", "")]


def test_zfs_goes_back_to_the_youngest_snapshot_only(world, gateway):
    gateway.call("PUT", f"{VM2}/config", {"scsi1": "zfs:1"})
    for name in ("first", "second"):
        gateway.finished(gateway.call("POST", f"{VM2}/snapshot", {"snapname": name}).data)

    def restored(name):
        return gateway.finished(gateway.call("POST", f"{VM2}/snapshot/{name}/rollback").data).exitstatus

    assert restored("first") == "can't rollback, 'first' is not most recent snapshot on 'vm-101-disk-0'"
    assert restored("second") == "OK"


def test_the_journal_counts_requests_and_tells_no_secret(world, gateway):
    gateway.call("PUT", f"{VM1}/config", {"cipassword": "geheim"})
    gateway.call("GET", f"{VM1}/config", user=User("root@pam"))
    assert (world.journal.count(), world.journal.count("GET")) == (2, 1)
    assert [entry.path for entry in world.journal.writes()] == [f"{VM1}/config"]
    assert "geheim" not in str(world.journal.requests)
