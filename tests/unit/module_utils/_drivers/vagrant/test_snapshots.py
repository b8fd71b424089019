# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots with Vagrant and with VBoxManage, and the driver's record of what neither reports."""

from __future__ import annotations

import json
import time

from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant import snapshots

from unit.module_utils._drivers.vagrant.in_process import World

OLD_SCRIPT, NEW_SCRIPT = [{"inline": "echo 1"}], [{"inline": "echo 2"}]


def _reported(world):
    """{name: state} of the snapshots."""
    return {one["name"]: one["state"] for one in world.run(about="snapshot_info").vm["snapshots"]}


def _snapshot(world, name="one", **options):
    return world.run(about="snapshot", snapshot=name, **options)


def test_snapshots_without_a_tool_of_the_provider(world):
    assert world.create(state="started").vm
    assert _snapshot(world).vm["changed"]
    assert _reported(world) == {"one": "running"}
    assert not _snapshot(world).vm["changed"]
    assert "description" in _snapshot(world, "two", description="x").error
    assert "name each" in _snapshot(world, state="absent", children=True).error
    restored = _snapshot(world, state="restored")
    assert ["vagrant", "snapshot", "restore", "web", "one", "--no-provision"] in [call[:-1] for call in restored.calls]
    assert _snapshot(world, state="absent").vm["snapshots"] == []
    assert "one" not in next(world.project.rglob("polyvirt.json")).read_text(encoding="ascii")


def test_error_about_existing_or_missing_snapshot_is_ignored(world):
    """Others may have created or deleted it. Here nobody has, so the next observation finds no change."""
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
    """Vagrant does not list snapshots by age; by the order of its list, the newest one would be deleted."""
    world.create(state="started")
    for number in (8, 9, 10):
        assert _snapshot(world, f"n-{number}").vm
    assert _snapshot(world, "n-11", keep_last=2).vm
    assert sorted(_reported(world)) == ["n-10", "n-11"]


def test_snapshots_of_unknown_age_are_not_deleted(world):
    world.create(state="started")
    for number in (1, 2):
        world.vagrant.call("snapshot", "save", "web", f"n-{number}")
    world.rejected("n-2, n-1", about="snapshot", snapshot="n-3", keep_last=1)
    assert _reported(world) == {"n-1": "running", "n-2": "running"}


def test_restore_sets_the_settings_of_the_snapshot(world):
    world.create(state="started", cpus=1, description="first")
    assert _snapshot(world).vm
    assert world.create(cpus=2, description="second", allow_restart=True, stop_mode="force").vm["changed"]
    assert _snapshot(world, state="restored").vm
    restored = world.run().vm
    # The description belongs to the file, not to the VM.
    assert (restored["cpus"], restored["description"], restored["restart_required"]) == (1, "second", [])


def test_provisioners_are_still_pending_after_a_restore(world):
    world.create(state="started", provisioners=OLD_SCRIPT)
    assert world.create(provisioners=NEW_SCRIPT).vm["restart_required"] == ["provisioners"]
    assert _snapshot(world).vm
    assert _snapshot(world, state="restored").vm
    assert world.create(provisioners=NEW_SCRIPT).vm["restart_required"] == ["provisioners"]
    restarted = world.create(provisioners=NEW_SCRIPT, state="restarted", stop_mode="force")
    assert restarted.vm["restart_required"] == []
    assert "--provision" in next(call for call in restarted.calls if call[1] == "up")


def test_snapshots_of_virtualbox_are_reported_as_a_tree(virtualbox_world):
    world = virtualbox_world
    assert world.create(state="started").vm
    why = "why\n   Name: x (UUID: 11111111-2222-3333-4444-555555555555)\nend"
    assert _snapshot(world, "one", description=why).vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert _snapshot(world, "two").vm
    one, two = sorted(world.run(about="snapshot_info").vm["snapshots"], key=lambda snapshot: snapshot["name"])
    assert (one["description"], one["state"], one["current"]) == (why, "running", False)
    assert (two["parent"], two["state"], two["current"]) == (one["id"], "stopped", True)
    assert not _snapshot(world, "one").vm["changed"]
    assert _snapshot(world, "one", state="absent", children=True).vm["snapshots"] == []


def test_record_does_not_apply_to_another_snapshot_of_the_same_name(virtualbox_world):
    """VirtualBox reports the time of the snapshot; that of the record is an hour earlier."""
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


def test_expiry_does_not_apply_to_another_snapshot_of_the_same_name(world):
    """This provider reports no time of a snapshot. A user has deleted the first one, and a task takes it again."""
    assert world.create(state="started").vm
    assert _snapshot(world, expires="2020-01-31").vm["snapshots"][0]["expires"] == "2020-02-01T00:00:00Z"
    assert world.vagrant.call("snapshot", "delete", "web", "one").returncode == 0
    assert _reported(world) == {}
    assert _snapshot(world).vm["snapshots"][0]["expires"] is None
    assert [one["expires"] for one in world.run(about="snapshot_info").vm["snapshots"]] == [None]


def test_snapshot_keeps_the_time_of_the_first_request(tmp_path, monkeypatch):
    """With the time of the second request, half an hour later, the record would not match the snapshot."""
    world = World(tmp_path, "virtualbox")
    assert world.create(state="started", cpus=1).vm
    run, lost = world.port.run, []
    monkeypatch.setattr(snapshots, "epoch", lambda: time.time() + world.clock.now())

    def lose_one_answer(argv, **more):
        done = run(argv, **more)
        if "take" in argv and not lost:
            lost.append(argv)
            world.clock.sleep(1800)
            return replace(done, rc=1, stderr="VBoxManage: error: The object is not ready\n")
        return done

    world.port.run = lose_one_answer
    assert world.run(about="snapshot", snapshot="s", timeout=3600).vm["changed"]
    assert world.create(cpus=2).vm
    assert world.run(state="stopped", stop_mode="force").vm
    assert world.run(about="snapshot", snapshot="s", state="restored").vm
    assert world.create().vm["cpus"] == 1
