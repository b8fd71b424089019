# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Killed before or after any call of Vagrant: the same task, run again, ends as if nothing had happened."""

from __future__ import annotations

import shutil

import pytest

from unit.module_utils._drivers.vagrant.in_process import BOX, FILE, Killed, World

CREATED = {"box": BOX, "cpus": 1, "state": "started", "stop_mode": "force"}
SNAPSHOT = {"about": "snapshot", "snapshot": "one"}
#: {task that is killed: (tasks before it, the task itself)}.
SCENARIOS = {
    "create": ([], CREATED),
    "configure": ([CREATED], {**CREATED, "cpus": 2, "allow_restart": True}),
    "recreate": ([CREATED], {**CREATED, "hostname": "x", "box_version": ">= 0", "allow_recreate": True}),
    "stop": ([CREATED], {"state": "stopped", "stop_mode": "graceful_then_force"}),
    "pause": ([CREATED], {"state": "paused"}),
    "delete": ([CREATED], {"state": "absent", "stop_mode": "force"}),
    "snapshot": ([CREATED], SNAPSHOT),
    "restore": ([CREATED, SNAPSHOT, {**CREATED, "cpus": 2}], {**SNAPSHOT, "state": "restored"}),
    "delete snapshot": ([CREATED, SNAPSHOT], {**SNAPSHOT, "state": "absent"}),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_task_is_completed_by_the_next(scenario, tmp_path):
    before, task = SCENARIOS[scenario]
    world = World(tmp_path / "played")
    world.project.rmdir()
    for one in before:
        assert world.run(**one).vm
    shutil.copytree(tmp_path / "played", tmp_path / "kept")
    whole = world.run(**task)
    assert whole.vm["changed"]
    end, seen = _standing(world), []
    for moment in (half / 2 for half in range(2, 2 * len(whole.calls) + 2)):
        shutil.rmtree(tmp_path / "played")
        shutil.copytree(tmp_path / "kept", tmp_path / "played")
        world.port.kill_at = moment
        with pytest.raises(Killed):
            world.run(**task)
        world.port.kill_at = None
        left = (_standing(world), world.files())
        if left in seen:
            continue  # The next run was already tested with exactly this state.
        seen.append(left)
        assert world.run(**task).vm, moment
        assert _standing(world) == end, moment
        assert scenario == "restore" or not world.run(**task).changed, moment


def _standing(world):
    """Everything that exists, without ids, addresses, and the records of the last start."""
    vms = [{**one, "address": ""} for one in world.vagrant.state()["machines"].values()]
    files = world.files()
    return vms, [name for name in sorted(files) if not name.endswith("polyvirt.json")], files.get(FILE)
