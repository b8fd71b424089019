# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated cluster as one object, and a call to it."""

from __future__ import annotations

import random
import uuid
from dataclasses import replace

from . import web
from .access import Access
from .cluster import Cluster, Guest
from .engine import DrivenClock, Engine, FileLock
from .errors import ApiError
from .faults import Faults
from .journal import Effect, Journal
from .schema import Schema
from .statistics import Statistics
from .storage import Storages
from .tasks import Tasks
from .timing import Timing

#: {version: (version of QEMU, machine version to which Windows guests are pinned)}.
_EMULATORS = {7: ("7.2.0", "7.2"), 8: ("9.2.0", "9.2"), 9: ("10.1.2", "10.1")}


class World:
    """``local_node`` is the node to which clients connect; calls to other nodes are proxied."""

    def __init__(self, clock=None, version=(9, 2), local_node="pve1", seed=1):
        self.engine = Engine(clock or DrivenClock())
        self.schema = Schema(version)
        self.local_node = local_node
        self.timing = Timing()
        self.faults = Faults()
        self.journal = Journal()
        self.cluster = Cluster()
        self.storages = Storages(self.effect, self.faults.full_storages)
        self.access = Access(self.engine)
        self.access.pools_of = self.cluster.pools_of
        self.tasks = Tasks(self.engine, self.faults.of_step)
        self.statistics = Statistics(self)
        #: In the recorded calls no guest was started, so a start did not create the cloud-init drive.
        self.start_renews_cloudinit = True
        #: The behaviour of guests of new VMs.
        self.guest = Guest()
        self._random = random.Random(seed)
        self._flocks = {}
        #: Uploaded files, by the name of the server's temporary file.
        self.uploads = {}
        #: A function that returns the web.File of an URL.
        self.web = web.fetch

    @property
    def now(self):
        return self.engine.now

    @property
    def emulator(self):
        return _EMULATORS[self.schema.version[0]]

    def effect(self, vmid, text):
        self.journal.effects.append(Effect(self.now, vmid, text))

    def flock(self, vmid, path="/var/lock/qemu-server/lock-{}.conf"):
        """The lock file of one VM; it is on the VM's node."""
        name = path.format(vmid)
        return self._flocks.setdefault(name, FileLock(self.engine, name))

    def new_mac(self):
        tail = [self._random.randrange(256) for _number in range(3)]
        # Before 8.1, the whole address was random, except the bits "locally administered" and "unicast".
        head = [0xBC, 0x24, 0x11] if self.schema.version >= (8, 1) else self._local_head()
        return ":".join(f"{part:02X}" for part in head + tail)

    def new_guest(self):
        """The guest of a VM that is created now."""
        return replace(self.guest)

    def new_uuid(self):
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _local_head(self):
        return [self._random.randrange(256) & 0xFC | 0x02, self._random.randrange(256), self._random.randrange(256)]


class Call:
    """One validated request; ``params`` is {name: string}."""

    def __init__(self, world, user, params):
        self.world = world
        self.user = user
        self.params = params

    def get(self, name, default=None):
        return self.params.get(name, default)

    def flag(self, name):
        return self.params.get(name) == "1"

    def number(self, name, default=None):
        value = self.params.get(name)
        return default if value is None else int(value)

    @property
    def node(self):
        return self.params["node"]

    @property
    def vmid(self):
        return int(self.params["vmid"])

    def machine(self):
        """The VM of the path. Raises the error about its missing configuration file."""
        machine = self.world.cluster.machines.get(self.vmid)
        if machine is None or machine.node != self.node:
            raise missing(self.node, self.vmid)
        return machine

    def machine_or_none(self):
        machine = self.world.cluster.machines.get(self.vmid)
        return machine if machine and machine.node == self.node else None

    def options(self):
        """The parameters that are options of a VM's configuration."""
        return {key: value for key, value in self.params.items() if self.world.schema.option(key)}

    def task(self, type, work, id=None):
        """Start a task on the node of the path; returns its UPID, which is the answer to the call."""
        return self.world.tasks.start(self.node, type, self.vmid if id is None else id, self.user.id, work)

    def locked_task(self, type, work, timeout=None):
        """Start a task that holds the VM's lock file."""
        lock = self.world.flock(self.vmid)
        seconds = self.world.timing.flock if timeout is None else timeout
        return self.task(type, lambda task: lock.holding(work(task), seconds))


def missing(node, vmid):
    return ApiError(f"Configuration file 'nodes/{node}/qemu-server/{vmid}.conf' does not exist")


def not_found(call):
    """The other error about a missing VM, of calls that look for it in the cluster."""
    return ApiError(f"unable to find configuration file for VM {call.vmid} on node '{call.node}'")


def check_lock(config, *allowed):
    """Raise ApiError if the configuration is locked; its holder removes the lock."""
    lock = config.current.get("lock")
    if lock and lock not in allowed:
        raise ApiError(f"VM is locked ({lock})")
