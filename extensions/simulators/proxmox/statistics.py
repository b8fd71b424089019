# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data of /cluster/resources about VMs: the last broadcast of each node, about ten seconds old."""

from __future__ import annotations

from dataclasses import replace


class Statistics:
    """The data of all VMs, updated at intervals of the simulated time."""

    def __init__(self, world):
        #: {vmid: (time, copy of the VM at that time)}; values are calculated only when they are read.
        self._sent = {}
        self._world = world
        # A scenario may set another interval before the time advances; 0: the data is always that of the moment.
        world.engine.after(world.timing.statistics, self._renew_and_again)

    def renew(self):
        """All online nodes broadcast now."""
        cluster, now = self._world.cluster, self._world.now
        there = cluster.machines
        known = {vmid: sent for vmid, sent in self._sent.items() if vmid in there}
        for vmid, machine in there.items():
            if cluster.nodes[machine.node].online:
                known[vmid] = (now, replace(machine))
        self._sent = known

    def of(self, vmid):
        """The data of a VM in the last broadcast; a new VM has the status unknown."""
        if not self._world.timing.statistics:
            return measured(self._world, self._world.cluster.machines[vmid])
        if vmid not in self._sent:
            return {"status": "unknown", "template": 0}
        second, machine = self._sent[vmid]
        return measured(self._world, machine, second)

    def _renew_and_again(self):
        if not self._world.faults.statistics_frozen:
            self.renew()
        self._world.engine.after(self._world.timing.statistics or 10.0, self._renew_and_again)


def measured(world, machine, second=None):
    """The measured values of one VM."""
    second = world.now if second is None else second
    options = machine.config.current
    running = machine.running
    found = {
        "name": options.get("name", f"VM {machine.vmid}"),
        "status": machine.state,
        "template": int(options.get("template", "0")),
        "uptime": int(second - machine.started_at) if running else 0,
        "maxcpu": reported_cpus(world, machine, options),
        "cpu": 0.01 if running else 0,
        "maxmem": memory_of(options) << 20,
        "mem": memory_of(options) << 19 if running else 0,
        "memhost": memory_of(options) << 19 if running else 0,
        "maxdisk": disk_size(world, options, machine.node),
        "disk": 0,
        "netin": 0,
        "netout": 0,
        "diskread": 0,
        "diskwrite": 0,
    }
    if options.get("balloon", "0") != "0":
        found |= {"balloon_min": int(options["balloon"]) << 20, "shares": int(options.get("shares", "1000"))}
    return found | ({"serial": 1} if any(key.startswith("serial") for key in options) else {})


def cpus_of(options):
    """The number of CPUs of a VM."""
    return int(options.get("sockets", "1")) * int(options.get("cores", "1"))


def reported_cpus(world, machine, options):
    """The number of CPUs in lists: never more than those of the node (vmstatus in QemuServer.pm)."""
    return min(cpus_of(options), world.cluster.nodes[machine.node].cpus)


def memory_of(options):
    """The memory of a VM in MiB."""
    return int(options.get("memory", "512").removeprefix("current=").split(",")[0])


def disk_size(world, options, node):
    """The size of the first disk in bytes, as the list of VMs shows it."""
    for bus in ("scsi", "virtio", "sata", "ide"):
        value = options.get(f"{bus}0")
        volume = world.storages.volume(value.split(",")[0], node) if value and "media=cdrom" not in value else None
        if volume:
            return volume.size
    return 0
