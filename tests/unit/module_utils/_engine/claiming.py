# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform in memory whose VMs share files, MAC addresses and ports, as they do on real hosts.

The host does not prevent what real ones do not prevent: it records it as ``damage``.
"""

from __future__ import annotations

import posixpath
from copy import deepcopy
from dataclasses import dataclass, field

from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import NotFound, Refused
from ansible_collections.polyvirt.core.plugins.module_utils._core.frozen import replace
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    DESTRUCTIVE,
    LIVE,
    NEVER,
    NEXT_BOOT,
    ON,
    RUNNING,
    STOPPED,
    Field,
    File,
    Snapshot,
    Traits,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.planner.plan_create import find_snapshot
from ansible_collections.polyvirt.core.plugins.module_utils._core.sharing.claims import (
    DELETE,
    FILE,
    NEW,
    READ,
    SHARED,
    SNAPSHOT,
    UNREADABLE,
    WRITE,
    Claim,
    Held,
    HoldsClaims,
)
from ansible_collections.polyvirt.core.plugins.module_utils._ports import permits

from unit.module_utils._engine.world import GIB, FakeClock, Machine, World, refusal

DISK, COLLECTIONS = "disk0", ("disks", "networks", "port_forwards")
IMAGE, LINK = "/images/base.img", "/images/link.img"


def owned(name, power=STOPPED, disks=None, snapshots=(), **config):
    """A VM that this collection created; ``disks`` are {slot: path}, by default one that has the VM's name."""
    disks = {DISK: path_of(name, DISK)} if disks is None else disks
    entries = {slot: {"source": path, "size": GIB} for slot, path in disks.items()}
    config = {"cpus": 1, "memory": GIB, "disks": entries, "iso": "", **deepcopy(config)}
    mark = {"id": f"id-{name}", "files": [path for slot, path in disks.items() if path == path_of(name, slot)]}
    return Machine(name, f"id-{name}", power, config, mark=mark, snapshots=tuple(snapshots))


def path_of(name, slot):
    """The path at which the platform creates a disk."""
    return f"/vms/{name}-{slot}.img"


@dataclass
class Host:
    """A host with VMs, ``files`` {real path: path of its backing file or None}, and ``links`` {other name: real path}.

    ``damage`` are texts about data that tasks destroyed or risked, ``unreadable`` {path: VM name} of images.
    """

    machines: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    links: dict = field(default_factory=lambda: {LINK: IMAGE})
    name: str = "host1"
    unreadable: dict = field(default_factory=dict)
    damage: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self):
        self.files.setdefault(IMAGE, None)
        for machine in self.machines:
            for path in self.disks_of(machine):
                self.files.setdefault(path, None)

    def real(self, path):
        path = posixpath.normpath(path)
        return self.links.get(path, path)

    def chain(self, path):
        """The files below an image."""
        below = self.files.get(self.real(path))
        return [] if below is None else [below, *self.chain(below)]

    def is_base(self, path):
        return any(self.real(path) == below for below in self.files.values())

    def disks_of(self, machine):
        """The real paths of the disks that a VM writes to."""
        disks = machine.config.get("disks", {}).values()
        return [self.real(disk["source"]) for disk in disks if not (disk.get("read_only") or disk.get("shareable"))]

    def state(self):
        """What exists, to compare."""
        return deepcopy((self.machines, self.files))

    # What a host lets happen ------------------------------------------------------------------------------------------

    def check_write(self, machine, path, what):
        """Record that a file is written to that other files have as their backing file."""
        if self.is_base(path):
            self.damage.append(f"{machine.name}: {what} {path}, which is a backing file")

    def check_copy(self, source):
        """Record that a file is copied while a VM writes to it."""
        for machine in self.machines:
            if machine.power in ON and self.real(source) in self.disks_of(machine):
                self.damage.append(f"{source} is copied while {machine.name} writes to it")

    def check_start(self, machine):
        """A file that a running VM writes to is locked; a host port that is in use leads nowhere."""
        running = [other for other in self.machines if other is not machine and other.power in ON]
        for path in self.disks_of(machine):
            self.check_write(machine, path, "runs on")
            if any(path in self.disks_of(other) for other in running):
                raise refusal(f"{path} is locked")
        for port in ports_of(machine):
            if any(port in ports_of(other) for other in running):
                self.damage.append(f"{machine.name}: the forward of port {port} leads nowhere")

    def delete_file(self, path):
        real = self.real(path)
        permits.check(path, real)
        self.check_write(Machine("-", "-"), real, "deletes")
        for machine in self.machines:
            if real in self.disks_of(machine):
                self.damage.append(f"{real} of {machine.name} is deleted")
        del self.files[real]


