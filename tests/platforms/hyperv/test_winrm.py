# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks as users run them: ansible-playbook with its winrm connection and pywinrm, on a simulated Hyper-V host."""

from __future__ import annotations

import pytest

from platforms.hyperv.double.host import HyperV
from platforms.hyperv.double.records import Knobs
from platforms.windows.winrm_play import winrm_play
from platforms.windows.winrm_server import WinRMServer, through

#: Operations take no time, because nothing advances the host's clock while a playbook waits.
_AT_ONCE = dict.fromkeys(Knobs().seconds, 0.0)
NEW = {"name": "web", "state": "started", "memory": "1G", "disks": [{"size": "8G"}], "description": "2026-01-02 ä漢"}
TASKS = {
    "create": ("vm", NEW),
    "again": ("vm", NEW),
    "take": ("snapshot", {"name": "web", "snapshot": "one"}),
    "kill": ("vm", {"name": "web", "state": "stopped", "stop_mode": "force"}),
    "info": ("vm_info", {}),
    "drop": ("snapshot", {"name": "web", "snapshot": "one", "state": "absent"}),
    "remove": ("vm", {"name": "web", "state": "absent", "stop_mode": "force"}),
}


@pytest.fixture
def play(tmp_path, ansible_playbook):
    tasks = {label: (f"polyvirt.core.hyperv_{about}", options) for label, (about, options) in TASKS.items()}
    return winrm_play(tmp_path, ansible_playbook, tasks)


def test_life_of_a_vm(play):
    host = HyperV(knobs=Knobs(merge_delay=0.0, merge_seconds=0.0, seconds=_AT_ONCE))
    with WinRMServer(through(host.windows)) as server:
        done = play(server)
    assert [done[label]["changed"] for label in TASKS] == [True, False, True, True, False, True, True]
    (vm,) = done["info"]["vms"]
    assert (vm["state"], vm["description"], len(vm["snapshots"])) == ("stopped", NEW["description"], 1)
    assert host.vms == []
