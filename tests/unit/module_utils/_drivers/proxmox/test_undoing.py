# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a failed creation nothing remains, or with on_failure: keep the unfinished VM."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, invariants, worlds
from unit.module_utils._drivers.proxmox.simulated import Api, do


def _named(world, name="web3"):
    return [one for one in world.cluster.machines.values() if one.config.current.get("name") == name]


IMAGE = {"name": "web3", "node": "pve1", "image": {"source": "local:import/x.qcow2"}, "disks": [{"size": "10G"}]}
CLONE = {"name": "web3", "clone": {"source": "tmpl"}}
GROWN = {**CLONE, "disks": [{"size": "40G"}]}
PROTECTED = {"name": "web3", "node": "pve1", "disks": [{"size": "1G"}], "protection": True, "state": "started"}
FAILURES = {
    "a start": ("qmstart", {**CLONE, "state": "started"}),
    "a new disk": ("resize", GROWN),
    "the start of what is new": ("qmstart", PROTECTED),
    "an image": ("resize", {**IMAGE, "protection": True}),
}


@pytest.mark.parametrize(("kind", "requested"), FAILURES.values(), ids=FAILURES)
def test_failed_creation_is_undone_even_if_protected(world, kind, requested):
    behind.edit(world, 9000, protection="1")
    world.faults.task(kind, "no space left on device", times=9)
    outcome = do(world, **requested)
    assert outcome.failed
    assert "no space left on device" in outcome.msg
    assert "Undoing" not in outcome.msg
    assert (_named(world), invariants.orphans(world)) == ([], [])


def test_vm_that_is_protected_at_the_last_moment_is_not_deleted(world):
    class Late(Api):
        def call(self, method, path, parameters=None):
            if method == "DELETE":
                behind.edit(world, 101, protection="1")
            return super().call(method, path, parameters)

    outcome = do(world, api=Late(world), name="web2", state="absent", delete_disks="all")
    assert outcome.failed
    assert "protection" in outcome.msg
    assert _named(world, "web2")


@pytest.mark.parametrize(
    ("kind", "requested"), [("resize", IMAGE), ("resize", GROWN)], ids=["an image", "the disk of a clone"]
)
def test_failed_vm_is_kept_with_on_failure_keep(world, kind, requested):
    """A second run of the task completes the VM."""
    behind.edit(world, 9000, onboot="1")
    world.faults.task(kind, "no space left on device")
    outcome = do(world, **requested, on_failure="keep", state="started")
    assert outcome.failed
    assert outcome.changed
    assert "no space left on device" in outcome.msg
    assert world.journal.count("DELETE", "/qemu/102") == 0
    (kept,) = _named(world)
    assert ("unfinished" in kept.text, kept.starts) == (False, 0)
    assert kept.config.current.get("onboot", "0") == "0"
    assert do(world, name="web3", state="started").vms[0]["id"] == str(kept.vmid)
    again = do(world, **requested)
    assert (again.failed, again.changed) == (False, True), again.msg
    assert len(_named(world)) == 1


def test_vm_that_gives_way_is_not_kept(world):
    """Another VM with the name is complete when the creation of this one fails."""

    class Overtaken(Api):
        def call(self, method, path, parameters=None):
            if path.endswith("/resize"):
                worlds.add_machine(world, 150, "pve1", {"name": "web3"}, size=10)
            return super().call(method, path, parameters)

    world.faults.task("resize", "no space left on device")
    outcome = do(world, api=Overtaken(world), **IMAGE, on_failure="keep")
    assert "web3: another task created a VM with this name at the same time" in outcome.msg
    assert [one.vmid for one in _named(world)] == [150]
    assert invariants.orphans(world) == []
