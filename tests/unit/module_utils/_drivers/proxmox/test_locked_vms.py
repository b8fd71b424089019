# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A task of the server works on a VM, such as a backup: its lock is in the configuration of the VM.

Each change waits until the lock is gone, up to ``timeout``. Then it is rejected, in check mode too. What needs no
change does not wait for a lock that changes nothing.
"""

from __future__ import annotations

import pytest

from simulators.proxmox import behind
from simulators.proxmox.gateway import Gateway
from unit.module_utils._drivers.proxmox.simulated import do, do_backup, do_snapshot, machine_of, rejected
from unit.module_utils._drivers.proxmox.test_backups import stored

#: {what is requested: (function, options)}, each a change of web1, which runs.
CHANGES = {
    "configure": (do, {"memory": "4G"}),
    "stop": (do, {"state": "stopped"}),
    "restart": (do, {"state": "restarted", "stop_mode": "force"}),
    "delete": (do, {"state": "absent", "stop_mode": "force", "delete_disks": "all"}),
    "snapshot": (do_snapshot, {"snapshot": "new", "state": "present"}),
    "drop a snapshot": (do_snapshot, {"snapshot": "old", "state": "absent"}),
    "restore a snapshot": (do_snapshot, {"snapshot": "old", "state": "restored"}),
    "backup": (do_backup, {"max_age": "1m"}),
    "restore": (do_backup, {"state": "restored", "backup": "newest", "replace": True}),
}
#: Locks that other tasks of the server hold while they change the VM, and one of them while it does not.
LOCKS = ["backup", "migrate"]


@pytest.fixture(name="ready")
def _ready(world):
    """The cluster, where web1 has a snapshot and a backup of ten minutes ago."""
    gateway = Gateway(world)
    gateway.finished(gateway.call("POST", "/nodes/pve1/qemu/100/snapshot", {"snapname": "old"}).data)
    assert do_backup(world, name="web1").changed
    world.engine.advance(600)
    yield world
    if 100 in world.cluster.machines:
        unused = machine_of(world, "web1").config.current.get("unused0")
        if unused:
            world.storages.free(unused, "pve1")
        behind.edit(world, 100, lock=None, unused0=None)


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_locked_vm_is_rejected_after_the_timeout(ready, change, lock):
    run, options = CHANGES[change]
    behind.lock(ready, 100, lock)
    began = ready.engine.clock.now
    words = (f"web1: it is still busy ({lock}) after 30 seconds.", "raise timeout", "qm unlock")
    rejected(ready, *words, run=run, name="web1", timeout=30, **options)
    assert ready.engine.clock.now - began >= 60


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_change_waits_for_the_end_of_a_lock(ready, change, check):
    run, options = CHANGES[change]
    behind.lock(ready, 100, "backup", seconds=20)
    began = ready.engine.clock.now
    outcome = run(ready, check=check, name="web1", **options)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert ready.engine.clock.now - began >= 20


def test_what_needs_no_change_does_not_wait(ready):
    behind.lock(ready, 100, "backup")
    ready.journal.clear()
    began = ready.engine.clock.now
    tasks = [{"state": "started"}, {"state": "started", "memory": "2048"}, {"memory": "2048"}]
    outcomes = [do(ready, name="web1", **requested) for requested in tasks]
    for outcome in (*outcomes, do_backup(ready, name="web1", max_age="1h")):
        assert (outcome.failed, outcome.changed) == (False, False), outcome.msg
    assert do(ready, name="web1", state="started", wait_for="address").vms[0]["addresses"]
    assert ready.engine.clock.now - began < 5
    assert ready.journal.writes() == []


def test_lock_that_comes_after_the_plan_is_awaited(ready):
    """The server rejects the call, and the step is sent again."""
    ready.faults.request(
        "reply", method="PUT", path="/nodes/pve1/qemu/100/config", status=500, reason="VM is locked (backup)", times=2
    )
    outcome = do(ready, name="web1", tags=["a"])
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg


def test_old_backup_is_deleted_while_a_new_one_is_created(ready):
    """The files of other backups do not belong to the lock."""
    behind.lock(ready, 100, "backup")
    backup = do_backup(ready, name="web1", max_age="1h").vms[0]["backups"][0]["id"]
    assert do_backup(ready, name="web1", state="absent", backup=backup).changed
    assert stored(ready) == []
