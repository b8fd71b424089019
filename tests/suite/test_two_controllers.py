# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two controllers, each with half of the hosts of an inventory, change one cluster at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import RUNNING, STOPPED

from suite.answer import Task
from suite.by_ansible import run_ansible

#: Two processes of ansible-playbook take seconds.
pytestmark = pytest.mark.full

SHOP = [f"pvc-shop-{number}" for number in range(1, 7)]
OLD, OTHER, FOREIGN = "pvc-shop-old", "pvc-shop-db", "pvc-shop-foreign"
ALL = [*SHOP, OLD, OTHER, FOREIGN]
_VM = "polyvirt.core.proxmox_vm"


@pytest.fixture
def cluster(platform, carry):
    """A cluster with a VM of the fleet that is no longer listed, one of another fleet, and one of somebody else."""
    platform.clean()
    platform.bring({FOREIGN: STOPPED})
    made = [
        Task(name, {**platform.creation, "name": [name], "fleet": fleet})
        for name, fleet in ((OLD, "shop"), (OTHER, "db"))
    ]
    answers = carry(platform, made, ALL)
    assert [answer.msg for answer in answers.values() if answer.failed] == []
    return platform


def _play(platform, listed, retries):
    """Each host is a VM of the fleet; then one task deletes what is not ``listed``."""
    reach = platform.options("vm")
    create = {**reach, **platform.creation, "name": "{{ inventory_hostname }}", "fleet": "shop", "state": "started"}
    prune = {**reach, "name": listed, "fleet": "shop", "state": "started", "prune": True, "stop_mode": "force"}
    # The list has VMs that the other controller may not have created yet: they are no reason to fail.
    until = {"register": "pruned", "until": "pruned is not failed", "retries": retries, "delay": 1}
    tasks = [{"name": "create", _VM: create}, {"name": "prune", _VM: prune, "run_once": True, **until}]
    return [{"hosts": "all", "connection": "local", "gather_facts": False, "tasks": tasks}]


def _run(folder, platform, hosts, listed, retries=0):
    """Run the play for some of the hosts; return (exit code, output)."""
    folder.mkdir()
    playbook = folder / "playbook.json"
    playbook.write_text(json.dumps(_play(platform, listed, retries)), encoding="utf-8")
    words = ["-i", f"{','.join(SHOP)},", "--limit", ",".join(hosts), playbook]
    done = run_ansible(folder, "ansible-playbook", words)
    return done.returncode, done.stdout + done.stderr


def _both(tmp_path, platform, *listed, retries=0):
    halves = SHOP[::2], SHOP[1::2]
    with ThreadPoolExecutor(2) as pool:
        runs = [
            pool.submit(_run, tmp_path / str(number), platform, hosts, names, retries)
            for number, (hosts, names) in enumerate(zip(halves, listed))
        ]
        return [run.result() for run in runs]


def _powers(platform):
    return {name: state and state["power"] for name, state in platform.truth(ALL).items()}


@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_two_halves_at_once_end_like_one_run(cluster, tmp_path):
    """The list of ``prune`` is data, the same in both."""
    with cluster.hurried():
        runs = _both(tmp_path, cluster, SHOP, SHOP, retries=60)
        assert all(code == 0 for code, _output in runs), "\n".join(output for _code, output in runs)
        whole = _run(tmp_path / "whole", cluster, SHOP, SHOP)
    assert whole[0] == 0 and "changed=0" in whole[1] and "changed=1" not in whole[1], whole[1]
    kept = {OLD: None, OTHER: STOPPED, FOREIGN: STOPPED}
    assert _powers(cluster) == {**dict.fromkeys(SHOP, RUNNING), **kept}


@pytest.mark.parametrize("platform_name", ["proxmox"], indirect=True, scope="session")
def test_lists_that_are_made_from_the_hosts_of_a_run_delete_nothing_of_the_other(cluster, tmp_path):
    """What not to do: of the seven VMs of the fleet, each run lists three; the default of prune_max is three."""
    with cluster.hurried():
        created = _run(tmp_path / "whole", cluster, SHOP, [*SHOP, OLD])
        assert created[0] == 0, created[1]
        before = cluster.truth(ALL)
        runs = _both(tmp_path, cluster, SHOP[::2], SHOP[1::2])
    for code, output in runs:
        assert code != 0 and "set prune_max: 4" in output, output
    assert cluster.truth(ALL) == before
