# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks killed before or after any of their calls: a second run has the same result as a run that was not killed."""

from __future__ import annotations

import shutil

import pytest

from unit.module_utils._drivers.vagrant.in_process import BOX, FILE, Killed, World

CREATED = {"box": BOX, "cpus": 1, "state": "started", "stop_mode": "force"}
SNAPSHOT = {"about": "snapshot", "snapshot": "one"}
#: {name: (earlier tasks, the task that is killed)}.
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
def test_killed_task_is_completed_by_the_next_run(scenario, tmp_path):
    before, task = SCENARIOS[scenario]
    world = World(tmp_path / "world")
    world.project.rmdir()
    for one in before:
        assert world.run(**one).vm
    shutil.copytree(tmp_path / "world", tmp_path / "copy")
    uninterrupted = world.run(**task)
    assert uninterrupted.vm["changed"]
    expected, tested = _existing(world), []
    for moment in (half / 2 for half in range(2, 2 * len(uninterrupted.calls) + 2)):
        shutil.rmtree(tmp_path / "world")
        shutil.copytree(tmp_path / "copy", tmp_path / "world")
        world.port.kill_at = moment
        with pytest.raises(Killed):
            world.run(**task)
        world.port.kill_at = None
        interrupted = (_existing(world), world.files())
        if interrupted in tested:
            continue  # The next run was already tested with exactly this state.
        tested.append(interrupted)
        assert world.run(**task).vm, moment
        assert _existing(world) == expected, moment
        assert scenario == "restore" or not world.run(**task).changed, moment


def _existing(world):
    """All VMs and files, without ids, addresses, and the records of the last start."""
    vms = [{**one, "address": ""} for one in world.vagrant.state()["machines"].values()]
    files = world.files()
    return vms, [name for name in sorted(files) if not name.endswith("polyvirt.json")], files.get(FILE)
