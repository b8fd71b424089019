# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lost answers, and errors of proxies: the driver finds what was carried out, and does nothing twice."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import ApiError

from simulators.proxmox import behind, worlds
from unit.module_utils._drivers.proxmox.simulated import Api, do
from unit.module_utils._drivers.proxmox.test_races import NEW, _assert_one

#: A clone with a large first disk; the template's first disk is its small cloud-init drive.
LONG_CLONE = {"name": "web3", "clone": {"source": "web2"}}


@pytest.mark.parametrize("requested", [NEW, LONG_CLONE], ids=["create", "clone"])
@pytest.mark.parametrize("status", [None, 502, 596])
def test_vm_is_created_once_if_the_answer_is_lost_while_it_has_no_name(world, requested, status):
    """Until the first disk of a clone is copied, its configuration has no name."""
    world.timing.clone_per_gib, world.timing.create = 2, 60
    path = "/nodes/pve1/qemu" if requested is NEW else "/nodes/pve2/qemu/101/clone"
    kind = {"kind": "reset_after"} if status is None else {"kind": "reply_after", "status": status, "reason": "lost"}
    world.faults.request(**kind, method="POST", path=path)
    outcome = do(world, **requested)
    assert not outcome.failed, outcome.msg
    assert world.journal.count("POST", path) == 1
    _assert_one(world, "web3")


def test_clone_of_a_killed_task_that_has_no_name_yet_is_waited_for(world):
    """The other VM has the lower VMID; if this task completed its own first, two VMs would remain."""
    world.timing.clone_per_gib = 2
    notes = '<!-- polyvirt {"id":"102","inputs":{"clone":"101"},"unfinished":true,"v":1} -->'
    asked = {"newid": 102, "name": "web3", "full": 1, "description": notes}
    Api(world).call("POST", "/nodes/pve2/qemu/101/clone", asked)
    world.timing.clone_per_gib = 0.1
    outcome = do(world, **LONG_CLONE)
    assert not outcome.failed, outcome.msg
    _assert_one(world, "web3")
    assert 102 in world.cluster.machines


@pytest.mark.parametrize(("kind", "status"), [("reply", 502), ("reply_after", 502), ("reply_after", 596)])
def test_result_of_a_write_is_checked_after_a_gateway_error(world, kind, status):
    world.faults.request(kind, method="PUT", path=".*/101/config", status=status, reason="Bad Gateway")
    outcome = do(world, name="web2", memory="4096")
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert world.cluster.machines[101].config.current["memory"] == "4096"


def test_server_that_does_not_come_back_is_reported(world):
    world.faults.request("reset", method="POST", path=".*/status/start", times=10**6)
    outcome = do(world, name="web2", state="started", timeout=5)
    assert outcome.failed
    assert "broke off" in outcome.msg


@pytest.mark.parametrize("options", [{"name": "web2"}, {"name": "web2", "state": "started"}])
def test_list_is_read_again_if_another_vm_is_deleted_meanwhile(world, options):
    world.timing.listing = 1
    for number in range(3):
        worlds.add_machine(world, 110 + number, "pve2", {"name": f"going{number}"})
        delay = world.timing.listing * (number + 0.5)
        world.engine.after(delay, lambda vmid=110 + number: behind.delete(world, vmid))
    outcome = do(world, **options)
    assert (outcome.failed, outcome.vms[0]["name"]) == (False, "web2"), outcome.msg
    answers = [one.status for one in world.journal.requests if one.path == "/nodes/pve2/qemu"]
    assert answers[:4] == [500, 500, 500, 200]


def test_list_that_never_succeeds_is_an_error(world):
    reason = "Configuration file 'nodes/pve2/qemu-server/104.conf' does not exist"
    world.faults.request("reply", method="GET", path="/nodes/pve2/qemu", status=500, reason=reason, times=10**6)
    with pytest.raises(ApiError, match="104"):
        do(world, name="web2")
