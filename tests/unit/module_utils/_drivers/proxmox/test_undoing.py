# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a failed creation nothing remains, or with on_failure: keep the unfinished VM."""

from __future__ import annotations

import pytest

from simulators.proxmox import behind, invariants, worlds
from unit.module_utils._drivers.proxmox.disturbed import before_write
from unit.module_utils._drivers.proxmox.simulated import do
from unit.module_utils._drivers.proxmox.tasks import failed


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
    assert "Undoing" not in failed(world, "no space left on device", **requested).msg
    assert (_named(world), invariants.orphans(world)) == ([], [])


def test_vm_that_is_protected_at_the_last_moment_is_not_deleted(world):
    api = before_write(world, lambda: behind.edit(world, 101, protection="1"), "DELETE")
    failed(world, "protection", api=api, name="web2", state="absent", delete_disks="all")
    assert _named(world, "web2")


@pytest.mark.parametrize(
    ("kind", "requested"), [("resize", IMAGE), ("resize", GROWN)], ids=["an image", "the disk of a clone"]
)
def test_failed_vm_is_kept_with_on_failure_keep(world, kind, requested):
    """A second run of the task completes the VM."""
    behind.edit(world, 9000, onboot="1")
    world.faults.task(kind, "no space left on device")
    assert failed(world, "no space left on device", **requested, on_failure="keep", state="started").changed
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
    api = before_write(world, lambda: worlds.add_machine(world, 150, "pve1", {"name": "web3"}, size=10), "/resize")
    world.faults.task("resize", "no space left on device")
    words = "web3: another task created a VM with this name at the same time"
    failed(world, words, api=api, **IMAGE, on_failure="keep")
    assert [one.vmid for one in _named(world)] == [150]
    assert invariants.orphans(world) == []
