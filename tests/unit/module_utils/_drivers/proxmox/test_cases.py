# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the driver on the simulated cluster: which requests are made, and the result."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import ProxmoxObserver

from simulators.proxmox import behind, worlds
from unit.module_utils._drivers.proxmox.disturbed import before_request
from unit.module_utils._drivers.proxmox.simulated import (
    POWER_ONLY,
    Api,
    applied,
    do,
    do_snapshot,
    driver_of,
    machine_of,
    rejected,
    unchanged,
)

DISK = {"slot": "scsi0", "size": "32G"}


def _writes(world):
    """(method, end of the path) of all requests that write since the last call of this function."""
    found = [(one.method, one.path.removeprefix("/nodes/")) for one in world.journal.writes()]
    world.journal.clear()
    return found


def _fails(outcome, *words):
    assert outcome.failed
    for word in words:
        assert word in outcome.msg


def test_power_state_is_read_from_the_node_not_from_the_cluster(world):
    """The cluster's list still shows the VM as stopped."""
    world.faults.statistics_frozen = True
    do(world, name="web2", state="started")
    unchanged(world, name="web2", state="started")
    behind.power(world, 101, on=False)
    assert do(world, name="web2", state="started").changed


def test_guest_that_ignores_a_shutdown_keeps_running(world):
    world.cluster.machines[100].guest.stops_within = None
    outcome = do(world, name="web1", state="stopped", stop_mode="graceful", stop_timeout=25)
    _fails(outcome, "web1", "running", "stop_timeout", "graceful_then_force")
    assert _writes(world) == [("POST", "pve1/qemu/100/status/shutdown")] * 3
    assert world.cluster.machines[100].running


NEW = {"name": "web3", "memory": "2048", "disks": [DISK], "tags": ["Web", "prod"], "node": "pve1"}


def test_vm_is_created_with_all_requested_options(world):
    outcome = do(world, **NEW, networks=[{"model": "virtio", "source": "vmbr0"}])
    assert not outcome.failed, outcome.msg
    assert [method for method, _path in _writes(world)] == ["POST", "PUT"]  # Created, and mark completed.
    options = machine_of(world, "web3").config.current
    assert options["scsi0"] == "local-lvm:vm-102-disk-0,size=32G"
    assert (options["memory"], options["tags"], options["boot"]) == ("2048", "prod;web", "order=scsi0;ide2;net0")
    unchanged(world, **NEW, networks=[{"model": "virtio", "source": "vmbr0"}])


def test_nic_keeps_its_mac_and_all_other_sub_keys(world):
    behind.edit(world, 100, net0="virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,rate=10")
    unchanged(world, name="web1", networks=[{"type": "bridged", "source": "vmbr0", "model": "virtio"}])
    assert do(world, name="web1", networks=[{"source": "vmbr1"}]).changed
    assert len(_writes(world)) == 1
    changed = "virtio=BC:24:11:00:00:01,bridge=vmbr1,firewall=1,rate=10"
    assert world.cluster.machines[100].config.current["net0"] == changed
    assert not [effect for effect in world.journal.effects if "PLUG" in effect.text]


def test_disk_grows_and_is_never_created_twice(world):
    volumes = len(world.storages.get("local-lvm").volumes)
    grown = {"name": "web1", "disks": [{"slot": "scsi0", "size": "40G"}]}
    assert do(world, **grown).changed
    assert _writes(world) == [("PUT", "pve1/qemu/100/resize")]
    assert len(world.storages.get("local-lvm").volumes) == volumes
    unchanged(world, **grown)
    _fails(do(world, name="web1", disks=[{"slot": "scsi0", "size": "20G"}]), "web1", "40G", "20G", "shrunk")
    assert _writes(world) == []


def test_clone_on_another_node_needs_shared_disks(world):
    words = ("web5", "'tmpl'", "pve2", "not shared", "move the clone")
    rejected(world, *words, name="web5", clone={"source": "tmpl"}, node="pve2")


@pytest.mark.parametrize(("options", "with_memory"), [({}, True), ({"include_memory": False}, False)])
def test_snapshot_of_a_running_vm_includes_its_memory_by_default(world, options, with_memory):
    do_snapshot(world, name="web1", snapshot="s1", **options)
    assert ("vmstate" in world.cluster.machines[100].config.snapshots["s1"]) == with_memory


def test_start_by_high_availability_is_waited_for(world):
    world.cluster.machines[101].ha = True
    outcome = do(world, name="web2", state="started")
    assert not outcome.failed, outcome.msg
    assert world.cluster.machines[101].running
    world.engine.advance(60)
    assert world.cluster.machines[101].starts == 1


def test_unfinished_vm_is_hidden_but_can_be_deleted(world):
    """Alone, it does not count as an existing VM, but can be deleted; beside a finished one it is reported, and deleted
    by its VMID.
    """
    left = '#<!-- polyvirt {"id":"%d","unfinished":true,"v":1} -->\n'
    for vmid, name in ((200, "alone"), (201, "web2")):
        worlds.add_machine(world, vmid, "pve1", {"name": name})
        world.cluster.machines[vmid].text = left % vmid + world.cluster.machines[vmid].text
    _fails(do(world, name="alone", memory="1G"), "alone", "does not exist")
    assert do(world, name="alone", state="absent").changed
    assert 200 not in world.cluster.machines
    outcome = do(world, name="web2", state="absent", delete_disks="all", check=True)
    assert not outcome.failed, outcome.msg
    assert [warning for warning in outcome.warnings if "unfinished (201)" in warning]
    removed = do(world, name=None, id="201", state="absent")
    assert not removed.failed, removed.msg
    assert (201 in world.cluster.machines, 101 in world.cluster.machines) == (False, True)


