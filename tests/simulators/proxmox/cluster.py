# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of the cluster: nodes, machines with their guests, pools."""

from __future__ import annotations

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


@dataclass
class Guest:
    """How what runs in a machine behaves; seconds count from its start."""

    #: Before this the power button is not heard.
    boots_after: float = 10.0
    #: Seconds from the power button to being off; None: it is ignored.
    stops_within: float | None = 5.0
    agent_after: float = 20.0
    #: With their prefixes; None: what ipconfig0 says, or one by the machine's number.
    addresses: tuple | None = None
    #: False: the emulator itself must be killed.
    quits: bool = True
    #: An agent that answers with an error: its description.
    agent_error: str | None = None
    #: A simulators.guest_agent Agent that carries out commands; None: none is carried out.
    agent: object = None


@dataclass
class Machine:
    """One virtual machine; ``qmp`` is what its emulator says while it runs."""

    vmid: int
    node: str
    text: str = ""
    guest: Guest = field(default_factory=Guest)
    running: bool = False
    qmp: str = "running"
    started_at: float = 0.0
    pid: int = 0
    #: How often it was started: tells one run from the next.
    starts: int = 0
    ha: bool = False

    @property
    def config(self):
        return Config.parse(self.text)

    def write(self, config):
        """Keep a configuration. A volume that a drive uses again is no longer listed as unused."""
        options = config.current
        used = {value.split(",")[0] for key, value in options.items() if drives.is_drive(key)}
        for key in [key for key, value in options.items() if drives.is_unused(key) and value in used]:
            del options[key]
        self.text = config.render()

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
    #: {vmid: node} of containers: they take numbers away, no more.
    containers: dict = field(default_factory=dict)
    pools: dict = field(default_factory=dict)
    #: The datacenter's option tag-style: ``case-sensitive`` and ``ordering`` (get_unique_tags).
    tag_style: dict = field(default_factory=dict)
    #: {node: names of its bridges}
    bridges: dict = field(default_factory=dict)

    def has_quorum(self):
        return 2 * sum(node.online for node in self.nodes.values()) > len(self.nodes)

    def taken_by(self, vmid):
        """("VM" or "CT", node) of who has this number, or None."""
        if vmid in self.machines:
            return "VM", self.machines[vmid].node
        return ("CT", self.containers[vmid]) if vmid in self.containers else None

    def next_id(self):
        return next(number for number in range(100, 1_000_000_000) if self.taken_by(number) is None)

    def pool_of(self, vmid):
        return next((name for name, pool in self.pools.items() if vmid in pool.vms), None)
