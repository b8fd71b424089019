# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many processes a look costs: two for all machines, and one more for each that runs."""

from __future__ import annotations

import pytest

from suite.carry import carry_one
from suite.shim import Shim
from virtualbox import double

MACHINES, RUNNING = 12, 4
NAMES = [f"many{number:02}" for number in range(MACHINES)]


@pytest.fixture(name="many")
def _many(played):
    for number, name in enumerate(NAMES):
        uuid = played.make(name, "ignores")
        if number < RUNNING:
            played.run("startvm", uuid, "--type", "headless")
    return double.Platform(played)


@pytest.mark.parametrize(
    ("about", "options"),
    [
        ("vm", {"name": NAMES, "memory": "16M", "description": "", "tags": []}),
        ("vm", {"name": NAMES[:RUNNING], "state": "started"}),
        ("vm_info", {}),
        ("vm_info", {"name": NAMES}),
    ],
)
def test_a_look_takes_two_processes_and_one_for_each_that_runs(many, tmp_path, about, options):
    run = carry_one(many, Shim(tmp_path / "shim", ["VBoxManage"]), tmp_path, options, about)
    assert (run.rc, run.result["changed"]) == (0, False), run.result
    assert [vm["name"] for vm in run.result["vms"]] == options.get("name", NAMES)
    assert sum(vm["state"] == "running" for vm in run.result["vms"]) == RUNNING
    assert 2 <= len(run.calls) <= 2 + RUNNING, [call.argv for call in run.calls]
