# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server gives the number of a deleted VM to a new one, and copies the notes of a VM with it."""

from __future__ import annotations

import time

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Target
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox import mark

from simulators.proxmox import behind, worlds
from simulators.proxmox.gateway import Gateway
from unit.module_utils._drivers.proxmox.disturbed import before_request
from unit.module_utils._drivers.proxmox.simulated import applied, do, driver_of, machine_of, put, unchanged

NEW = {"name": "web3", "id": "500", "node": "pve1", "disks": [{"size": "1G"}]}


def _asked(world, method, path, **params):
    """A user calls the server."""
    gateway = Gateway(world)
    answer = gateway.call(method, path, {key: str(value) for key, value in params.items()})
    assert gateway.finished(answer.data).exitstatus == "OK"


def _clone(world, source, newid, name):
    _asked(world, "POST", f"/nodes/pve1/qemu/{source}/clone", newid=newid, name=name)


def _replace(world, vmid, name):
    """A user deletes a VM, after it was copied, and the next copy gets its name and number."""
    _clone(world, vmid, 501, name)
    _asked(world, "DELETE", f"/nodes/pve1/qemu/{vmid}")
    _clone(world, 501, vmid, name)
    _asked(world, "DELETE", "/nodes/pve1/qemu/501")


def _mark(world, vmid=500):
    return mark.split_notes(world.cluster.machines[vmid].config.current["description"])[1]


def _seen(world, name="web3"):
    (vm,) = driver_of(world).observe([Target(name=name)], frozenset({"power", "config", "files"})).vms
    return vm


@pytest.mark.parametrize("requested", [NEW, {"name": "web3", "id": "500", "clone": {"source": "tmpl"}}])
def test_new_vm_has_its_birth_in_its_record(world, requested):
    assert do(world, **requested).changed
    options, recorded = world.cluster.machines[500].config.current, _mark(world)
    assert recorded["birth"] == mark.birth_of("500", options) == _seen(world).birth
    assert options["smbios1"].removeprefix("uuid=") in recorded["birth"]
    assert (recorded["slots"], "nonce" in recorded) == (["scsi0"], False)


def test_copied_record_is_not_valid_again(world):
    now = int(time.time())
    assert do(world, **NEW, expires="1h", owner="anna", fleet="lab", controller_time=now).changed
    assert _seen(world).config["fleet"] == "lab"
    _replace(world, 500, "web3")
    kept = do(world, name="web3", state="absent", expired_for="0m", controller_time=now + 10_000)
    assert (kept.failed, kept.changed, 500 in world.cluster.machines) == (False, False, True), kept.msg
    seen = _seen(world)
    disks = [file.ours for file in seen.files if file.role == "disk"]
    assert (_mark(world)["id"], seen.owned, seen.created, disks) == ("500", False, False, [False])
    assert (seen.config["owner"], seen.config["fleet"], bool(seen.config["expires"])) == ("", "", False)
    refused = do(world, name="web3", state="absent")
    assert refused.failed
    assert "no record that this collection created it" in refused.msg
    assert 500 in world.cluster.machines


def test_vm_that_replaces_another_is_not_deleted(world):
    """Directly before the deletion another VM with the same name and number is found."""
    assert do(world, **NEW).changed
    late = before_request(world, "GET", "/500/pending", lambda: _replace(world, 500, "web3"), number=2)
    outcome = do(world, api=late, name="web3", state="absent", delete_disks="all")
    assert (outcome.failed, outcome.changed) == (True, False)
    assert "VM 500 is another VM now" in outcome.msg
    assert machine_of(world, "web3").vmid == 500


def test_disk_after_the_plan_is_not_deleted(world):
    assert do(world, **NEW).changed
    late = before_request(world, "GET", "/500/pending", lambda: put(world, scsi1="local-lvm:1"), number=2)
    outcome = do(world, api=late, name="web3", state="absent")
    assert (outcome.failed, outcome.changed) == (True, False)
    assert "scsi1" in machine_of(world, "web3").config.current


def test_own_change_of_the_uuid_keeps_the_record_valid(world):
    do(world, **NEW, owner="anna")
    world.journal.clear()
    applied(world, name="web3", native={"smbios1": "uuid=7b9f4f0e-1111-4222-8333-444455556666"})
    assert world.journal.count("PUT", "/config") == 1
    assert _seen(world).config["owner"] == "anna"
    assert "7b9f4f0e" in _mark(world)["birth"]


@pytest.mark.parametrize("version", [1, 2])
def test_record_without_birth_gets_it_with_the_next_change(world, version):
    recorded = '<!-- polyvirt {"disks":[],"id":"500","inputs":{},"owner":"anna","created":"","v":%d} -->'
    worlds.add_machine(world, 500, "pve1", {"name": "web3", "description": recorded % version})
    seen = _seen(world)
    assert (seen.created, seen.is_proven, seen.config["owner"]) == (True, False, "anna")
    unchanged(world, name="web3", owner="anna")
    world.journal.clear()
    applied(world, name="web3", memory="2G")
    assert world.journal.count("PUT", "/config") == 1
    seen = _seen(world)
    assert (seen.created, seen.is_proven, seen.config["owner"]) == (True, True, "anna")
    assert _mark(world)["slots"] == ["scsi0"]


def test_note_below_the_record_changes_nothing(world):
    do(world, **NEW, description="mine")
    options = world.cluster.machines[500].config.current
    behind.edit(world, 500, description=f"{options['description']}\nadded by hand")
    assert (_seen(world).created, _seen(world).config["description"]) == (True, "mine\nadded by hand")
    applied(world, name="web3", description="mine")
    assert _seen(world).created
