# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks while a job of the server backs up or restores a VM: the lists do not show what the job does."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import ProxmoxObserver

from unit.module_utils._drivers.proxmox.simulated import POWER_ONLY, Api, do, driver_of
from unit.module_utils._drivers.proxmox.tasks import done


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
