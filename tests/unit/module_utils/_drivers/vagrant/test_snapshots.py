# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, by Vagrant itself and by VirtualBox, and the record in which the driver keeps what neither reports."""

from __future__ import annotations

import json

ONCE, THEN = [{"inline": "echo 1"}], [{"inline": "echo 2"}]


def _taken(world):
    return {one["name"]: one["state"] for one in world.run(about="snapshot_info").vm["snapshots"]}


def _snapshot(world, name="one", **options):
    return world.run(about="snapshot", snapshot=name, **options)


def test_snapshots_of_vagrant_itself(world):
    assert world.create(state="started").vm
    assert _snapshot(world).vm["changed"]
    assert _taken(world) == {"one": "running"}
    assert not _snapshot(world).vm["changed"]
    assert "description" in _snapshot(world, "two", description="x").error
    assert "name each" in _snapshot(world, state="absent", children=True).error
    restored = _snapshot(world, state="restored")
    assert ["vagrant", "snapshot", "restore", "web", "one", "--no-provision"] in [call[:-1] for call in restored.calls]
    assert _snapshot(world, state="absent").vm["snapshots"] == []
    assert "one" not in next(world.project.rglob("polyvirt.json")).read_text(encoding="ascii")


def test_snapshot_that_somebody_else_has_taken_or_deleted_is_no_error(world):
    """Here nobody has, so it is the next observation that fails."""
    assert world.create(state="started").vm
    for state, command, kind in (
        ("present", "snapshot_save", "SnapshotConflictFailed"),
        ("absent", "snapshot_delete", "SnapshotNotFound"),
    ):
        for error, message in ((kind, "the VM is not as requested yet"), ("VagrantError", "It went wrong.")):
            world.vagrant.fails(command, error)
            assert message in _snapshot(world, state=state).error
        assert _snapshot(world).vm


def test_oldest_snapshots_of_a_series_are_deleted(world):
    """Vagrant's list has no order; according to it, the newest one would be deleted."""
    world.create(state="started")
    for number in (8, 9, 10):
        assert _snapshot(world, f"n-{number}").vm
    assert _snapshot(world, "n-11", keep_last=2).vm
    assert sorted(_taken(world)) == ["n-10", "n-11"]


def test_series_of_unknown_ages_is_not_deleted(world):
    world.create(state="started")
    for number in (1, 2):
        world.vagrant.call("snapshot", "save", "web", f"n-{number}")
    for check in (True, False):
        assert "n-2, n-1" in _snapshot(world, "n-3", keep_last=1, check=check).error
    assert _taken(world) == {"n-1": "running", "n-2": "running"}


def test_restore_brings_back_the_power_of_the_snapshot(world):
    world.create(state="started")
    assert _snapshot(world, "on").vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert _snapshot(world, "off").vm
    assert _taken(world) == {"on": "running", "off": "stopped"}
    for name, power in _taken(world).items():
        assert _snapshot(world, name, state="restored").vm["state"] == power


def test_restore_brings_back_the_settings_of_the_snapshot(world):
    world.create(state="started", cpus=1, description="first")
    assert _snapshot(world).vm
    assert world.create(cpus=2, description="second", allow_restart=True, stop_mode="force").vm["changed"]
    assert _snapshot(world, state="restored").vm
    restored = world.run().vm
    # The description belongs to the file, not to the VM.
    assert (restored["cpus"], restored["description"], restored["restart_required"]) == (1, "second", [])


def test_provisioners_that_have_not_run_still_wait_after_a_restore(world):
    world.create(state="started", provisioners=ONCE)
    assert world.create(provisioners=THEN).vm["restart_required"] == ["provisioners"]
    assert _snapshot(world).vm
    assert _snapshot(world, state="restored").vm
    assert world.create(provisioners=THEN).vm["restart_required"] == ["provisioners"]
    restarted = world.create(provisioners=THEN, state="restarted", stop_mode="force")
    assert restarted.vm["restart_required"] == []
    assert "--provision" in next(call for call in restarted.calls if call[1] == "up")


def test_snapshots_of_virtualbox_are_a_tree(virtualbox_world):
    world = virtualbox_world
    assert world.create(state="started").vm
    assert _snapshot(world, "one", description="why").vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert _snapshot(world, "two").vm
    one, two = sorted(world.run(about="snapshot_info").vm["snapshots"], key=lambda taken: taken["name"])
    assert (one["description"], one["state"], one["current"]) == ("why", "running", False)
    assert (two["parent"], two["state"], two["current"]) == (one["id"], "stopped", True)
    assert not _snapshot(world, "one").vm["changed"]
    assert _snapshot(world, "one", state="absent", children=True).vm["snapshots"] == []


def test_snapshot_that_somebody_else_took_by_the_same_name_has_no_settings(virtualbox_world):
    """VirtualBox reports when it was taken, and the record is of one that was taken an hour before."""
    world = virtualbox_world
    assert world.create(state="started", cpus=1).vm
    assert _snapshot(world).vm
    record = next(world.project.rglob("polyvirt.json"))
    recorded = json.loads(record.read_text(encoding="ascii"))
    recorded["snapshots"]["one"]["created"] -= 3600
    record.write_text(json.dumps(recorded), encoding="ascii")
    assert world.create(cpus=2).vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert _snapshot(world, state="restored").vm
    assert world.create().vm["cpus"] == 2
