# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks while a job of the server backs up or restores a VM: the lists do not show what the job does."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import ProxmoxObserver

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.disturbed import Disturbed, Killed
from unit.module_utils._drivers.proxmox.simulated import POWER_ONLY, Api, do, do_backup, driver_of, rejected
from unit.module_utils._drivers.proxmox.tasks import done
from unit.module_utils._drivers.proxmox.test_restored_backups import BESIDE, REPLACE, back_up, byte_of, number_of

LOST = {"name": "web1", "state": "restored", "backup": "newest"}


@pytest.fixture(name="saved")
def _saved(world):
    """A job on pve2 backs up web2, which is off, as the second of its VMs."""
    world.timing.backup_per_gib = 5
    do(world, name="web3", node="pve2", disks=[{"size": "1G"}], state="started")
    vmids = ",".join(str(one.vmid) for one in sorted(world.cluster.machines.values(), key=lambda one: -one.vmid))
    Api(world).call("POST", "/nodes/pve2/vzdump", {"vmid": vmids, "storage": "backups"})
    world.engine.advance(60)
    assert world.cluster.machines[101].state == "running"


def test_stopped_vm_is_known_as_stopped_while_it_is_saved(world, saved):
    vms = {vm.name: vm for vm in driver_of(world, kind=ProxmoxObserver).observe(None, frozenset({"power"})).vms}
    assert (vms["web2"].power, vms["web2"].busy, vms["web3"].power) == (STOPPED, "backup", "running")


@pytest.mark.parametrize("options", [POWER_ONLY, {"state": "started"}, {"state": "started", "memory": "1G"}])
def test_start_waits_for_the_job_that_saves_a_stopped_vm(world, saved, options):
    assert done(world, name="web2", timeout=900, **options).changed
    assert (world.cluster.machines[101].state, world.cluster.machines[101].config.current.get("lock")) == (
        "running",
        None,
    )
    world.engine.advance(900)
    assert world.cluster.machines[101].running


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_stopped_or_deleted_after_the_job(world, saved, state):
    assert done(world, name="web2", timeout=900, state=state, delete_disks="all").changed is (state == "absent")
    assert not any(entry.is_write and entry.status != 200 for entry in world.journal.requests)


@pytest.mark.parametrize(("asked", "number"), [(BESIDE, 0), (LOST, 0), (REPLACE, 0), (REPLACE, 1)])
def test_lost_answer_of_a_restore_that_runs_is_awaited(world, asked, number):
    """While it runs, the VM has neither a lock nor a name: only the task of the server shows it."""
    back_up(world)
    behind.power(world, 100, on=False)
    if asked is LOST:
        assert not do(world, name="web1", id="100", state="absent", delete_disks="all").failed
    world.timing.restore_per_gib = 5
    world.faults.request("reset_after", method="POST", path="/nodes/pve1/qemu", skip=number)
    done(world, run=do_backup, timeout=3600, **asked)
    names = {BESIDE["new_name"]} if asked is BESIDE else set()
    found = {machine.config.current.get("name") for machine in world.cluster.machines.values()}
    assert found == {"web1", "web2", "tmpl", *names}
    assert restores(world) == [102, 100][asked is LOST : 1 + (asked is not BESIDE)]


def restores(world):
    """The VMIDs of all requests to restore a backup."""
    return [int(one.params["vmid"]) for one in world.journal.requests if "archive" in one.params]


def test_next_run_waits_for_the_restore_of_a_killed_one(world):
    back_up(world)
    behind.power(world, 100, on=False)
    assert not do(world, name="web1", id="100", state="absent", delete_disks="all").failed
    with pytest.raises(Killed):
        do_backup(world, api=Disturbed(world, 0, "kill after"), **LOST)
    assert dict(world.cluster.machines[100].config.current) == {"memory": "128"}
    done(world, run=do_backup, timeout=3600, **LOST)
    assert (sorted(world.cluster.machines), set(restores(world))) == ([100, 101, 9000], {100})
    assert (number_of(world, "web1"), byte_of(world, "web1")) == (100, 7)


class KilledAtOverwrite(Api):
    """The task is killed when the server has begun to overwrite the VM."""

    def call(self, method, path, parameters=None):
        answer = super().call(method, path, parameters)
        if "force" in (parameters or {}):
            raise Killed
        return answer


def test_overwrite_that_still_runs_is_not_begun_again(world):
    """Before, the next run waited until a VM with the name existed, and was unchanged; the copy remained."""
    back_up(world)
    behind.power(world, 100, on=False)
    world.timing.restore_per_gib = 5
    with pytest.raises(Killed):
        do_backup(world, api=KilledAtOverwrite(world), **REPLACE)
    rejected(world, "VM 100 is being restored", run=do_backup, **REPLACE)
    for task in ({"name": "web1", "state": "absent"}, {"name": "web1", "clone": {"source": "web2"}}):
        rejected(world, "a restore over VM 100", **task)
    outcome = do(world, id="100", state="absent", timeout=900)
    assert (outcome.failed, byte_of(world, "web1")) == (True, 7)
    done(world, run=do_backup, **REPLACE)
    assert (sorted(world.cluster.machines), byte_of(world, "web1")) == ([100, 101, 9000], 7)
