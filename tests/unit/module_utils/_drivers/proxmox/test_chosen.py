# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the driver chooses for new VMs: their nodes are in the plan, and their ids follow the order of the task."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.approval import Approval
from ansible_collections.polyvirt.core.plugins.module_utils._engine.task import run

from simulators.proxmox import worlds
from unit.module_utils._drivers.proxmox.simulated import SimulatedClock, asked_of, do, machine_of

NEW = {"name": "new", "disks": [{"size": "1G"}]}
ORIGINS = pytest.mark.parametrize(
    "origin", [{"disks": [{"size": "1G"}]}, {"clone": {"source": "tmpl"}, "node": "auto"}], ids=["disks", "clone"]
)


@ORIGINS
def test_the_chosen_node_is_in_the_diff(world, origin):
    check, real = (do(world, check=check, name="new", **origin) for check in (True, False))
    assert not real.failed, real.msg
    node = machine_of(world, "new").node
    assert [one.diff[0]["after"]["node"] for one in (check, real)] == [node, node]


def test_the_chosen_node_is_in_the_approved_plan(world):
    """Another node than the approved one needs another approval."""

    def approved(check, expected=None):
        approval = Approval({}, expected)
        outcome = run(*asked_of(world, **NEW), check, approval, clock=SimulatedClock(world))
        return outcome, approval

    outcome, approval = approved(True)
    plan, node = approval.plan, outcome.diff[0]["after"]["node"]
    assert node in str(approval.artifacts())
    world.cluster.nodes[node].online = False
    world.statistics.renew()
    other, approval = approved(False, plan)
    assert (other.failed, approval.plan != plan) == (True, True)
    world.cluster.nodes[node].online = True
    world.statistics.renew()
    done, _approval = approved(False, plan)
    assert not done.failed, done.msg
    assert machine_of(world, "new").node == node


@ORIGINS
def test_ids_follow_the_order_of_the_task_and_not_of_the_threads(world, origin):
    """102 is free, 103 is the id of a container, 104 that of a VM."""
    worlds.add_machine(world, 104, "pve3", {"name": "other"})
    world.cluster.containers[103] = "pve2"
    world.statistics.renew()
    world.journal.clear()
    outcome = do(world, name=[f"new{number}" for number in (5, 3, 9, 1, 7, 2)], **origin)
    assert not outcome.failed, outcome.msg
    assert [vm["id"] for vm in outcome.vms] == ["102", "105", "106", "107", "108", "109"]
    asked = [entry for entry in world.journal.requests if entry.path == "/cluster/nextid" and not entry.params]
    assert len(asked) == 1


def test_an_id_that_others_took_meanwhile_is_replaced(world):
    """The list of VMs that a limited account sees does not contain all."""
    for vmid in (102, 103):
        world.cluster.containers[vmid + 1] = "pve2"
    hidden = set(world.cluster.containers)
    outcome = do(world, name=["new1", "new2", "new3"], disks=[{"size": "1G"}])
    assert not outcome.failed, outcome.msg
    ids = {int(vm["id"]) for vm in outcome.vms}
    assert len(ids) == 3
    assert not ids & hidden


def test_of_several_templates_of_one_name_that_of_the_node_is_cloned(world):
    """Templates on local storage exist once on each node."""
    for vmid, node in ((9002, "pve2"), (9003, "pve3")):
        worlds.add_machine(world, vmid, node, {"name": "tmpl", "template": "1"})
    world.statistics.renew()
    entries = [{"name": f"on-{node}", "node": node} for node in ("pve1", "pve2", "pve3")]
    for entry, source in zip(entries, ("9000", "9002", "9003")):
        outcome = do(world, clone={"source": "tmpl"}, **entry)
        assert not outcome.failed, outcome.msg
        machine = machine_of(world, entry["name"])
        assert machine.node == entry["node"]
        assert f'"clone":"{source}"' in machine.text.replace(" ", "").replace("%22", '"').replace("%3A", ":")
