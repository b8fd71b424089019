# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of running VMs, moves of disks, and who stops whose shutdown."""

from __future__ import annotations

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.access import Account, User
from simulators.proxmox.gateway import Gateway

VM1 = "/nodes/pve1/qemu/100"


@pytest.fixture
def gateway():
    gateway = Gateway(worlds.with_cases())
    yield gateway
    assert gateway.world.tasks.crashes == []


def put(gateway, **params):
    answer = gateway.call("PUT", f"{VM1}/config", params)
    return answer.errors or answer.reason


def pending(gateway):
    entries = gateway.call("GET", f"{VM1}/pending").data
    return {
        entry["key"]: entry.get("pending", entry.get("delete"))
        for entry in entries
        if len(entry) > 2 or "value" not in entry
    }


@pytest.mark.parametrize("boot", ["order=scsi0", "order=net0;scsi0"])
def test_boot_disk_cannot_be_unplugged_and_its_deletion_waits(gateway, boot):
    gateway.world.cluster.machines[100].write(_with(gateway, boot=boot))
    assert put(gateway, delete="scsi0") == {"scsi0": "hotplug problem - can't unplug bootdisk 'scsi0'\n"}
    assert pending(gateway)["scsi0"] == 1
    gateway.finished(gateway.call("POST", f"{VM1}/status/stop").data)
    assert "scsi0" not in gateway.call("GET", f"{VM1}/config").data


def test_another_disk_of_a_running_vm_can(gateway):
    assert put(gateway, scsi1="local-lvm:1") == "OK"
    assert put(gateway, delete="scsi1") == "OK"
    assert pending(gateway) == {}


def _with(gateway, **options):
    config = gateway.world.cluster.machines[100].config
    config.current |= options
    return config


def test_earlier_pending_device_is_not_judged_again(gateway):
    assert list(put(gateway, net1="virtio,bridge=nope")) == ["net1"]
    assert put(gateway, serial1="socket") == "OK"
    assert put(gateway, description="x") == "OK"
    assert set(pending(gateway)) == {"net1", "serial1"}


def test_vlan_needs_a_port(gateway):
    gateway.world.cluster.bridges_without_port.add("vmbr1")
    assert put(gateway, net1="virtio,bridge=vmbr1,tag=7")["net1"].endswith("failed with status 65280\n")
    assert put(gateway, net2="virtio,bridge=vmbr0,tag=7") == "OK"


def move(gateway, **params):
    answer = gateway.call("POST", f"{VM1}/move_disk", {"disk": "scsi0", **params})
    return gateway.finished(answer.data).exitstatus if answer.status == 200 else answer.errors or answer.reason


def test_disk_moves_only_to_storages_that_can_be_used(gateway):
    assert move(gateway, storage="off") == "storage 'off' is disabled"
    assert move(gateway, storage="n2") == "storage 'n2' is not available on node 'pve1'"
    assert move(gateway, storage="isos") == {"storage": "storage 'isos' does not support vm images"}


def test_format_that_the_storage_lacks_is_replaced(gateway):
    assert move(gateway, storage="local-lvm", format="qcow2") == "OK"
    config = gateway.call("GET", f"{VM1}/config").data
    assert (config["scsi0"], config["unused0"]) == ("local-lvm:vm-100-disk-1,size=32G", "local-lvm:vm-100-disk-0")
    assert move(gateway, disk="unused0", storage="nfs") == "OK"
    assert gateway.call("GET", f"{VM1}/config").data["unused0"] == "nfs:100/vm-100-disk-0.raw"


def test_storages_in_lists_and_status(gateway):
    def names(**params):
        return {one["storage"] for one in gateway.call("GET", "/nodes/pve1/storage", params).data}

    assert {"off", "n2"} < names()
    assert not {"off", "n2"} & names(content="images")
    assert names(content="iso images") > {"isos", "local-lvm"}
    status = gateway.call("GET", "/nodes/pve1/storage/off/status").data
    assert (status["enabled"], status["active"], status["total"]) == (0, 0, 0)
    for path, params in (("/nodes/pve1/storage", {"storage": "nope"}), ("/nodes/pve1/storage/nope/status", {})):
        assert gateway.call("GET", path, params).errors == {"storage": "No such storage."}
    assert "shared" not in gateway.call("GET", "/storage/local").data


@pytest.mark.parametrize(("may_stop", "end"), [(False, "got timeout"), (True, "OK")])
def test_only_shutdowns_that_the_caller_may_stop_are_overruled(gateway, may_stop, end):
    world, alice = gateway.world, User("alice@pve")
    world.access.accounts[alice.userid] = Account("x")
    world.access.allow("/vms/100", alice.userid, "PVEVMUser")
    world.access.roles["Stop"] = frozenset({"Sys.Modify"})
    if may_stop:
        world.access.allow("/nodes", alice.userid, "Stop")
    world.cluster.machines[100].guest.stops_within = None
    shutdown = gateway.call("POST", f"{VM1}/status/shutdown").data
    running = gateway.call("GET", "/nodes/pve1/tasks", {"source": "active"}).data
    assert [(task["user"], task["saved"], "tokenid" in task) for task in running] == [("root@pam", "0", False)]
    stop = gateway.call("POST", f"{VM1}/status/stop", {"overrule-shutdown": 1}, alice).data
    assert gateway.finished(stop).exitstatus.endswith(end)
    assert world.cluster.machines[100].running is not may_stop
    assert (gateway.finished(shutdown).exitstatus == "received interrupt") is may_stop
