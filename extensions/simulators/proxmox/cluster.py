# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the cluster: nodes, VMs with their guests, pools."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import drives
from .config import Config
from .storage import GIB


@dataclass
class Node:
    name: str
    ip: str
    online: bool = True
    cpus: int = 8
    memory: int = 64 * GIB
    #: The machine that its kernel reports.
    machine: str = "x86_64"
    #: Seconds by which its clock is wrong.
    clock_ahead: int = 0
    #: Addresses of its PCI devices, and whether they have IOMMU groups.
    pci: tuple = ("0000:01:00.0", "0000:01:00.1", "0000:02:00.0", "0000:03:00.0")
    iommu: bool = True
    #: {port: vendor and product} of its USB devices.
    usb: dict = field(default_factory=lambda: {"1-4": "046d:c52b"})


@dataclass
class Guest:
    """The behaviour of a guest; seconds count from the VM's start."""

    #: Before this, the guest does not react to the power button.
    boots_after: float = 10.0
    #: Seconds from the power button to the end; None: the guest ignores it.
    stops_within: float | None = 5.0
    agent_after: float = 20.0
    #: Addresses with prefixes; None: the one of ipconfig0, or one derived from the VMID.
    addresses: tuple | None = None
    #: False: the emulator does not react and must be killed.
    quits: bool = True
    #: The description of the error with which the agent answers.
    agent_error: str | None = None
    #: A simulators.guest_agent Agent that runs commands; None: commands are not run.
    agent: object = None


@dataclass
class Machine:
    """One VM; ``qmp`` is the state that its emulator reports while it runs."""

    vmid: int
    node: str
    text: str = ""
    guest: Guest = field(default_factory=Guest)
    running: bool = False
    qmp: str = "running"
    started_at: float = 0.0
    pid: int = 0
    #: The number of starts, to distinguish one run from the next.
    starts: int = 0
    ha: bool = False
    #: Addresses of the PCI devices with which it was started.
    devices: tuple = ()
    #: Whether the guest's file systems are frozen.
    frozen: bool = False
    #: The emulator was started by vzdump to read the disks; the guest does not run.
    only_for_backup: bool = False

    @property
    def config(self):
        return Config.parse(self.text)

    def write(self, config):
        """Store a configuration. Entries of unused volumes are removed if a drive uses the volume again."""
        options = config.current
        used = {value.split(",")[0] for key, value in options.items() if drives.is_drive(key)}
        for key in [key for key, value in options.items() if drives.is_unused(key) and value in used]:
            del options[key]
        self.text = config.render()

    @property
    def state(self):
        """The state in lists: while vzdump saves a stopped VM, it looks like a running one (vzdump_busy)."""
        if not self.running:
            return "stopped"
        return "running" if self.only_for_backup else self.qmp

    def agent_answers(self, now):
        return self.running and self.qmp == "running" and now >= self.started_at + self.guest.agent_after


@dataclass
class Pool:
    comment: str = ""
    vms: set = field(default_factory=set)
    storages: set = field(default_factory=set)


@dataclass
class Cluster:
    nodes: dict = field(default_factory=dict)
    machines: dict = field(default_factory=dict)
    #: {vmid: node} of containers, which only occupy VMIDs.
    containers: dict = field(default_factory=dict)
    pools: dict = field(default_factory=dict)
    #: The datacenter option tag-style: ``case-sensitive`` and ``ordering`` (get_unique_tags).
    tag_style: dict = field(default_factory=dict)
    #: The other options of the datacenter that were set.
    datacenter: dict = field(default_factory=dict)
    #: {node: names of its bridges}
    bridges: dict = field(default_factory=dict)
    #: Names of bridges without a port that are not VLAN aware: no NIC with a VLAN starts there.
    bridges_without_port: set = field(default_factory=set)
    #: Names of bridges that are VLAN aware; a new bridge is not.
    vlan_aware: set = field(default_factory=set)
    #: {"pci" or "usb": {mapping: {node: its devices}}}
    mappings: dict = field(default_factory=lambda: {"pci": {}, "usb": {}})

    def has_quorum(self):
        return 2 * sum(node.online for node in self.nodes.values()) > len(self.nodes)

    def taken_by(self, vmid):
        """("VM" or "CT", node) of the owner of this VMID, or None."""
        if vmid in self.machines:
            return "VM", self.machines[vmid].node
        return ("CT", self.containers[vmid]) if vmid in self.containers else None

    def next_id(self):
        return next(number for number in range(100, 1_000_000_000) if self.taken_by(number) is None)

    def pool_of(self, vmid):
        return next((name for name, pool in self.pools.items() if vmid in pool.vms), None)

    def pools_of(self, path):
        """The pools of which the VM or storage of a path is a member."""
        found = re.fullmatch(r"/(?:vms/(\d+)|storage/([^/]+))", path)
        if not found:
            return []
        vmid, storage = found.groups()
        return [
            name for name, pool in self.pools.items() if (vmid and int(vmid) in pool.vms) or storage in pool.storages
        ]
