# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the simulated cluster behind HTTPS, in which time passes with requests and with what modules sleep.

The simulator is asked how things stand through an interface of its own, so the API under test has no part in it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.adapter import Adapter
from platforms.proxmox import own, reading
from platforms.proxmox.asking import Asking

PREFIX = "pvc-"
#: Seconds that pass with each request.
_TICK, _HURRIED = 0.25, 2
_NODES = ("pve1", "pve2", "pve3")
_MEDIUM = "nfs:iso/medium.iso"
#: What brings a machine that runs into another power.
_WORDS = {STOPPED: "stop", PAUSED: "suspend", SUSPENDED: "suspend", RUNNING: "start"}


class Platform(Asking, Adapter):
    """A cluster whose machines are named by a prefix."""

    name = "proxmox"
    family = "polyvirt.core.proxmox"
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": "16M"}], "networks": []}
    #: Chosen with the firmware alone, and for good: both have tests of their own.
    unusable: ClassVar = frozenset({"secure_boot", "template"})
    slots = ("scsi0", "scsi1")
    card: ClassVar = {"type": "bridged"}
    network_card: ClassVar = {"type": "bridged"}
    handles_files = False
    other_format = "qcow2"
    linked_needs = "template"
    native_values = (({"numa": True, "scsi0": "ssd=1"}, "1"), ({"numa": False, "hookscript": ""}, "0"))

    def __init__(self, prefix=PREFIX):
        super().__init__(prefix)
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}proxmox"

    @property
    def storage(self):
        return self.folder

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"cloud_init": {"user": "me", "password": secret}}

    @contextmanager
    def kept(self):
        """The cluster serves; at the end all is gone."""
        # Its packages are the tests' own: who only asks how things stand needs none of them.
        from simulators.proxmox import worlds
        from simulators.proxmox.cluster import Pool
        from simulators.proxmox.engine import DrivenClock
        from simulators.proxmox.server import Server
        from simulators.proxmox.storage import MIB, Volume

        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        version = tuple(map(int, os.environ.get("POLYVIRT_TEST_PROXMOX", "9.1").split(".")))
        world = worlds.cluster(DrivenClock(), version)
        world.timing.refused = 0
        world.guest.boots_after = 0
        shared = world.storages.get("nfs")
        shared.volumes[shared.key("pve1", "iso/medium.iso")] = Volume(MIB, "raw", "iso")
        for pool in ("pool-a", "pool-b"):
            world.cluster.pools[pool] = Pool()
        try:
            with Server(world, folder=self.folder, tick=_TICK) as server:
                self.world, self.server = world, server
                connection = {"port": server.port, "authority": str(server.authority), "secret": worlds.TOKEN_SECRET}
                (self.folder / "server.json").write_text(json.dumps(connection), encoding="utf-8")
                yield
            assert not world.tasks.crashes, world.tasks.crashes
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def hurried(self):
        self.server.tick = _HURRIED
        yield
        self.server.tick = _TICK

    def traits(self):
        return proxmox_traits()

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        return call.argv[0] != "GET"

    def noted(self):
        """All calls since the last time, as words."""
        requests = self.ask("journal", clear=True)["requests"]
        return [(one["method"], one["path"], json.dumps(one["params"], sort_keys=True)) for one in requests]

    # Behind the module's back ---------------------------------------------------------------------------------------

    def medium(self):
        """An ISO image that all nodes have."""
        return _MEDIUM

    def all_names(self):
        return [one["current"].get("name") for one in self.ask("machines")]

    def ids(self):
        """{name: number} of the machines in the namespace."""
        machines = self.ask("machines")
        named = {one["current"].get("name"): str(one["vmid"]) for one in machines}
        return {name: vmid for name, vmid in named.items() if name and name.startswith(self.prefix)}

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running ...}}; absent ones are None."""
        found = {one["current"].get("name"): reading.standing(one) for one in self.ask("machines")}
        return {name: found.get(name) for name in names}

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``."""
        return reading.settings(machine, which)

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a machine's snapshots."""
        return reading.snapshots(next(one for one in self.ask("machines") if one["current"].get("name") == name))

    # Disks and what is on them --------------------------------------------------------------------------------------

    def disk_of(self, name):
        return self.disks_of(self.truth([name])[name])["scsi0"]

    def disks_of(self, machine):
        """{slot: volume} of a machine; ``machine`` is from ``truth``."""
        return reading.disks(machine["stored"])

    def write(self, name, byte, slot="scsi0"):
        """Let a guest have written this byte all over a disk."""
        self.ask("write", vmid=int(self.ids()[name]), slot=slot, byte=byte)

    def holds(self, machine, byte, slot="scsi0"):
        """Whether it is there; ``machine`` is from ``truth``."""
        volume = reading.drive(machine["stored"][slot])["file"]
        return self.ask("volumes")[volume]["written"] == byte

    def stands_on(self, machine):
        """All images that a machine's disks stand on."""
        volumes = self.ask("volumes")
        bases = {
            f"{volume.partition(':')[0]}:{volumes[volume]['base']}"
            for volume in (reading.drive(machine["stored"][slot])["file"] for slot in self.disks_of(machine))
            if volumes[volume]["base"]
        }
        return {reading.as_disk(base) for base in bases}

    def identities(self, machine):
        """All that no two machines may share: number, MACs, disks, UUIDs."""
        return {
            machine["id"],
            *reading.macs(machine["stored"]),
            *self.disks_of(machine).values(),
            machine["stored"]["smbios1"],
            machine["stored"]["vmgenid"],
        }

    def seeds_of(self, machine):
        """None is made by the collection: the server makes each machine's own from its options."""
        return []

    def contents(self):
        """{volume: what is on it} of every disk, media and other things' aside; a template's disks are the same."""
        volumes = self.ask("volumes").items()
        return {reading.as_disk(name): one["written"] for name, one in volumes if one["content"] == "images"}

    def files(self):
        """All volumes of the cluster."""
        return sorted(self.ask("volumes"))

    def take_snapshot(self, name, snapshot):
        self.api("POST", f"{self._path(name)}/snapshot", snapname=snapshot)

    def take_standing(self, name, snapshot):
        """Linked clones stand on a template."""
        self.api("POST", f"{self._path(name)}/template")

    # What only this platform has ------------------------------------------------------------------------------------

    def changes_while_stopped(self):
        # What is protected is not removed.
        return [{"protection": False}]

    def own_refusals(self, known, new):
        return own.refusals(self, known, new)

    def own_settings(self):
        return own.settings()

    def handle(self, name):
        """A number by which the API knows this machine, though it is another one's name."""
        return self.ids()[name]

    def define_as(self, word):
        """A machine with a name that is not the namespace's."""
        self.define(word)

    def remove_by_name(self, name):
        """Remove one machine if it is there; for names that cannot begin as the namespace's do."""
        for one in self.ask("machines"):
            if one["current"].get("name") == name:
                self._remove(one)

    # Bringing machines about ----------------------------------------------------------------------------------------

    def clean(self):
        """No machine of the cluster is left, templates last."""
        for one in sorted(self.ask("machines"), key=lambda one: one["current"].get("template", "0")):
            self._remove(one)

    def _remove(self, machine):
        path = f"/nodes/{machine['node']}/qemu/{machine['vmid']}"
        if machine["power"] != "stopped":
            self.api("POST", f"{path}/status/stop")
        if machine["current"].get("protection") == "1":
            self.api("PUT", f"{path}/config", protection=0)
        self.api("DELETE", path)

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}; those ``hearing`` obey the button."""
        for name, power in names.items():
            if power == ABSENT:
                continue
            self.define(name, hears=name in hearing)
            if power != STOPPED:
                self.move(name, RUNNING)
                self.move(name, power)

    def define(self, name, hears=False):
        """A machine of one processor, with one disk and without a card."""
        vmid = int(self.api("GET", "/cluster/nextid"))
        node = _NODES[vmid % len(_NODES)]
        size = 16 / 1024
        self.api(
            "POST", f"/nodes/{node}/qemu", vmid=vmid, name=name, cores=1, memory=128, scsi0=f"local-lvm:{size}",
            scsihw="virtio-scsi-single", ide2="none,media=cdrom",
        )  # fmt: skip
        self.world.cluster.machines[vmid].guest.stops_within = 2 if hears else None

    def move(self, name, power):
        """Bring a machine into ``power``, from whichever a call of the API can."""
        now = self.truth([name])[name]["power"]
        if power == FAILED:
            self.ask("fail", vmid=int(self.ids()[name]))
        elif now != power:
            word = "resume" if (now, power) == (PAUSED, RUNNING) else _WORDS[power]
            more = {"todisk": 1} if power == SUSPENDED else {}
            self.api("POST", f"{self._path(name)}/status/{word}", **more)

    def _path(self, name):
        found = next(one for one in self.ask("machines") if one["current"].get("name") == name)
        return f"/nodes/{found['node']}/qemu/{found['vmid']}"
