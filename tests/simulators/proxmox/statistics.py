# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What /cluster/resources tells of machines: the last broadcast of each node, about ten seconds old."""

from __future__ import annotations

from dataclasses import replace


class Statistics:
    """Renewed by itself as time goes on."""

    def __init__(self, world):
        #: {vmid: (second, the machine as it was)}: measured only when somebody looks.
        self._sent = {}
        self._world = world
        # A scenario may set another interval before time goes on.
        world.engine.after(world.timing.statistics, self._renew_and_again)

    def renew(self):
        """Let all nodes that are there broadcast now."""
        cluster, now = self._world.cluster, self._world.now
        there = cluster.machines
        known = {vmid: sent for vmid, sent in self._sent.items() if vmid in there}
        for vmid, machine in there.items():
            if cluster.nodes[machine.node].online:
                known[vmid] = (now, replace(machine))
        self._sent = known

    def of(self, vmid):
        """What the last broadcast told of a machine; one that is new has none."""
        if vmid not in self._sent:
            return {"status": "unknown", "template": 0}
        second, machine = self._sent[vmid]
        return measured(self._world, machine, second)

    def _renew_and_again(self):
        if not self._world.faults.statistics_frozen:
            self.renew()
        self._world.engine.after(self._world.timing.statistics, self._renew_and_again)


def measured(world, machine, second=None):
    """The values of one machine as its node measures them."""
    second = world.now if second is None else second
    options = machine.config.next_start()
    running = machine.running
    return {
        "name": options.get("name", f"VM {machine.vmid}"),
        "status": machine.qmp if running else "stopped",
        "template": int(options.get("template", "0")),
        "uptime": int(second - machine.started_at) if running else 0,
        "maxcpu": int(options.get("sockets", "1")) * int(options.get("cores", "1")),
        "cpu": 0.01 if running else 0,
        "maxmem": memory_of(options) << 20,
        "mem": memory_of(options) << 19 if running else 0,
        "maxdisk": disk_size(world, options, machine.node),
        "disk": 0,
        "netin": 0,
        "netout": 0,
        "diskread": 0,
        "diskwrite": 0,
    }


def memory_of(options):
    """MiB that a machine is given."""
    return int(options.get("memory", "512").removeprefix("current=").split(",")[0])


def disk_size(world, options, node):
    """Bytes of the first disk, as the list of machines shows them."""
    for bus in ("scsi", "virtio", "sata", "ide"):
        value = options.get(f"{bus}0")
        volume = world.storages.volume(value.split(",")[0], node) if value and "media=cdrom" not in value else None
        if volume:
            return volume.size
    return 0
