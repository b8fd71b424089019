# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every write of a configuration names the version that was read, so a change by somebody else is never overwritten."""

from __future__ import annotations

import re

import pytest

from simulators.proxmox import behind
from unit.module_utils._drivers.proxmox.simulated import Api, do, do_snapshot

NEW = {"name": "web3", "id": "500", "node": "pve1"}
DISKS = {"disks": [{"slot": "scsi0", "size": "1G"}, {"slot": "scsi1", "size": "1G"}]}
VM = {**NEW, **DISKS, "firmware": "uefi", "tpm": True, "protection": True}
_CONFIG = re.compile(r".*/qemu/\d+/(config|move_disk)")


class Recorded(Api):
    """Lists the writes of configurations: (path, whether the version was named)."""

    def __init__(self, world):
        super().__init__(world)
        self.writes = []

    def call(self, method, path, parameters=None):
        if method != "GET" and _CONFIG.fullmatch(path):
            self.writes.append((path.rpartition("/")[2], bool((parameters or {}).get("digest"))))
        return super().call(method, path, parameters)


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
    api = Recorded(world)
    outcome = run(world, api=api, **requested)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    assert api.writes
    assert [path for path, has_digest in api.writes if not has_digest] == []


def test_creation_that_is_undone_names_it_too(world):
    api = Recorded(world)
    world.faults.task("resize", "no space left on device", times=9)
    image = {"source": "local:import/x.qcow2"}
    assert do(world, api=api, **{**NEW, "image": image, "disks": [{"size": "10G"}]}, protection=True).failed
    assert api.writes
    assert all(has_digest for _path, has_digest in api.writes)


def test_creation_does_not_overwrite_what_somebody_else_adds_to_the_notes(world):
    """The change is made directly before the mark of the new VM is completed."""

    class Late(Api):
        edited = False

        def call(self, method, path, parameters=None):
            if method == "PUT" and path.endswith("/500/config") and not self.edited:
                self.edited = True
                notes = world.cluster.machines[500].config.current["description"]
                behind.edit(world, 500, description=f"{notes}\nadded by somebody else")
            return super().call(method, path, parameters)

    outcome = do(world, api=Late(world), **NEW, **DISKS)
    assert (outcome.failed, outcome.changed) == (False, True), outcome.msg
    notes = world.cluster.machines[500].config.current["description"]
    assert "added by somebody else" in notes
    assert "unfinished" not in notes
