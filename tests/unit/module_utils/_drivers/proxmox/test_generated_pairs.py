# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated pairs of a machine on the simulated cluster and a task about it: a check run foretells the real run.

So many as POLYVIRT_PAIRS says; the release takes 10,000.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from simulators.proxmox import invariants
from unit.module_utils._drivers.proxmox.pairs import ASKED, machines, options_of, world_with
from unit.module_utils._drivers.proxmox.simulated import do

PAIRS = int(os.environ.get("POLYVIRT_PAIRS", "300"))


@settings(
    max_examples=PAIRS, derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(machines(), ASKED)
def test_a_check_run_foretells_the_real_run(machine, asked):
    world, asked = world_with(machine), options_of(asked)
    check = do(world, check=True, **asked)
    assert world.journal.writes() == []
    real = do(world, **asked)
    assert (check.failed, check.msg) == (real.failed, real.msg)
    assert (check.changed, check.diff) == (real.changed, real.diff)
    assert bool(world.journal.writes()) == real.changed
    assert world.tasks.crashes == []
    assert (invariants.violations(world), invariants.orphans(world)) == ([], [])
    if real.failed:
        return
    assert check.vms[0]["state"] == real.vms[0]["state"]
    assert [step["verb"] for step in check.vms[0]["steps"]] == [step["verb"] for step in real.vms[0]["steps"]]
    _nothing_is_left(world, asked)


def _nothing_is_left(world, asked):
    """A second run, for which what must happen once has happened, writes nothing."""
    world.journal.clear()
    again = do(world, **{**asked, "state": "started" if asked["state"] == "restarted" else asked["state"]})
    assert (again.failed, again.changed, again.diff) == (False, False, []), again.msg
    assert world.journal.writes() == []
