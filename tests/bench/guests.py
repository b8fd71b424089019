# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status of thirty guests at once, against the smallest task by SSH that takes the same second.

The guests are this host: an ssh that runs the command here, so that only Ansible and the script are compared.
"""

from __future__ import annotations

import os
from unittest import mock

import contestants
from measure import interleaved, ratios, summary

GUESTS, ROUNDS, MOST_RATIO = 30, 3, 1.5
OURS, THEIRS = "guest_status", "raw"
_SSH = '#!/bin/sh\nfor word; do :; done\nexec sh -c "$word"\n'


def against_raw(bench):
    """``guest_status`` on all guests, against ``raw`` with ``sleep 1``; the connections of each are counted."""
    ssh = bench.folder / "guest-ssh"
    ssh.write_text(_SSH, encoding="utf-8")
    ssh.chmod(0o755)
    counting = bench.count("ssh", str(ssh))
    playbooks = {name: _playbook(bench.folder / f"{name}.yml", counting, name) for name in (OURS, THEIRS)}
    with mock.patch.dict(os.environ, ANSIBLE_FORKS=str(GUESTS)):
        costs = interleaved(bench, playbooks, ROUNDS)
        processes = {name: bench.processes(playbook) for name, playbook in playbooks.items()}
    ratio = ratios(costs[OURS], costs[THEIRS])
    return {
        "rounds": ROUNDS,
        "load": os.getloadavg()[0],
        "processes": processes,
        "seconds": summary(costs),
        "ratios": {"ratio": ratio},
        "met": {
            "one connection for each guest": processes[OURS]["ssh"] == GUESTS,
            f"at most {MOST_RATIO} times the time of raw": ratio["wall"]["median"] <= MOST_RATIO,
        },
    }


def _playbook(path, ssh, module):
    task = {"polyvirt.core.guest_status": {}} if module == OURS else {"ansible.builtin.raw": "sleep 1"}
    add = {"name": "guest{{ item }}", "groups": "guests", "ansible_connection": "ssh", "ansible_host": "guest"}
    listed = {"ansible.builtin.add_host": {**add, "ansible_ssh_executable": str(ssh)}, "loop": list(range(GUESTS))}
    return contestants.write_plays(
        path,
        {"hosts": "localhost", "gather_facts": False, "tasks": [listed]},
        {"hosts": "guests", "gather_facts": False, "tasks": [task]},
    )