def test_vm_is_deleted_by_its_id_although_another_one_has_its_name(world):
    worlds.add_machine(world, 201, "pve1", {"name": "web1"})
    outcomes = [do(world, name="web1", id="201", state="absent", delete_disks="all") for _run in range(2)]
    assert [(one.failed, one.changed) for one in outcomes] == [(False, True), (False, False)]
    assert (201 in world.cluster.machines, 100 in world.cluster.machines) == (False, True)


def test_unfinished_namesake_is_hidden_from_a_task_without_settings_too(world):
    worlds.add_machine(world, 201, "pve1", {"name": "web2"})
    world.cluster.machines[201].text = '#<!-- polyvirt {"id":"201","unfinished":true,"v":1} -->\n' + (
        world.cluster.machines[201].text
    )
    seen = driver_of(world, params=POWER_ONLY).observe([Target(name="web2")], frozenset({"power", "config"}))
    assert [vm.id for vm in seen.vms] == ["101"]


@pytest.mark.parametrize("new", ["somebodys", None], ids=["a name", "no name"])
def test_vm_id_that_was_reused_by_others_is_not_deleted(world, new):
    """After the observation, another user deletes the VM and creates a new one with its VM id."""
    late = before_request(world, "GET", "/101/pending", lambda: behind.edit(world, 101, name=new), number=2)
    outcome = do(world, api=late, name="web2", state="absent", delete_disks="all")
    _fails(outcome, "web2", "101", new or "VM 101")
    assert 101 in world.cluster.machines


def test_failing_shutdown_is_repeated_and_then_forced(world):
    """The server's task fails with this text. The driver shuts the guest down once more, and then powers it off."""
    world.faults.task("qmshutdown", "VM quit/powerdown failed", times=99)
    outcome = do(world, name="web1", state="stopped", stop_mode="graceful_then_force", stop_timeout=15)
    assert not outcome.failed, outcome.msg
    assert [path.rpartition("/")[2] for _method, path in _writes(world)] == ["shutdown", "shutdown", "stop"]


@pytest.mark.parametrize("timeout", [5, 12, 19, 25])
def test_stop_timeout_is_not_exceeded_by_a_repeated_request(world, timeout):
    """A request waits up to 9 s for the guest, so the last one must be shorter."""
    world.cluster.machines[100].guest.stops_within = None
    began = world.now
    outcome = do(world, name="web1", state="stopped", stop_mode="graceful_then_force", stop_timeout=timeout)
    assert (outcome.failed, outcome.vms[0]["state"]) == (False, "stopped"), outcome.msg
    assert timeout <= world.now - began < timeout + 5


def test_vms_that_cannot_be_deleted(world):
    do(world, name="web2", protection=True)
    rejected(world, "web2", "protection: false", name="web2", state="absent", delete_disks="all")
    rejected(world, "web1", "is deleted together with its VM", name="web1", state="absent", delete_disks="none")


def test_interrupted_snapshot_is_reported_as_unfinished(world):
    do_snapshot(world, name="web1", snapshot="half")
    machine = world.cluster.machines[100]
    config = machine.config
    config.snapshots["half"]["snapstate"] = "prepare"
    machine.write(config)
    snapshots = do_snapshot(world, name="web1", snapshot="other").vms[0]["snapshots"]
    assert {one["name"]: bool(one["unfinished"]) for one in snapshots} == {"half": True, "other": False}
    for state in ("present", "restored"):
        rejected(
            world, "web1", "half", "unfinished", "absent", run=do_snapshot, name="web1", snapshot="half", state=state
        )
    rejected(world, "web8", "half", "unfinished", name="web8", clone={"source": "web1", "snapshot": "half"})
    assert do_snapshot(world, name="web1", snapshot="half", state="absent").changed
    assert do_snapshot(world, name="web1", snapshot="half").changed


def test_all_notations_of_a_boolean_are_equal(world):
    defaults = {"kvm": True, "agent": "enabled=1", "tablet": 1, "acpi": "yes"}
    unchanged(world, name="web2", autostart=False, native=defaults)
    changed = {"kvm": False, "numa": True, "agent": "no", "localtime": "False"}
    options = applied(world, name="web2", autostart=True, native=changed)
    assert {options[key] for key in ("onboot", "numa")} == {"1"}
    assert {options[key] for key in ("kvm", "agent", "localtime")} == {"0"}
    unchanged(world, name="web2", autostart=True, native={"kvm": "off", "numa": "on"})


def test_name_that_may_be_on_an_offline_node_is_not_used_for_a_new_vm(world):
    """Some minutes after a node went offline, the cluster no longer reports the names of its VMs."""

    class Forgetful(Api):
        def call(self, method, path, parameters=None):
            answer = super().call(method, path, parameters)
            if path == "/cluster/resources":
                for entry in answer.data:
                    if entry.get("vmid") == 101:
                        entry.pop("name", None)
            return answer

    behind.node(world, "pve2", online=False)
    for more in ({"disks": [DISK]}, {"state": "absent"}):
        words = ("web2", "pve2", "it is unknown whether", "set its id (VMID)")
        rejected(world, *words, api=Forgetful(world), name="web2", **more)
    assert do(world, api=Forgetful(world), name="web1", state="stopped").changed
    new = {"name": "new", "id": "150", "node": "pve1"}
    for more in ({"state": "absent"}, {"disks": [DISK]}):
        outcome = do(world, api=Forgetful(world), **new, **more)
        assert (outcome.failed, outcome.changed) == (False, "disks" in more), outcome.msg


def test_info_modules_report_what_the_version_of_the_server_supports(world):
    assert driver_of(world, kind=ProxmoxObserver).traits().version == "9.2.2"
