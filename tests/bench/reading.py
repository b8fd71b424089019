# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading all machines of VirtualBox where each call takes long, against community.general's inventory plugin."""

from __future__ import annotations

import os
import sys
import tempfile

import contestants
from measure import Cost, interleaved, ratios, summary

from platforms.virtualbox import double_registry, real

MACHINES, RUNNING = 20, 4
ROUNDS = 5
#: What a call takes longer, as on a host with much to do.
DELAY = 0.1
LEAST_SPEEDUP = 4


def against_inventory(bench):
    """Both tell all machines with their settings and addresses; what Ansible itself takes is measured apart."""
    with tempfile.TemporaryDirectory(prefix="polyvirt-bench-") as folder, _virtualbox(folder) as box:
        for number in range(MACHINES):
            uuid = box.make(f"machine{number:03}", "ignores" if number < RUNNING else None)
            if number < RUNNING:
                box.run("startvm", uuid, "--type", "headless")
        which = "real" if isinstance(box, real.VirtualBox) else "double"
        bench.count("VBoxManage", box.executable, DELAY)
        ways = _ways(bench.folder)
        costs = interleaved(bench, ways, ROUNDS)
        processes = {name: bench.processes(ways[name]) for name in ("vbox_vm_info", "inventory")}
    alone = {"vbox_vm_info": _less(costs, "vbox_vm_info", "ping"), "inventory": _less(costs, "inventory", "empty")}
    ratio = ratios(alone["inventory"], alone["vbox_vm_info"])
    return {
        "virtualbox": which,
        "rounds": ROUNDS,
        "load": os.getloadavg()[0],
        "processes": processes,
        "seconds": summary(alone),
        "seconds with Ansible": summary(costs),
        "ratios": {"ratio": ratio},
        "met": {f"at least {LEAST_SPEEDUP} times faster": ratio["wall"]["median"] >= LEAST_SPEEDUP},
    }


def _virtualbox(folder):
    try:
        return real.VirtualBox(real.build(), folder, user=0)
    except real.NotAvailable as reason:
        print(f"VirtualBox is not available ({reason}): a double stands in its place", file=sys.stderr)
        return double_registry.VirtualBox(folder)


def _ways(folder):
    inventory, empty = folder / "inventory.virtualbox.yml", folder / "inventory.empty.yml"
    inventory.write_text("plugin: community.general.virtualbox\n", encoding="utf-8")
    empty.write_text("all: {}\n", encoding="utf-8")
    return {
        "vbox_vm_info": contestants.write_playbook(folder / "info.yml", {"polyvirt.core.vbox_vm_info": {}}),
        "inventory": inventory,
        "ping": contestants.write_playbook(folder / "ping.yml", contestants.ping()),
        "empty": empty,
    }


def _less(costs, way, nothing):
    """What a way takes more than Ansible does for nothing, round by round."""
    return [
        Cost(one.cpu - none.cpu, one.wall - none.wall) for one, none in zip(costs[way], costs[nothing], strict=True)
    ]
