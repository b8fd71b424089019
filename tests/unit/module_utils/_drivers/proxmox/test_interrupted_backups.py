# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task about backups fails, loses an answer or is killed at each of its changing requests; then it runs again.

Nothing that is not whole may count, nothing may stay frozen or locked, and the next run ends as an undisturbed one.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache

import pytest

from simulators.proxmox import worlds
from simulators.proxmox.gateway import Gateway
from simulators.proxmox.invariants import orphans, violations
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed, let_tasks_end
from unit.module_utils._drivers.proxmox.simulated import do, do_backup
from unit.module_utils._drivers.proxmox.test_backups import stored, taken
from unit.module_utils._drivers.proxmox.test_restored_backups import BESIDE, REPLACE, back_up, byte_of

CREATE = {"name": "web3", "keep_last": 1, "protected": False}
REPLACE = {**REPLACE, "name": "web3"}
BESIDE = {**BESIDE, "name": "web3", "new_name": "web3b"}
#: The changing requests of an undisturbed task.
WRITES = {"create": 3, "beside": 2, "replace": 11, "lost": 2}
TASKS = {"create": CREATE, "beside": BESIDE, "replace": REPLACE, "lost": {**REPLACE, "replace": False}}


def prepared(task):
    """A cluster with web3, which a task has created with two disks, and a backup of it."""
    world = worlds.with_cases()
    do(world, name="web3", state="started", disks=[{"size": "1G"}, {"size": "2G"}], node="pve1")
    back_up(world, "web3", byte=7)
    if task == "create":
        back_up(world, "web3", byte=9)
    if task == "lost":
        do(world, name="web3", state="absent", stop_mode="force")
    return world


def state_of(world):
    """What must be as after an undisturbed run."""
    machines = {
        machine.config.current.get("name"): (machine.running, machine.config.current.get("lock"))
        for machine in world.cluster.machines.values()
    }
    found = {name: byte_of(world, name) for name in machines if name and name.startswith("web3")}
    backups = [(volume.vmid, volume.protected) for _name, volume in stored(world)]
    return machines, found, backups


@pytest.mark.parametrize("task", WRITES)
def test_number_of_changing_requests(task):
    """The other tests disturb each of them."""
    world = prepared(task)
    api = Disturbed(world)
    outcome = do_backup(world, api=api, **TASKS[task])
    assert not outcome.failed, outcome.msg
    assert api.count == WRITES[task]


@cache
def undisturbed(task):
    """The state after an undisturbed run."""
    world = prepared(task)
    assert not do_backup(world, **TASKS[task]).failed
    return state_of(world)


@pytest.mark.full
@pytest.mark.parametrize("kind", ["reply", "reset_after", "kill before", "kill after"])
@pytest.mark.parametrize(("task", "number"), [(task, number) for task in WRITES for number in range(WRITES[task])])
def test_next_run_completes_a_disturbed_one(task, number, kind):
    world = prepared(task)
    api = Disturbed(world, number, kind)
    with pytest.raises(Killed) if kind.startswith("kill") else nullcontext():
        do_backup(world, api=api, **TASKS[task])
    let_tasks_end(world)
    assert not any(machine.frozen for machine in world.cluster.machines.values())
    assert all(volume.archive is not None for _name, volume in stored(world))
    again = do_backup(world, **TASKS[task])
    assert not again.failed, again.msg
    assert state_of(world) == undisturbed(task)
    assert (violations(world), orphans(world), world.tasks.crashes) == ([], [], [])


def test_backup_of_a_killed_vzdump_does_not_count():
    """Its administrator ends the task of the server while the guest is frozen: the server thaws it."""
    world = worlds.with_cases()
    api = Disturbed(world, 0, "kill after")
    with pytest.raises(Killed):
        do_backup(world, api=api, name="web1")
    machine = world.cluster.machines[100]
    assert machine.frozen
    (upid,) = (upid for upid, task in world.tasks.by_upid.items() if task.type == "vzdump")
    Gateway(world).call("DELETE", f"/nodes/pve1/tasks/{upid}")
    assert (machine.frozen, "lock" in machine.config.current, stored(world)) == (False, False, [])
    taken(world, name="web1")
