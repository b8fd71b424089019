# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several VMs in one task: their entries need different drivers."""

from __future__ import annotations

from ansible_collections.polyvirt.core.plugins.module_utils._engine.together import run_together

from unit.module_utils._drivers.proxmox.simulated import SimulatedClock, asked_of, do


def test_id_of_a_vm_that_the_task_deletes_is_not_used_again(world):
    """The deleted VM is observed by its id, so a new VM with this id would look like it."""
    image = {"image": {"source": "local:import/x.qcow2", "linked": False}}
    (old,) = do(world, name="old", **image).vms
    parts = [asked_of(world, id=old["id"], state="absent"), asked_of(world, name="new", **image)]
    asked = [request for _driver, requested in parts for request in requested]
    together = [(driver, requested, False) for driver, requested in parts]
    outcome = run_together(together, asked, clock=SimulatedClock(world), probe=None)
    assert not outcome.failed, outcome.msg
    assert [vm["state"] for vm in outcome.vms] == ["absent", "stopped"]
    assert outcome.vms[1]["id"] != old["id"]
