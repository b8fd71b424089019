# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Vagrant does not tell of a machine and its snapshots is kept in a note beside it."""

from __future__ import annotations

import json

from vagrant.played import failed, told

ONCE, THEN = [{"inline": "echo 1"}], [{"inline": "echo 2"}]


def _taken(played):
    return [one["name"] for one in told(played.run(about="snapshot_info"))["snapshots"]]


def test_of_a_series_the_oldest_go(played):
    """By Vagrant's own list, which has no order, the newest would."""
    played.make(state="started")
    for number in (8, 9, 10):
        told(played.run(about="snapshot", snapshot=f"n-{number}"))
    told(played.run(about="snapshot", snapshot="n-11", keep_last=2))
    assert sorted(_taken(played)) == ["n-10", "n-11"]


def test_of_a_series_of_which_nobody_knows_the_ages_none_go(played):
    played.make(state="started")
    for number in (1, 2):
        played.vagrant.call("snapshot", "save", "web", f"n-{number}")
    for check in (True, False):
        message = failed(played.run(about="snapshot", snapshot="n-3", keep_last=1, check=check))
        assert "n-1" in message
        assert "n-2" in message
    assert sorted(_taken(played)) == ["n-1", "n-2"]


def test_the_power_that_a_snapshot_was_taken_in(played):
    played.make(state="started")
    told(played.run(about="snapshot", snapshot="on"))
    told(played.run(state="stopped", stop_mode="force"))
    told(played.run(about="snapshot", snapshot="off"))
    powers = {one["name"]: one["state"] for one in told(played.run(about="snapshot_info"))["snapshots"]}
    assert powers == {"on": "running", "off": "stopped"}
    for name, power in powers.items():
        assert told(played.run(about="snapshot", snapshot=name, state="restored"))["state"] == power


def test_scripts_that_have_not_run_are_not_taken_for_run_after_a_restore(played):
    played.make(state="started", provisioners=ONCE)
    assert told(played.make(provisioners=THEN))["restart_required"] == ["provisioners"]
    told(played.run(about="snapshot", snapshot="one"))
    told(played.run(about="snapshot", snapshot="one", state="restored"))
    assert told(played.make(provisioners=THEN))["restart_required"] == ["provisioners"]
    run = played.make(provisioners=THEN, state="restarted", stop_mode="force")
    assert told(run)["restart_required"] == []
    assert "--provision" in next(call.argv for call in played.shim.calls() if call.argv[1] == "up")


def test_what_a_restart_was_for_is_done_after_it(with_virtualbox):
    played, box = with_virtualbox
    told(played.make(state="started", cpus=1))
    wanted = {"cpus": 2, "memory": "96M", "allow_restart": True, "stop_mode": "force"}
    vm = told(played.run(**wanted))
    assert (vm["changed"], vm["state"], vm["restart_required"]) == (True, "running", [])
    told_by_virtualbox = box.run("showvminfo", vm["id"], "--machinereadable").splitlines()
    assert {"cpus=2", "memory=96"} <= set(told_by_virtualbox)
    assert not told(played.run(**wanted))["changed"]


def test_a_snapshot_that_somebody_else_took_by_the_same_name_says_nothing_of_settings(with_virtualbox):
    """Where the provider tells when: here VirtualBox does."""
    played, _box = with_virtualbox
    told(played.make(state="started", cpus=1))
    told(played.run(about="snapshot", snapshot="one"))
    note = next(played.project.rglob("polyvirt.json"))
    # What was noted is of one that was taken an hour before.
    noted = json.loads(note.read_text(encoding="ascii"))
    noted["snapshots"]["one"]["created"] -= 3600
    note.write_text(json.dumps(noted), encoding="ascii")
    told(played.make(cpus=2))
    told(played.run(state="stopped", stop_mode="force"))
    told(played.run(about="snapshot", snapshot="one", state="restored"))
    assert told(played.make())["cpus"] == 2
