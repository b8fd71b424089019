# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task is killed at every request: a second run ends as if nothing had happened."""

from __future__ import annotations

import threading

import pytest

from simulators.proxmox import behind, invariants, worlds
from unit.module_utils._drivers.proxmox.simulated import Api, do, do_snapshot, rejected

SCENARIOS = {
    "create": {
        "name": "web3",
        "state": "started",
        "disks": [{"slot": "scsi0", "size": "8G"}],
        "node": "pve1",
        "cloud_init": {"user": "me"},
        "pool": "prod",
    },
    "from an image": {
        "name": "web3",
        "node": "pve1",
        "image": {"source": "local:import/x.qcow2"},
        "disks": [{"size": "8G"}, {"size": "1G"}],
        "firmware": "uefi",
        "tpm": True,
    },
    "with a number": {"name": "web3", "node": "pve1", "id": "150", "disks": [{"size": "8G"}]},
    "clone": {"name": "web3", "state": "started", "clone": {"source": "tmpl"}, "cpus": 4, "disks": [{"size": "16G"}]},
    "linked clone": {"name": "web3", "clone": {"source": "tmpl", "linked": True}, "cpus": 4},
    "configure": {
        "name": "web1",
        "memory": "4096",
        "cpus": 2,
        "disks": [{"slot": "scsi0", "size": "40G"}, {"slot": "scsi1", "size": "8G"}],
        "networks": [{"source": "vmbr1"}, {"source": "vmbr0"}],
        "tags": ["a"],
        "pool": "prod",
    },
    "move": {"name": "web2", "node": "pve3"},
    "template": {"name": "web2", "template": True},
    "remove": {"name": "web1", "state": "absent", "stop_mode": "force"},
}


class Killed(BaseException):
    """The task's process was killed."""


class KilledAtCall(Api):
    """Kills the process before or just after the call with the number ``at``; None only counts calls."""

    def __init__(self, world, at=None, after=False):
        super().__init__(world)
        self._at, self._after = at, after
        self.calls, self._counting = 0, threading.Lock()

    def call(self, method, path, parameters=None):
        with self._counting:
            self.calls += 1
            is_last = self.calls == self._at
        if is_last and not self._after:
            raise Killed
        answer = super().call(method, path, parameters)
        if is_last:
            raise Killed
        return answer


class KilledBeforeFinish(Api):
    """The process is killed just before it completes the new VM."""

    def call(self, method, path, parameters=None):
        if method == "PUT":
            raise Killed
        return super().call(method, path, parameters)


@pytest.mark.parametrize("pause", [0, 600], ids=["run again at once", "run again later"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_task_is_killed_at_every_request(scenario, pause):
    requested, whole = SCENARIOS[scenario], worlds.with_cases()
    api = KilledAtCall(whole)
    outcome = do(whole, api=api, **requested)
    assert not outcome.failed, outcome.msg
    for at in range(1, api.calls + 1):
        for after in (False, True):
            world = worlds.with_cases()
            with pytest.raises(Killed):
                do(world, api=KilledAtCall(world, at, after), **requested)
            world.engine.advance(pause)
            _ends_as(whole, world, requested, (at, after))


def _ends_as(whole, world, requested, where):
    again = do(world, **requested)
    assert not again.failed, (where, again.msg)
    world.engine.advance(60)
    assert _state_of_vms(world) == _state_of_vms(whole), where
    assert (invariants.violations(world), invariants.orphans(world)) == ([], []), where
    assert not do(world, **requested).changed, where
    assert world.tasks.crashes == []


@pytest.mark.parametrize(
    ("begun", "requested"),
    [
        ({"clone": {"source": "tmpl"}}, {"clone": {"source": "web2"}}),
        ({"clone": {"source": "tmpl"}}, {"clone": {"source": "tmpl", "linked": True}}),
        ({"clone": {"source": "tmpl"}}, {"disks": [{"size": "32G"}]}),
        ({"disks": [{"size": "32G"}]}, {"clone": {"source": "tmpl"}}),
        ({"disks": [{"size": "32G"}]}, {"image": {"source": "local:import/x.qcow2"}}),
    ],
)
def test_unfinished_vm_from_another_source_is_not_completed(begun, requested):
    """A task was killed, and its options were changed before it ran again."""
    world = worlds.with_cases()
    with pytest.raises(Killed):
        do(world, api=KilledBeforeFinish(world), name="web3", **begun)
    rejected(world, "web3", "102", "from another source", "state: absent", name="web3", **requested)
    assert do(world, name="web3", state="absent").changed
    assert not do(world, name="web3", **requested).failed


def test_unfinished_vm_that_is_running_is_not_completed():
    requested, world = {"name": "web3", "clone": {"source": "tmpl"}, "state": "started"}, worlds.with_cases()
    with pytest.raises(Killed):
        do(world, api=KilledBeforeFinish(world), **requested)
    behind.power(world, 102, on=True)
    rejected(world, "web3", "102", "it is running", "state: stopped", **requested)
    assert do(world, name=None, id="102", state="stopped", stop_mode="force").changed
    assert not do(world, **requested).failed
    assert world.cluster.machines[102].running


@pytest.mark.parametrize("pause", [0, 600], ids=["run again at once", "run again later"])
@pytest.mark.parametrize("state", ["present", "absent", "restored"])
def test_snapshot_task_is_killed_at_every_request(state, pause):
    requested, whole = {"name": "web1", "snapshot": "s1", "state": state}, _with_snapshot(state)
    api = KilledAtCall(whole)
    assert not do_snapshot(whole, api=api, **requested).failed
    for at in range(1, api.calls + 1):
        for after in (False, True):
            world = _with_snapshot(state)
            with pytest.raises(Killed):
                do_snapshot(world, api=KilledAtCall(world, at, after), **requested)
            world.engine.advance(pause)
            again = do_snapshot(world, **requested)
            assert not again.failed, (at, after, again.msg)
            assert _state_of_vms(world) == _state_of_vms(whole), (at, after)
            found, wanted = ([*one.cluster.machines[100].config.snapshots] for one in (world, whole))
            assert found == wanted, (at, after)
            assert (invariants.violations(world), world.tasks.crashes) == ([], [])


def _with_snapshot(state):
    """The cluster for a task about a snapshot; before a restore, the VM differs from its snapshot."""
    world = worlds.with_cases()
    if state != "present":
        assert do_snapshot(world, name="web1", snapshot="s1").changed
        assert do(world, name="web1", memory="4096", cpus=2).changed
    return world


def _state_of_vms(world):
    """The state of all VMs, without random values."""
    return sorted(
        (
            one.config.current.get("name"),
            one.running,
            one.node,
            _stable(one.config.current),
            _stable(one.config.pending),
        )
        for one in world.cluster.machines.values()
    )


def _stable(options):
    passing = ("vmgenid", "smbios1", "meta", "description")
    return sorted((key, _without_names(key, value)) for key, value in options.items() if key not in passing)


def _without_names(key, value):
    """The value without its first part for drives (volume) and NICs (model and MAC)."""
    named = key.startswith(("net", "scsi0", "scsi1", "ide", "efidisk", "tpmstate"))
    return value.partition(",")[2] if named else value
