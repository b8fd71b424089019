# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two identical tasks at the same moment, changes by others during a task, and broken connections."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import create
from ansible_collections.polyvirt.core.plugins.module_utils._ports import change_counter

from simulators.proxmox import behind, invariants, worlds
from simulators.proxmox.access import User
from simulators.proxmox.cluster import Pool
from suite.limits import scaled
from unit.module_utils._drivers.proxmox.disturbed import before_write
from unit.module_utils._drivers.proxmox.simulated import Api, do
from unit.module_utils._drivers.proxmox.tasks import done, failed

NEW = {"name": "web3", "disks": [{"slot": "scsi0", "size": "8G"}], "node": "pve1"}
CLONE = {"name": "web3", "clone": {"source": "tmpl"}}
#: Two tasks in one process would wait for each other's properties. Ansible runs each task in a process of its own.
in_threads = pytest.mark.skipif(sys.version_info < (3, 12), reason="cached_property locks all objects of a class")


class Interrupted(Api):
    """Runs an action of another client before the call with the number ``at``; None only counts calls."""

    def __init__(self, world, act=None, at=None):
        super().__init__(world)
        self._act, self._at = act, at
        self.calls = 0

    def call(self, method, path, parameters=None):
        self.calls += 1
        if self.calls == self._at:
            # The other task has a process of its own, so its writes do not count as those of this one.
            before = change_counter.count()
            self._act()
            change_counter.set_back(before)
        return super().call(method, path, parameters)


def _calls_of(requested):
    """The number of calls of an undisturbed task."""
    world = worlds.with_cases()
    api = Interrupted(world)
    assert not do(world, api=api, **requested).failed
    return api.calls


def _assert_one_succeeded(outcomes, where):
    """Assert that of two tasks for one name at least one has created its VM, and that the other one says so.

    Nothing of the VM of the other one is left, so it has changed nothing.
    """
    failed = [one.msg for one in outcomes if one.failed]
    assert len(failed) < len(outcomes), (where, failed)
    assert [msg for msg in failed if "another task created a VM with this name" not in msg] == [], where
    assert not any(one.changed for one in outcomes if one.failed), where


def _assert_one(world, name):
    """Assert that one VM with the name exists, and that no volume and no unfinished VM remain."""
    named = [one for one in world.cluster.machines.values() if one.config.current.get("name") == name]
    assert len(named) == 1
    assert "unfinished" not in named[0].text
    assert invariants.orphans(world) == []
    assert invariants.violations(world) == []


@pytest.mark.parametrize("requested", [NEW, CLONE], ids=["create", "clone"])
def test_second_task_at_any_moment_leaves_one_vm(requested):
    """The other task, with the same request, runs between any two calls of the first one."""
    for at in range(1, _calls_of(requested) + 1):
        _assert_one_succeeded(_both(worlds.with_cases(), requested, at), at)


def _both(world, requested, at):
    others = []
    api = Interrupted(world, lambda: others.append(do(world, **requested)), at)
    outcome = do(world, api=api, **requested)
    _assert_one(world, "web3")
    return outcome, others[0]


class Held(Api):
    """Stops before the first call with one of these words in its path: signals this, and waits to continue."""

    def __init__(self, world, words, user=None):
        super().__init__(world, user)
        self._stops = [(word, threading.Event(), threading.Event()) for word in words]

    def call(self, method, path, parameters=None):
        for word, reached, go_on in self._stops:
            if word in f"{method} {path}" and not reached.is_set():
                reached.set()
                assert go_on.wait(scaled(60))
        return super().call(method, path, parameters)

    def reached(self, number):
        assert self._stops[number][1].wait(scaled(60))

    def go_on(self, number):
        self._stops[number][2].set()


def test_vm_ids_are_compared_as_numbers():
    assert create._is_lower(SimpleNamespace(vmid="999"), SimpleNamespace(vmid="1000"))
    assert not create._is_lower(SimpleNamespace(vmid="1000"), SimpleNamespace(vmid="999"))


