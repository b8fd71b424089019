# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines on three nodes of the simulated cluster, against community.proxmox in a loop: all runs as asked already.

The cluster's statistics lag for good, and one machine was started behind everybody's back: they say that it is off.
"""

from __future__ import annotations

import sys

import contestants
from measure import Bench, interleaved, ratios

from simulators.proxmox import behind, worlds
from simulators.proxmox.engine import RealClock
from simulators.proxmox.server import Server

ROUNDS = 9
OURS, THEIRS = "proxmox_vm", "kvm loop"


def against_loop(bench, count):
    """One task over ``count`` machines, all settings compared, against a loop that compares the power."""
    world = worlds.with_many(count, RealClock())
    late = next(vmid for vmid, machine in world.cluster.machines.items() if not machine.running)
    for vmid in [vmid for vmid, machine in world.cluster.machines.items() if not machine.running and vmid != late]:
        behind.power(world, vmid, on=True)
    world.statistics.renew()
    world.faults.statistics_frozen = True
    behind.power(world, late, on=True)
    folder = bench.folder / f"cluster-{count}"
    folder.mkdir(exist_ok=True)
    # The libraries of both are in this environment alone.
    own = Bench(folder, sys.executable)
    with Server(world) as server:
        ways = _ways(folder, server, [machine.config.current["name"] for machine in world.cluster.machines.values()])
        costs = interleaved(own, ways, ROUNDS)
    return costs, {"ratio": ratios(costs[THEIRS], costs[OURS])}


def _ways(folder, server, names):
    way = {
        "api_host": "localhost",
        "api_port": server.port,
        "api_user": "root@pam",
        "api_token_id": "test",
        "api_token_secret": worlds.TOKEN_SECRET,
        "ca_path": str(server.authority),
    }
    as_asked = {"register": "result", "failed_when": "result is failed or result is changed"}
    ours = {
        "name": names,
        "state": "started",
        "cpus": 2,
        "memory": "2G",
        "os_type": "linux",
        "description": "",
        "tags": [],
        "autostart": False,
        "disks": [{"size": "32G"}],
        "networks": [{"type": "bridged", "source": "vmbr0", "model": "virtio"}],
    }
    loop = {"community.proxmox.proxmox_kvm": {**way, "name": "{{ item }}", "state": "started"}, "loop": names}
    return {
        OURS: contestants.write_playbook(
            folder / "ours.yml", {"polyvirt.core.proxmox_vm": {**way, **ours}, **as_asked}, in_process=True
        ),
        THEIRS: contestants.write_playbook(folder / "loop.yml", {**loop, **as_asked}),
    }
