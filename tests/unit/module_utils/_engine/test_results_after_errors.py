# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a result says after an error is what the failed step really did to the VM."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import Timeout
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, Snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._engine import task

from unit.module_utils._engine.world import Machine, World

NIC = {"type": "network", "source": "default"}
MARK = {"id": "u-web", "disks": ["/a", "/b"], "inputs": {"bases": ["/x", "/y"]}}


class Rich(World):
    """One running VM with devices, snapshots and a mark. ``step`` is what the failed step does to it."""

    def __init__(self, step, wrote):
        devices = {"disks": {"vda": {"size": 1}}, "networks": {"0": NIC}}
        config = {"cpus": 2, "memory": 1 << 31, "description": "", **devices}
        super().__init__(Machine("web", "u-web", "running", config, mark=MARK))
        self.running = {"networks": {"0": NIC}}
        self._step, self._wrote = step, wrote

    def _seen(self, machine, facets):
        snapshots = (Snapshot("old"),) if "snapshots" in facets else ()
        active = dict(self.running) if machine.power == "running" else None
        return super()._seen(machine, facets).having(active=active, snapshots=snapshots)

    def _configure(self, vm, step):
        self._step(self, self.machine("web"))
        error = Timeout("The call was abandoned.", 60)
        error.wrote = self._wrote
        raise error


def _nothing(world, machine):
    pass


def _order_of_names(world, machine):
    machine.mark = {**MARK, "disks": ["/b", "/a"], "inputs": {"bases": ["/y", "/x"]}}


def _name_of_a_file(world, machine):
    machine.mark = {**MARK, "disks": ["/a", "/b", "/c"]}


def _disk(world, machine):
    machine.config["disks"] = {"vda": {"size": 1}, "vdb": {"size": 1}}


def _nic_of_the_running_vm(world, machine):
    world.running = {"networks": {"0": NIC, "1": NIC}}


def _power(world, machine):
    machine.power = "stopped"


#: (what the failed step did, whether the driver knows that something was written, changed, paths of the diff).
DONE = [
    (_nothing, None, False, []),
    (_nothing, False, False, []),
    (_nothing, True, True, []),
    (_order_of_names, None, False, []),
    (_name_of_a_file, None, True, []),
    (_disk, None, True, ["disks.vdb.size"]),
    (_nic_of_the_running_vm, None, True, []),
    (_power, None, True, ["state"]),
    (_power, False, False, []),
]


@pytest.mark.parametrize(("step", "wrote", "changed", "paths"), DONE)
def test_result_after_an_error_has_what_the_step_did(step, wrote, changed, paths):
    world = Rich(step, wrote)
    outcome = task.run(world, [Request("web", config={"description": "new"})], clock=world.clock, probe=None)
    assert (outcome.failed, outcome.changed, outcome.vms[0]["changed"]) == (True, changed, changed)
    assert [key for one in outcome.diff for key in one["after"]] == paths
    assert outcome.vms[0]["state"] == world.machine("web").power
