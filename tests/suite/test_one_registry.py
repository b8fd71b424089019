# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Forty tasks at once in one registry of VirtualBox, two for each VM: none fails, and no change is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from suite.by_ansible import run_playbook

PLAYS, HOSTS = 4, 10
#: Each host of the play is one of two tasks for a VM: ``pvb-m3-1`` is the second for ``pvb-m3``.
MACHINE, PART = "{{ inventory_hostname.rpartition('-')[0] }}", "{{ inventory_hostname[-1] }}"
#: The requests of both tasks; their settings are in the same file.
CHANGES = {
    "name": MACHINE,
    "port_forwards": [{"name": f"rule{PART}", "guest_port": f"808{PART}"}],
    "cpus": "{{ 2 if inventory_hostname[-1] == '0' else omit }}",
    "memory": "{{ '96M' if inventory_hostname[-1] == '1' else omit }}",
}


@pytest.mark.deep("what two tasks do at once: test_races.py, on the double")
def test_forty_tasks_at_once(box, tmp_path):
    box.clean()
    names = [f"{box.prefix}m{number}" for number in range(PLAYS * HOSTS // 2)]
    box.bring(dict.fromkeys(names, STOPPED))
    for uuid in box.ids().values():
        box.box.run("modifyvm", uuid, "--nic1", "nat")
    # Hosts are distributed to the plays in turn, so both tasks for a VM are in different plays and run in parallel.
    hosts = [f"{name}-{part}" for name in names for part in "10"]
    task = {
        "name": "change",
        f"{box.family}_vm": {**box.options("vm"), "executable": str(box.box.executable), **CHANGES},
    }
    with ThreadPoolExecutor(PLAYS) as pool:
        plays = [pool.submit(_play, box, tmp_path / str(number), task, hosts[number::PLAYS]) for number in range(PLAYS)]
        for play in plays:
            play.result()
    for name, machine in box.truth(names).items():
        settings = box.settings(machine)
        assert settings["port_forwards"] == {"rule0": ("tcp", 8080), "rule1": ("tcp", 8081)}, name
        assert (settings["cpus"], settings["memory"]) == (2, 96 << 20), name


def _play(box, folder, task, hosts):
    folder.mkdir()
    run_playbook(box, folder, [task], hosts)
