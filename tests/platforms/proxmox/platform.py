# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the simulated cluster behind HTTPS. Requests and the sleep of modules advance its clock.

The state is read through the simulator's own interface, without the API under test.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits

from platforms.adapter import Adapter
from platforms.proxmox import own, reading
from platforms.proxmox.client import Client
from suite.sentinels import NAME as THEIRS

PREFIX = "pvc-"
#: Seconds by which the simulated time advances with each request; the second value while ``hurried``.
_TICK, _HURRIED = 0.25, 2
_NODES = ("pve1", "pve2", "pve3")
#: The VM of somebody else, far from the numbers that the simulator gives to new VMs.
_THEIR_VMID = 987654
_MEDIUM = "nfs:iso/medium.iso"
#: The image that all nodes of the simulated cluster have.
_OWN_IMAGE = "local:import/x.qcow2"
#: The call that changes a VM to each power state.
_WORDS = {STOPPED: "stop", PAUSED: "suspend", SUSPENDED: "suspend", RUNNING: "start"}


class Platform(Client, Adapter):
    """A cluster with VMs that have a common name prefix."""

    name = "proxmox"
    _own = own
    family = "polyvirt.core.proxmox"
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": "16M"}], "networks": []}
    #: These have their own tests: they can only be set once, secure_boot together with firmware.
    unusable: ClassVar = frozenset({"architecture", "secure_boot", "template"})
    arm64_error, arm64_drive = None, "scsi30"
    slots = ("scsi0", "scsi1")
    drives = ("ide2", "sata3")
    nic: ClassVar = {"type": "bridged"}
    cloneable_nic: ClassVar = {"type": "bridged"}
    handles_files = False
    resumes_downloads = links_images = False
    forgets_images = True
    #: The content of the storage, and the architecture of the node.
    calls_to_find_an_image = 2
    other_format = "qcow2"
    linked_needs = "template"
    device_values = (([], []), ([{"type": "pci", "mapping": "gpu1"}], ["mapping=gpu1"]))
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

    def arm64_options(self):
        """Only root@pam with its password may set an architecture that is not that of the node."""
        # Imported here, because a process that only reads states does not need it.
        from simulators.proxmox.worlds import ROOT_PASSWORD

        return {"api_token_id": None, "api_token_secret": None, "api_password": ROOT_PASSWORD}

    def architecture_of(self, machine):
        """The word of Proxmox VE; ``machine`` is from ``truth``."""
        return machine["stored"].get("arch", "x86_64")

    @contextmanager
    def kept(self):
        """A context in which the simulated cluster runs; at the end its files are deleted."""
        # Imported here, because a process that only reads states does not need these packages.
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
        """Whether a recorded call may have changed anything."""
        return call.argv[0] != "GET" and call.argv[1] != "/access/ticket"

    def recorded_calls(self):
        """All requests since the last call of this method: (HTTP method, path, parameters as JSON)."""
        requests = self.simulator("journal", clear=True)["requests"]
        return [(one["method"], one["path"], json.dumps(one["params"], sort_keys=True)) for one in requests]

    def fail_call(self, shim, number):
        self.world.faults.request("reply", skip=number - 1, status=500, reason="this call fails in a test")

    def fail_no_call(self, shim):
        self.world.faults.requests.clear()

    # Without the module -----------------------------------------------------------------------------------------------

    def medium(self):
        """An ISO image on a storage of all nodes."""
        return _MEDIUM

    def all_names(self):
        return [one["current"].get("name") for one in self.simulator("machines")]

    def ids(self):
        """{name: VMID} of the VMs in the namespace."""
        machines = self.simulator("machines")
        named = {one["current"].get("name"): str(one["vmid"]) for one in machines}
        return {name: vmid for name, vmid in named.items() if name and name.startswith(self.prefix)}

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running ...}}; absent VMs are None."""
        found = {one["current"].get("name"): reading.vm_state(one) for one in self.simulator("machines")}
        return {name: found.get(name) for name in names}

    def settings(self, machine, which="stored"):
        """A VM's settings by option name; ``machine`` is from ``truth``."""
        return reading.settings(machine, which)

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a VM's snapshots."""
        return reading.snapshots(next(one for one in self.simulator("machines") if one["current"].get("name") == name))

    # Images -----------------------------------------------------------------------------------------------------------

    def published_image(self):
        """A small image for a vendor's server; it cannot be booted."""
        path = self.folder / "base.qcow2"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, "16M"], check=True)
        return str(path)

    def image_options(self, _folder):
        """Options of a VM from an image by name."""
        return {"node": _NODES[0], "image_storage": "local"}

    def stored_images(self, _folder):
        """The images that the nodes have downloaded."""
        return [one for one in self.files() if one.startswith("local:import/") and one != _OWN_IMAGE]

    def _remove_images(self):
        local = self.world.storages.get("local")
        for key in [key for key in local.volumes if f"local:{key[1]}" in self.stored_images(None)]:
            del local.volumes[key]

    # Disks and their content ------------------------------------------------------------------------------------------

    def disk_of(self, name):
        return self.disks_of(self.truth([name])[name])["scsi0"]

    def disks_of(self, machine):
        """{slot: volume} of a VM; ``machine`` is from ``truth``."""
        return reading.disks(machine["stored"])

    def write(self, name, byte, slot="scsi0"):
        """Fill a disk with this byte, as a guest could do."""
        self.simulator("write", vmid=int(self.ids()[name]), slot=slot, byte=byte)

    def holds(self, machine, byte, slot="scsi0"):
        """Whether ``write`` filled the disk with this byte; ``machine`` is from ``truth``."""
        volume = reading.drive(machine["stored"][slot])["file"]
        return self.simulator("volumes")[volume]["written"] == byte

    def backing_files(self, machine):
        """All volumes of which the disks of a VM are linked clones."""
        volumes = self.simulator("volumes")
        bases = {
            f"{volume.partition(':')[0]}:{volumes[volume]['origin']}"
            for volume in (reading.drive(machine["stored"][slot])["file"] for slot in self.disks_of(machine))
            if volumes[volume]["origin"]
        }
        return {reading.as_disk(base) for base in bases}

    def identities(self, machine):
        """Values that no two VMs may share: VMID, MACs, disks, UUIDs."""
        return {
            machine["id"],
            *reading.macs(machine["stored"]),
            *self.disks_of(machine).values(),
            machine["stored"]["smbios1"],
            machine["stored"]["vmgenid"],
        }

    def seeds_of(self, machine):
        """None, because Proxmox VE itself creates the cloud-init drive of a VM from its options."""
        return []

    def contents(self):
        """{volume: content} of all disks. A VM that becomes a template keeps the names of its volumes here."""
        volumes = self.simulator("volumes").items()
        return {reading.as_disk(name): one["written"] for name, one in volumes if one["content"] == "images"}

    def files(self):
        """All volumes of the cluster."""
        return sorted(name for name in self.simulator("volumes") if str(_THEIR_VMID) not in name)

    def put_sentinels(self):
        """A VM with a disk and a snapshot, which is outside of the namespace."""
        node = _NODES[0]
        self.api("POST", f"/nodes/{node}/qemu", vmid=_THEIR_VMID, name=THEIRS, memory=128, scsi0="local-lvm:1")
        self.api("POST", f"/nodes/{node}/qemu/{_THEIR_VMID}/snapshot", snapname="before")

    def sentinels(self):
        machine = next((one for one in self.simulator("machines") if one["vmid"] == _THEIR_VMID), None)
        volumes = {name: one["written"] for name, one in self.simulator("volumes").items() if str(_THEIR_VMID) in name}
        kept = machine and {key: machine.get(key) for key in ("current", "snapshots", "power", "node")}
        return {"machine": json.dumps(kept, sort_keys=True, default=str), "volumes": volumes}

    def take_snapshot(self, name, snapshot):
        self.api("POST", f"{self._path(name)}/snapshot", snapname=snapshot)

    def take_clone_base(self, name, snapshot):
        """Convert the VM to a template, which is the base of linked clones."""
        self.api("POST", f"{self._path(name)}/template")

    # Only on this platform --------------------------------------------------------------------------------------------

    def handle(self, name):
        """The VMID, to be used as the name of another VM."""
        return self.ids()[name]

    def define_as(self, word):
        """Create a VM with a name outside of the namespace."""
        self.define(word)

    def remove_by_name(self, name):
        """Delete a VM if it exists; for names that cannot begin with the namespace's prefix."""
        for one in self.simulator("machines"):
            if one["current"].get("name") == name:
                self._remove(one)

    # Create and delete VMs --------------------------------------------------------------------------------------------

    def clean(self):
        """Delete all VMs of the cluster, templates last."""
        for one in sorted(self.simulator("machines"), key=lambda one: one["current"].get("template", "0")):
            self._remove(one)
        self._remove_images()

    def _remove(self, machine):
        path = f"/nodes/{machine['node']}/qemu/{machine['vmid']}"
        if machine["power"] != "stopped":
            self.api("POST", f"{path}/status/stop")
        if machine["current"].get("protection") == "1":
            self.api("PUT", f"{path}/config", protection=0)
        self.api("DELETE", path)

    def define(self, name, obeys=False):
        """Create a VM with one CPU, one disk and no NIC."""
        vmid = int(self.api("GET", "/cluster/nextid"))
        node = _NODES[vmid % len(_NODES)]
        size = 16 / 1024
        self.api(
            "POST", f"/nodes/{node}/qemu", vmid=vmid, name=name, cores=1, memory=128, scsi0=f"local-lvm:{size}",
            scsihw="virtio-scsi-single", ide2="none,media=cdrom",
        )  # fmt: skip
        self.world.cluster.machines[vmid].guest.stops_within = 2 if obeys else None

    def move(self, name, power):
        """Change a VM to the state ``power``, from each state that the API's call accepts."""
        now = self.truth([name])[name]["power"]
        if power == FAILED:
            self.simulator("fail", vmid=int(self.ids()[name]))
        elif now != power:
            word = "resume" if (now, power) == (PAUSED, RUNNING) else _WORDS[power]
            more = {"todisk": 1} if power == SUSPENDED else {}
            self.api("POST", f"{self._path(name)}/status/{word}", **more)

    def _path(self, name):
        found = next(one for one in self.simulator("machines") if one["current"].get("name") == name)
        return f"/nodes/{found['node']}/qemu/{found['vmid']}"