def ports_of(machine):
    return [
        (one.get("protocol") or "tcp", one["host_port"]) for one in machine.config.get("port_forwards", {}).values()
    ]


class MemoryClaims(HoldsClaims):
    """What the VMs of a Host hold. ``calls`` are the ``wanted`` of each reading."""

    def __init__(self, host, instance):
        self._host, self._instance, self.calls = host, instance, []

    def read_place(self):
        return self._host.name, self._instance

    def held_now(self, wanted):
        return self.held(wanted)

    def takes_now(self, plan, step):
        return ()

    def held(self, wanted):
        self.calls.append(tuple(wanted))
        deleted = {claim.identity[1] for claim in wanted if claim.mode == DELETE}
        return [*(self._held(machine) for machine in self._host.machines), *self._detached(deleted)]

    def _detached(self, deleted):
        """Images that no VM has, that need a file below them, and that are not ``deleted`` themselves."""
        used = {path for machine in self._host.machines for path in self._host.disks_of(machine)}
        used |= deleted
        for path in [path for path, below in self._host.files.items() if below is not None and path not in used]:
            yield Held(self.owner_id(path), path, claims=tuple(self.file(path, WRITE, path)[1:]))

    def file_identity(self, path):
        return self._host.real(path)

    def chain(self, path):
        return self._host.chain(path)

    def step_files(self, plan, step):
        name = plan.after.name if step.verb in ("create", "clone") else plan.before.name
        return list(_step_files(name, plan.before, step))

    def _held(self, machine):
        claims, config = [], machine.config
        for slot, disk in config.get("disks", {}).items():
            mode = READ if disk.get("read_only") else SHARED if disk.get("shareable") else WRITE
            claims += self.file(disk["source"], mode, f"disks.{slot}", "source")
        claims += self.file(config["iso"], READ, "iso") if config.get("iso") else []
        for place, nic in config.get("networks", {}).items():
            claims += self.nic(nic, f"networks.{place}")
        for name, rule in config.get("port_forwards", {}).items():
            claims += self.forward(rule, f"port_forwards.{name}")
        for path in [path for path, user in self._host.unreadable.items() if user == machine.name]:
            claims.append(
                Claim(FILE, UNREADABLE, UNREADABLE, text=f"{path} cannot be read.", remedy="Make it readable.")
            )
        return Held(self.owner_id(machine.id), machine.name, machine.power, tuple(claims))


def _step_files(name, before, step):
    disks = (step.arguments.get("config") or {}).get("disks") or {}
    if step.verb in ("create", "clone"):
        yield from ((NEW, f"disks.{slot}", path_of(name, slot)) for slot, disk in disks.items() if _is_new(disk))
    for change in step.changes:
        if change.kind == "disks.add" and _is_new(change.new):
            yield NEW, f"disks.{change.key}", path_of(name, change.key)
        if change.kind == "log":
            yield WRITE, "log", change.new
    if step.verb == "snapshot":
        yield from ((SNAPSHOT, "snapshot", disk["source"]) for disk in before.config["disks"].values())


def _is_new(disk):
    return not disk.get("source")


