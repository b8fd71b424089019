# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would fail half-way, or never be reached, is refused before anything is written, in a check too."""

from __future__ import annotations

import pytest

from simulators.proxmox import invariants, worlds
from unit.module_utils._drivers.proxmox.simulated import do


@pytest.fixture(name="world")
def _world():
    world = worlds.with_cases()
    yield world
    assert world.tasks.crashes == []
    assert invariants.violations(world) == []


def _refused(world, asked, *words):
    world.journal.clear()
    for check in (True, False):
        outcome = do(world, check=check, **asked)
        assert outcome.failed, (check, asked)
        for word in words:
            assert word in outcome.msg
    assert world.journal.writes() == []


def _left_unfinished(world, vmid):
    left = f'#<!-- polyvirt {{"id":"{vmid}","inputs":{{"clone":"9000"}},"unfinished":true,"v":1}} -->\n'
    world.cluster.machines[vmid].text = left + world.cluster.machines[vmid].text


@pytest.mark.parametrize(
    ("name", "state"),
    [("web2", "started"), ("web2", "restarted"), ("web1", "restarted"), ("web1", "paused"), ("web1", "suspended")],
)
def test_what_a_task_left_unfinished_is_not_made_to_run(world, name, state):
    """Else the task that began it would be refused for good; lists alone do not tell it."""
    vmid = {"web1": 100, "web2": 101}[name]
    _left_unfinished(world, vmid)
    _refused(world, {"name": name, "state": state}, name, str(vmid), "not finished", "task that began it")
    assert not do(world, name=name, state="stopped").failed
    finished = do(world, name=name, state="started", clone={"source": "tmpl"})
    assert not finished.failed, finished.msg
    assert [vm["id"] for vm in finished.vms] == [str(vmid)]
