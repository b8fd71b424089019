# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, by Vagrant itself and by VirtualBox, and the note in which the driver keeps what neither reports."""

from __future__ import annotations

import json

ONCE, THEN = [{"inline": "echo 1"}], [{"inline": "echo 2"}]


def _taken(world):
    return {one["name"]: one["state"] for one in world.run(about="snapshot_info").vm["snapshots"]}


def _snapshot(world, name="one", **options):
    return world.run(about="snapshot", snapshot=name, **options)


def test_snapshots_of_vagrant_itself(world):
    assert not _snapshot(world.create(state="started") and world).failed
    assert _taken(world) == {"one": "running"}
    assert not _snapshot(world).vm["changed"]
    assert "description" in _snapshot(world, "two", description="x").error
    assert "name each" in _snapshot(world, state="absent", children=True).error
    assert _snapshot(world, state="restored").vm["changed"]
    assert _snapshot(world, state="absent").vm["snapshots"] == []
    assert "one" not in next(world.project.rglob("polyvirt.json")).read_text(encoding="ascii")


def test_snapshot_that_somebody_was_faster_with_is_no_error(world):
    assert world.create(state="started").vm
    for name in ("one", "two"):
        assert _snapshot(world, name).vm
    world.vagrant.fails("snapshot_delete", "SnapshotNotFound")
    # It is there, and still: only the answer is played.
    assert "not all was reached" in _snapshot(world, state="absent").error
    world.vagrant.fails("snapshot_delete", "VagrantError")
    assert "It went wrong." in _snapshot(world, "two", state="absent").error
    world.vagrant.fails("snapshot_save", "SnapshotConflictFailed")
    assert "not all was reached" in _snapshot(world, "three").error
    world.vagrant.fails("snapshot_save", "VagrantError")
    assert "It went wrong." in _snapshot(world, "three").error


def test_oldest_snapshots_of_a_series_are_deleted(world):
    """By Vagrant's own list, which has no order, the newest would."""
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
        message = _snapshot(world, "n-3", keep_last=1, check=check).error
        assert "n-1" in message
        assert "n-2" in message
    assert sorted(_taken(world)) == ["n-1", "n-2"]


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
    assert world.create(cpus=2, description="second").vm["restart_required"] == ["cpus"]
    assert _snapshot(world, state="restored").vm
    restored = world.run().vm
    # A description is the file's, and not the machine's.
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


# With VirtualBox ------------------------------------------------------------------------------------------------------


def test_setting_is_in_force_after_the_restart_for_it(virtualbox_world):
    assert virtualbox_world.create(state="started", cpus=1).vm
    wanted = {"cpus": 2, "memory": "96M", "allow_restart": True, "stop_mode": "force"}
    vm = virtualbox_world.run(**wanted).vm
    assert (vm["changed"], vm["state"], vm["restart_required"]) == (True, "running", [])
    reported = virtualbox_world.virtualbox.run("showvminfo", vm["id"], "--machinereadable").splitlines()
    assert {"cpus=2", "memory=96"} <= set(reported)
    assert not virtualbox_world.run(**wanted).changed


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
    """VirtualBox reports when it was taken, and the note is of one that was taken an hour before."""
    world = virtualbox_world
    assert world.create(state="started", cpus=1).vm
    assert _snapshot(world).vm
    note = next(world.project.rglob("polyvirt.json"))
    noted = json.loads(note.read_text(encoding="ascii"))
    noted["snapshots"]["one"]["created"] -= 3600
    note.write_text(json.dumps(noted), encoding="ascii")
    assert world.create(cpus=2).vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert _snapshot(world, state="restored").vm
    assert world.create().vm["cpus"] == 2
