# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node runs no VM with more CPUs than it has: a task that would need that fails before it changes anything.

In the cluster of these tests, web1 runs on pve1, web2 is off on pve2, and the template is on pve1.
"""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.access import Account, User
from unit.module_utils._drivers.proxmox.simulated import Api, do, do_snapshot, rejected

DISKS = [{"slot": "scsi0", "size": "1G"}]


@pytest.fixture(name="world")
def _world(world):
    for node in world.cluster.nodes.values():
        node.cpus = 2
    return world


def _of(world, vmid):
    return world.cluster.machines[vmid]


WITH_RESTART = {"allow_restart": True, "stop_mode": "force"}


@pytest.mark.parametrize("state", ["present", "started", "restarted"])
def test_running_vm_is_not_stopped_for_cpus_with_which_it_cannot_start(world, state):
    too_many = "web1: cpus: it has 8 CPUs, and node 'pve1' has 2"
    rejected(world, too_many, name="web1", state=state, cpus=8, **WITH_RESTART)
    assert _of(world, 100).running


def test_vm_whose_stored_cpus_are_too_many_is_not_started_or_restarted(world):
    behind.edit(world, 100, cores="4")
    behind.edit(world, 101, cores="2", sockets="2")
    rejected(world, "web1: cpus: it has 4 CPUs", name="web1", state="restarted")
    rejected(world, "web2: cpus: it has 4 CPUs", name="web2", state="started")
    rejected(world, "web2: cpus: it has 4 CPUs", name="web2", state="started", memory="2048")
    outcome = do(world, name="web2", state="started", cpus=2)
    assert (outcome.failed, _of(world, 101).running) == (False, True), outcome.msg


def test_new_vm_is_not_created_if_it_cannot_start(world):
    new = {"name": "new", "cpus": 4, "disks": DISKS}
    rejected(world, "new: cpus: it has 4 CPUs", state="started", node="pve2", **new)
    rejected(world, "new: cpus: it has 4 CPUs", state="started", node="auto", **new)
    assert not do(world, state="present", node="pve2", **new).failed


@pytest.mark.parametrize("options", [{}, {"cpus": 4}])
def test_clone_is_not_created_if_it_cannot_start(world, options):
    source = _of(world, 9000).config.current["name"]
    if not options:
        behind.edit(world, 9000, cores="4")
    rejected(world, "new: cpus: it has 4 CPUs", name="new", state="started", clone={"source": source}, **options)
    outcome = do(world, name="new", state="started", clone={"source": source, "linked": False}, cpus=2)
    assert not outcome.failed, outcome.msg


def test_vm_is_not_moved_to_a_node_on_which_it_cannot_run(world):
    world.cluster.nodes["pve1"].cpus = 8
    assert not do(world, name="web1", cpus=4, state="started", **WITH_RESTART).failed
    rejected(world, "web1: cpus: it has 4 CPUs, and node 'pve2' has 2", name="web1", node="pve2")
    world.cluster.nodes["pve2"].cpus = 4
    assert not do(world, name="web1", node="pve2").failed


def test_restored_vm_may_be_started_with_the_cpus_of_its_snapshot(world):
    assert not do_snapshot(world, name="web2", snapshot="s1").failed
    behind.edit(world, 101, cores="4")
    assert not do_snapshot(world, name="web2", snapshot="s1", state="restored").failed
    assert not do(world, name="web2", state="started").failed


def test_snapshot_with_memory_is_not_restored_if_its_node_has_too_few_cpus(world):
    """The VM would be off afterwards, with settings with which it cannot be started."""
    world.cluster.nodes["pve1"].cpus = 8
    behind.edit(world, 100, cores="8")
    assert not do(world, name="web1", state="restarted", stop_mode="force").failed
    assert not do_snapshot(world, name="web1", snapshot="s8", include_memory=True).failed
    assert not do(world, name="web1", cpus=1, **WITH_RESTART).failed
    world.cluster.nodes["pve1"].cpus = 2
    outcome = do_snapshot(world, name="web1", snapshot="s8", state="restored")
    assert (outcome.failed, outcome.changed, _of(world, 100).running) == (True, False, True)
    assert "web1: cpus: it has 8 CPUs, and node 'pve1' has 2" in outcome.msg


def test_server_rejects_the_start_if_the_account_does_not_see_the_cpus_of_nodes(world):
    world.access.accounts["ansible@pve"] = Account("password")
    for role in ("PVEVMAdmin", "PVESDNUser"):
        world.access.allow("/", "ansible@pve", role)
    outcome = do(world, api=Api(world, User("ansible@pve")), name="web2", state="started", cpus=4)
    assert outcome.failed
    assert "MAX 2 vcpus allowed per VM on this node" in outcome.msg


@pytest.mark.parametrize("node", ["auto", "pve2"])
def test_memory_beyond_that_of_the_node_is_a_warning(world, node):
    """The nodes of a new VM, and of one that starts, are read anyway."""
    for one in world.cluster.nodes.values():
        one.memory = 4 << 30
    found = [
        do(world, name="new", memory="5G", disks=DISKS, node=node),
        do(world, name="new", state="started"),
        do(world, name="small", memory="4G", disks=DISKS, node=node),
    ]
    assert not any(one.failed for one in found), [one.msg for one in found]
    words = "new: memory: 5G is more than the RAM of the hypervisor (4G)"
    assert [sum(words in text for text in one.warnings) for one in found] == [1, 1, 0]
    assert not any("RAM" in text for text in found[2].warnings)
