# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write of a configuration names the version that was read, so a change by somebody else is never overwritten."""

from __future__ import annotations

import re

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.disturbed import before_request
from unit.module_utils._drivers.proxmox.simulated import do, do_snapshot

NEW = {"name": "web3", "id": "500", "node": "pve1"}
DISKS = {"disks": [{"slot": "scsi0", "size": "1G"}, {"slot": "scsi1", "size": "1G"}]}
VM = {**NEW, **DISKS, "firmware": "uefi", "tpm": True, "protection": True}
_CONFIG = re.compile(r".*/qemu/\d+/(config|move_disk)")


def _assert_versions_are_named(world):
    """Assert that configurations were written, and that each write names a version."""
    writes = [one for one in world.journal.writes() if _CONFIG.fullmatch(one.path)]
    assert writes
    assert [one.path for one in writes if not one.params.get("digest")] == []


TASKS = {
    "creation": ({}, do, VM),
    "image": ({}, do, {**NEW, "image": {"source": "local:import/x.qcow2"}, "disks": [{"size": "10G"}]}),
    "clone": ({}, do, {**NEW, "clone": {"source": "tmpl"}, "cloud_init": {"user": "anna"}, "memory": "3G"}),
    "change": (VM, do, {"name": "web3", "memory": "3G", "owner": "anna", "description": "new"}),
    "removal": (
        VM,
        do,
        {"name": "web3", "protection": False, "tpm": False, "disks": [{"slot": "scsi1", "state": "absent"}]},
    ),
    "move": (VM, do, {"name": "web3", "disks": [{"slot": "scsi1", "storage": "zfs"}], "cpus": 4}),
    "saved memory": ({**VM, "state": "started"}, do, {"name": "web3", "state": "stopped", "stop_mode": "force"}),
    "restore": (VM, do_snapshot, {"name": "web3", "snapshot": "s1", "state": "restored"}),
}


def _prepare(world, made):
    """Create the VM; with a snapshot, saved memory and a later disk."""
    if not made:
        return
    outcome = do(world, **made)
    assert not outcome.failed, outcome.msg
    if made.get("state") == "started":
        assert do(world, name="web3", state="suspended").changed
    else:
        assert do_snapshot(world, name="web3", snapshot="s1").changed
        assert do(world, name="web3", disks=[{"slot": "scsi3", "size": "1G"}]).changed


@pytest.mark.parametrize(("made", "run", "requested"), TASKS.values(), ids=TASKS)
def test_every_write_names_the_version_that_was_read(world, made, run, requested):
    _prepare(world, made)
    if "disks" in requested and "name" in requested and made:
        # Disks in a snapshot are neither moved nor removed.
        assert do_snapshot(world, name="web3", snapshot="s1", state="absent").changed
    world.journal.clear()
    outcome = run(world, **requested)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    _assert_versions_are_named(world)


def test_creation_that_is_undone_names_it_too(world):
    world.faults.task("resize", "no space left on device", times=9)
    image = {"source": "local:import/x.qcow2"}
    assert do(world, **{**NEW, "image": image, "disks": [{"size": "10G"}]}, protection=True).failed
    _assert_versions_are_named(world)


def test_creation_does_not_overwrite_what_somebody_else_adds_to_the_notes(world):
    """The change is made directly before the mark of the new VM is completed."""

    def edit():
        notes = world.cluster.machines[500].config.current["description"]
        behind.edit(world, 500, description=f"{notes}\nadded by somebody else")

    outcome = do(world, api=before_request(world, "PUT", "/500/config", edit), **NEW, **DISKS)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    notes = world.cluster.machines[500].config.current["description"]
    assert "added by somebody else" in notes
    assert "unfinished" not in notes