@in_threads
def test_task_gives_way_to_a_late_one_with_a_lower_vm_id(world):
    """The first task gets the lower VM id, but its VM appears after the second task has read the list of VMs.

    The first task reads the list before the second VM is finished.
    """
    low, high = Held(world, ["/tasks/", "PUT "], User("root@pam")), Held(world, ["PUT "])
    usual, world.timing.create = world.timing.create, 60
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(do, world, api=low, **NEW)
        low.reached(0)  # It has its VMID, and its creation takes long.
        world.timing.create = usual
        second = pool.submit(do, world, api=high, **NEW)
        high.reached(0)  # It has read the VMs, and found no other.
        low.go_on(0)
        low.reached(1)  # It has read the VMs, and found an unfinished one with a higher VMID.
        high.go_on(0)
        second.result(20)
        low.go_on(1)
        outcomes = [first.result(20), second.result()]
    _assert_one_succeeded(outcomes, "late")
    _assert_one(world, "web3")
    assert 102 in world.cluster.machines


@pytest.mark.parametrize("requested", [NEW, CLONE], ids=["create", "clone"])
def test_vm_id_that_others_take_at_any_moment(requested):
    for at in range(1, _calls_of(requested) + 1):
        world = worlds.with_cases()
        outcome = do(world, api=Interrupted(world, lambda world=world: _take(world), at), **requested)
        assert not outcome.failed, (at, outcome.msg)
        _assert_one(world, "web3")


def _take(world):
    if 102 not in world.cluster.machines:
        worlds.add_machine(world, 102, "pve2", {"name": "somebodys"})


def test_changes_by_others_are_kept_at_any_moment():
    """Somebody changes the NIC's MAC: this change remains, and the task's request is fulfilled, too."""
    requested, guarded = {"name": "web2", "networks": [{"source": "vmbr1"}]}, 0
    for at in range(1, _calls_of(requested) + 1):
        world = worlds.with_cases()
        outcome = do(world, api=Interrupted(world, lambda world=world: _change_mac(world), at), **requested)
        assert not outcome.failed, (at, outcome.msg)
        assert world.cluster.machines[101].config.current["net0"] == "virtio=BC:24:11:00:00:99,bridge=vmbr1"
        guarded += [entry.status for entry in world.journal.writes()] == [500, 200]
    assert guarded == 1


def test_change_that_somebody_else_makes_first_is_not_made_again(world):
    api = before_write(world, lambda: behind.edit(world, 101, memory="4096"))
    outcome = do(world, api=api, name="web2", memory="4096")
    assert (outcome.failed, outcome.changed, outcome.diff) == (False, False, []), outcome.msg
    assert [entry.status for entry in world.journal.writes()] == [500]


def test_vm_that_somebody_else_changes_before_the_write_is_planned_again(world):
    """Only the remaining changes are sent and reported."""
    api = before_write(world, lambda: behind.edit(world, 101, memory="4096"))
    outcome = done(world, api=api, name="web2", memory="4096", description="new")
    assert [list(one["after"]) for one in outcome.diff] == [["description"]]
    rejected, stored = world.journal.writes()
    assert (rejected.status, stored.status) == (500, 200)


@pytest.mark.parametrize(
    "disk", [{"slot": "scsi1", "state": "absent"}, {"slot": "scsi1", "size": "8G"}], ids=["detach", "grow"]
)
def test_disk_that_somebody_else_puts_into_the_slot_is_left_alone(world, disk):
    assert do(world, name="web2", disks=[{"slot": "scsi1", "size": "1G"}, {"slot": "scsi2", "size": "2G"}]).changed
    api = before_write(world, lambda: _swap_disks(world))
    assert not failed(world, "disks.scsi1", "somebody else", api=api, name="web2", disks=[disk]).changed
    assert "size=2G" in world.cluster.machines[101].config.current["scsi1"]


def test_network_interface_that_somebody_else_removes_is_not_created_again(world):
    api = before_write(world, lambda: behind.edit(world, 101, net0=None))
    failed(world, "networks.0", api=api, name="web2", networks=[{"source": "vmbr1"}])
    assert "net0" not in world.cluster.machines[101].config.current


def _swap_disks(world):
    options = world.cluster.machines[101].config.current
    behind.edit(world, 101, scsi1=options["scsi2"], scsi2=options["scsi1"])