class Claiming(World):
    """A driver for a Host; several drivers can be connected to one Host. ``bound``: disks are deleted with their VM."""

    file_options = ("log",)

    def __init__(self, host, instance="system", lane=None, bound=False, copies_running=False):
        super().__init__(lane=lane)
        self.host, self.clock, self.calls, self.machines = host, host.clock, host.calls, host.machines
        self.claims = self.held = MemoryClaims(host, instance)
        self._bound, self._copies_running = bound, copies_running
        #: {name of the VM: what earlier plans let go of} in the order of the checks.
        self.released = {}

    def traits(self):
        kinds = ("disks.add", "disks.remove", "disks.size", "disks.source", "networks.add", "networks.remove",
                 "networks.mac", "networks.type", "networks.source", "networks.address", "port_forwards.add",
                 "port_forwards.remove", "port_forwards.protocol", "port_forwards.host_port",
                 "port_forwards.host_address", "port_forwards.guest_port", "iso", "log", "description",
                 "fleet", "owner", "expires")  # fmt: skip
        return Traits(
            platform="memory",
            fields={
                **{kind: Field(cost=LIVE) for kind in kinds},
                **{kind: Field(cost=NEXT_BOOT) for kind in ("cpus", "memory")},
                "firmware": Field(cost=DESTRUCTIVE),
                "image": Field(),
                "clone": Field(cost=self._cost_of_clone, instead="Stop it first, or clone one of its snapshots."),
                **{f"snapshot.{what}": Field(cost=LIVE) for what in ("take", "drop", "restore")},
            },
            sources=("image", "clone", "disks"),
            defaults={"cpus": 1, "memory": GIB, "disk_size": GIB},
            copies_running=self._copies_running,
            transient=lambda error: "try later" in str(error),
        )

    def _cost_of_clone(self, source, change):
        asked = change.new
        possible = source.power == STOPPED or asked.get("snapshot") or (self._copies_running and not asked["linked"])
        return LIVE if possible else NEVER

    def preflight(self, plan, released=frozenset()):
        self.released[plan.after.name] = released
        for step in plan.steps:
            image = (step.arguments.get("creation") or {}).get("image") or {}
            if image and self.host.real(image["source"]) not in self.host.files:
                raise NotFound(f"{plan.after.name}: image.source: {image['source']} does not exist.")
            for mode, option, path in self.held.step_files(plan, step):
                if mode == NEW and self.host.real(path) in self.host.files and not self._is_free(plan, path, released):
                    raise Refused(f"{plan.after.name}: {option}: {path} already exists.", "Delete it.")
        super().preflight(plan, released)

    def _is_free(self, plan, path, released):
        deleted = [file for step in plan.steps if step.verb == "delete" for file in step.arguments["files"]]
        return path in deleted or (FILE, self.held.identity(path)) in released

    # The platform -----------------------------------------------------------------------------------------------------

    def _seen(self, machine, facets):
        seen = super()._seen(machine, facets)
        if "config" in facets:
            seen = replace(seen, config=deepcopy(machine.config))
        if "files" not in facets:
            return seen
        ours = machine.mark["files"] if machine.mark else ()
        paths = [disk["source"] for disk in machine.config["disks"].values()]
        return replace(seen, files=tuple(File(path, "disk", path in ours, (), self._bound) for path in paths))

    def _existing(self, vm):
        return next(machine for machine in self.machines if (machine.id == vm.id if vm.id else machine.name == vm.name))

    def _create(self, vm, step):
        config = deepcopy(dict(step.arguments["config"]))
        image = step.arguments["creation"].get("image") or {}
        if image and not image.get("linked"):
            self.host.check_copy(image["source"])
        self._add(vm.name, config, {DISK: self.host.real(image["source"])} if image.get("linked") else {})

    def _clone(self, vm, step):
        asked = step.arguments["creation"]["clone"]
        source = self._existing(step.arguments["source"])
        taken = find_snapshot(step.arguments["source"], asked.get("snapshot"))
        disks = (source.config if taken is None else taken.config)["disks"]
        for disk in disks.values() if taken is None and not self._copies_running else ():
            self.host.check_copy(disk["source"])
        below = {slot: self.host.real(disk["source"]) for slot, disk in disks.items()} if asked["linked"] else {}
        self._add(vm.name, deepcopy(dict(step.arguments["config"])), below)

    def _add(self, name, config, below):
        """Add a VM; ``below`` are the backing files of its new disks by slot."""
        assert name not in [machine.name for machine in self.machines], "created twice"
        config, created = {"disks": {}, "iso": "", **config}, []
        for slot, disk in config["disks"].items():
            if _is_new(disk):
                self._new_file(path_of(name, slot), below.get(slot))
                created.append(path_of(name, slot))
            config["disks"][slot] = {"size": GIB, "source": path_of(name, slot), **disk}
        self.machines.append(Machine(name, f"id-{name}", config=config, mark={"id": f"id-{name}", "files": created}))

    def _new_file(self, path, below=None):
        if self.host.real(path) in self.host.files:
            raise refusal(f"{path} exists")
        self.host.files[self.host.real(path)] = below

    def _configure(self, vm, step):
        machine = self._existing(vm)
        for change in step.changes:
            if change.kind == "disks.size":
                self.host.check_write(machine, machine.config["disks"][change.key]["source"], "grows")
            if change.kind == "disks.add" and _is_new(change.new):
                self._new_file(path_of(machine.name, change.key))
                machine.mark["files"].append(path_of(machine.name, change.key))
            self._put(machine, change)
        if machine.power in ON:
            self.host.check_start(machine)

    def _put(self, machine, change):
        if change.field not in COLLECTIONS:
            machine.config[change.field] = change.new
            return
        entries = machine.config.setdefault(change.field, {})
        if change.attribute is not None:
            entries[change.key] = {**entries[change.key], change.attribute: change.new}
        elif change.new is None:
            entries.pop(change.key, None)
        else:
            own = {"source": path_of(machine.name, change.key)} if change.field == "disks" else {}
            entries[change.key] = {**own, **change.new}

    def _start(self, vm, step):
        self.host.check_start(self._existing(vm))
        super()._start(vm, step)

    def _snapshot(self, vm, step):
        machine = self._existing(vm)
        taken = Snapshot(step.arguments["name"], power=machine.power, config=deepcopy(machine.config))
        machine.snapshots = (*machine.snapshots, taken)

    def _restore(self, vm, step):
        machine = self._existing(vm)
        for path in self.host.disks_of(machine):
            self.host.check_write(machine, path, "restores")
        taken = find_snapshot(vm, step.arguments["id"])
        machine.config, machine.power = deepcopy(dict(taken.config)), taken.power
        if machine.power == RUNNING:
            self.host.check_start(machine)

    def _delete(self, vm, step):
        super()._delete(vm, step)
        for path in step.arguments["files"]:
            self.host.delete_file(path)


# Hosts of the tests ---------------------------------------------------------------------------------------------------

DATA = "/data/data.img"
MAC = "52:54:00:00:00:01"


def nic(mac=MAC, source="lan"):
    return {"type": "network", "source": source, "mac": mac}


def forward(port=2222, **others):
    return {"ssh": {"guest_port": 22, "host_port": port, **others}}


def host(*machines, bases=(), data=True):
    """A function that returns a host with ``machines``; ``bases`` are (user, owner) of linked disks."""

    def make():
        made = Host([machine() for machine in machines])
        made.files.update({path_of(user, DISK): path_of(owner, DISK) for user, owner in bases})
        if data:
            made.files[DATA] = None
            made.links["/data/link.img"] = DATA
        return made

    return make


def existing(name, **details):
    return lambda: owned(name, **details)


def with_disk1(name, path=DATA, **details):
    return existing(name, disks={DISK: path_of(name, DISK), "disk1": path}, **details)


def disk1(path):
    """The second disk of a VM; None: it has none."""
    return {"disk1": path and {"source": path}}