def _change_mac(world):
    bridge = world.cluster.machines[101].config.current["net0"].partition(",")[2]
    behind.edit(world, 101, net0=f"virtio=BC:24:11:00:00:99,{bridge}")


@pytest.mark.parametrize("kind", ["reset", "reset_after"])
@pytest.mark.parametrize(
    ("call", "requested"),
    [
        (("POST", "/nodes/pve1/qemu"), NEW),
        (("POST", "/nodes/pve1/qemu"), {**NEW, "id": "150"}),
        (("POST", "/nodes/pve1/qemu/9000/clone"), CLONE),
        (("POST", "/nodes/pve2/qemu/101/status/start"), {"name": "web2", "state": "started"}),
        (("PUT", "/nodes/pve1/qemu/100/config"), {"name": "web1", "memory": "4096"}),
        (("PUT", "/nodes/pve1/qemu/100/resize"), {"name": "web1", "disks": [{"slot": "scsi0", "size": "40G"}]}),
    ],
    ids=["create", "create with a number", "clone", "start", "config", "resize"],
)
def test_connection_is_lost_at_a_write(world, call, requested, kind):
    """The driver checks whether the request was carried out, and does not send it twice."""
    world.faults.request(kind, method=call[0], path=call[1])
    done(world, **requested)
    world.engine.advance(60)
    _assert_one(world, requested["name"])
    assert not do(world, **requested).changed


def test_volumes_created_before_a_lost_connection_are_not_created_again(world):
    """A second TPM would be empty, while the guest's keys are in the first."""
    world.faults.request("reset_after", method="POST", path="/nodes/pve2/qemu/101/config")
    requested = {
        "name": "web2",
        "tpm": True,
        "firmware": "uefi",
        "disks": [{"slot": "scsi0"}, {"slot": "scsi1", "size": "1G"}],
    }
    done(world, **requested)
    assert len([volume for _node, volume in world.storages.get("local-lvm").volumes if "-101-" in volume]) == 4
    assert not [key for key in world.cluster.machines[101].config.current if key.startswith("unused")]


@pytest.mark.parametrize("skip", [0, 1], ids=["out of the old one", "into the new one"])
def test_pool_is_changed_once_if_the_connection_is_lost(world, skip):
    world.cluster.pools["old"] = Pool("")
    assert do(world, name="web2", pool="old").changed
    world.faults.request("reset_after", method="PUT", path="/pools.*", skip=skip)
    done(world, name="web2", pool="prod")
    assert (world.cluster.pools["old"].vms, world.cluster.pools["prod"].vms) == (set(), {101})


def test_vm_that_somebody_else_starts_first_is_not_changed_by_the_task():
    requested = {"name": "web2", "state": "started"}
    for at in range(1, _calls_of(requested)):
        world = worlds.with_cases()
        api = Interrupted(world, lambda world=world: behind.power(world, 101, on=True), at)
        outcome = do(world, api=api, **requested)
        assert not outcome.failed, (at, outcome.msg)
        started_by_task = any(task.exitstatus == "OK" for task in world.tasks.by_upid.values())
        assert outcome.changed == started_by_task, at


def test_error_about_an_existing_volume_is_reported(world):
    """For example a remaining volume, for which another VMID would not help."""
    error = "unable to create VM 102 - zfs error: cannot create 'rpool/vm-102-disk-0': dataset already exists"
    world.faults.task("qmcreate", error, times=99)
    failed(world, "dataset already exists", **NEW)
    assert world.journal.count("POST", "/nodes/pve1/qemu") == 2


def test_failed_hotplug_is_a_warning(world):
    world.faults.hotplug_fails = True
    outcome = done(world, name="web1", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "8G"}])
    assert outcome.changed
    assert outcome.vms[0]["restart_required"] == ["disks.scsi1"]
    assert [warning for warning in outcome.warnings if "web1" in warning and "next start" in warning]
    again = do(world, name="web1", disks=[{"slot": "scsi0"}, {"slot": "scsi1", "size": "8G"}])
    assert (again.changed, again.vms[0]["restart_required"]) == (False, ["disks.scsi1"])
