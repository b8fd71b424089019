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
import ssl
import tempfile
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.traits import proxmox_traits
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)

from platforms.proxmox import reading
from suite.scenarios.refusals import Refused

PREFIX = "pvc-"
#: Seconds that pass with each request.
_TICK = 0.25
_NODES = ("pve1", "pve2", "pve3")
_MEDIUM = "nfs:iso/medium.iso"
#: What brings a machine that runs into another power.
_WORDS = {STOPPED: "stop", PAUSED: "suspend", SUSPENDED: "suspend", RUNNING: "start"}


class Platform:
    """A cluster whose machines are named by a prefix."""

    name = "proxmox"
    #: What the names of its modules begin with.
    family, word = "polyvirt.core.proxmox", "vm"
    commands = ()
    programs = None
    #: Powers a test can bring a machine into.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    #: What a new machine needs, and what one is made from.
    disk_size = "16M"
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}
    #: Chosen with the firmware alone, and for good: both have tests of their own.
    unusable: ClassVar = frozenset({"secure_boot", "template"})
    #: Settings of which a start by hand leaves open whether the machine runs with them.
    open_by_hand: ClassVar = frozenset()
    consent: ClassVar = {}
    slots = ("scsi0", "scsi1")
    card: ClassVar = {"type": "bridged"}
    network_card: ClassVar = {"type": "bridged"}
    snapshot_with_memory: ClassVar = {"include_memory": True}
    snapshots_hold_disks = True
    handles_files = False
    other_format = "qcow2"
    linked_needs = "template"
    #: As in ``scenarios.options``.
    native_values = (({"numa": True, "scsi0": "ssd=1"}, "1"), ({"numa": False, "hookscript": ""}, "0"))

    def __init__(self, prefix=PREFIX):
        self.prefix = prefix
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}proxmox"

    @property
    def storage(self):
        return self.folder

    @property
    def _server(self):
        """What the test's own process noted for those that it starts."""
        return json.loads((self.folder / "server.json").read_text(encoding="utf-8"))

    @property
    def connection(self):
        known = self._server
        return {
            "api_host": "localhost",
            "api_port": known["port"],
            "api_user": "root@pam",
            "api_token_id": "test",
            "api_token_secret": known["secret"],
            "ca_path": known["authority"],
        }

    @property
    def clock(self):
        """What a module's sleep advances."""
        known = self._server
        authorization = f"PVEAPIToken=root@pam!test={known['secret']}"
        return {"url": f"https://localhost:{known['port']}/simulator/advance", "authorization": authorization}

    def options(self, about):
        """What every task of the module ``about`` something needs."""
        return self.connection

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"cloudinit": {"user": "me"}, "cloudinit_password": secret}

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
                self.world = world
                told = {"port": server.port, "authority": str(server.authority), "secret": worlds.TOKEN_SECRET}
                (self.folder / "server.json").write_text(json.dumps(told), encoding="utf-8")
                yield
            assert not world.tasks.crashes, world.tasks.crashes
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

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

    def ask(self, action, **settings):
        """What the simulator itself says or does."""
        return self._request("POST", f"/simulator/{action}", json.dumps(settings).encode())

    def api(self, method, path, **parameters):
        """A call of the API, with its task seen to the end."""
        found = self._request(method, f"/api2/json{path}", urlencode(parameters).encode() or None)["data"]
        if isinstance(found, str) and found.startswith("UPID:"):
            self._finish(found)
        # It is not what a task did.
        self._request("POST", "/simulator/clear", b"{}")
        return found

    def _finish(self, upid):
        while True:
            told = self._request("GET", f"/api2/json/nodes/{upid.split(':')[1]}/tasks/{upid}/status")["data"]
            if told["status"] == "stopped":
                assert told["exitstatus"] == "OK", told
                return

    def _request(self, method, path, data=None):
        known = self._server
        headers = {"Authorization": f"PVEAPIToken=root@pam!test={known['secret']}"}
        request = urllib.request.Request(
            f"https://localhost:{known['port']}{path}", data=data, headers=headers, method=method
        )
        trusted = ssl.create_default_context(cafile=known["authority"])
        with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:
            return json.loads(answer.read())

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

    def checkpoint(self):
        """It is made anew."""

    def registered_disks(self):
        return self.files()

    def take_snapshot(self, name, snapshot):
        self.api("POST", f"{self._path(name)}/snapshot", snapname=snapshot)

    def take_standing(self, name, snapshot):
        """Linked clones stand on a template."""
        self.api("POST", f"{self._path(name)}/template")

    def define_network(self):
        """Bridges are there."""

    # What only this platform has ------------------------------------------------------------------------------------

    def own_refusals(self, known, new):
        change, made = {"name": [known]}, {**self.creation, "name": [new]}
        image, linked = {"source": "local:import/no.qcow2"}, {"source": "local:import/x.qcow2", "linked": True}
        nowhere, others = {"name": [known], "state": "started"}, "/etc/ssl/certs/ca-certificates.crt"
        return [
            Refused("shrink", {**change, "disks": [{"size": "8M"}]}, (known, "16M", "8M", "or more")),
            Refused("no iso", {**change, "iso": "nfs:iso/no.iso"}, (known, "nfs:iso/no.iso", "pvesm list")),
            Refused("no iso file", {**change, "iso": "/nonexistent.iso"}, (known, "/nonexistent.iso", "path")),
            Refused("no image", {**made, "image": image}, (new, "no.qcow2", "pvesm list")),
            Refused("image is a file", {**made, "image": {"source": "/x.qcow2"}}, (new, "/x.qcow2", "STORAGE:import")),
            Refused("no node", {**made, "node": "pve9"}, (new, "pve9", "pve1, pve2, pve3")),
            Refused("no such node", {**change, "node": "pve9"}, (known, "pve9", "pve1, pve2, pve3")),
            Refused("no storage", {**made, "storage": "nosuch"}, ("nosuch", "node")),
            Refused("storage elsewhere", {**made, "node": "pve1", "storage": "n2"}, (new, "n2", "pve1", "local-lvm")),
            Refused("no pool", {**made, "pool": "nosuch"}, (new, "nosuch", "pool-a")),
            Refused("vmid taken", {**made, "vmid": 100}, (new, "100", "next free")),
            Refused("other vmid", {**change, "vmid": 999}, (known, "vmid", "clone it")),
            Refused("native", {**change, "native": {"no-such": "1"}}, (known, "no-such")),
            Refused("native of an option", {**change, "native": {"cores": 2}}, (known, "option cpus")),
            Refused("native of a card", {**change, "native": {"net0": "bridge=x"}}, (known, "option networks")),
            Refused("two sockets", {**change, "native": {"sockets": 2}}, (known, "option cpus")),
            Refused("slot", {**change, "disks": [{"slot": "vda", "size": "1G"}]}, (known, "vda", "scsi0 to scsi30")),
            Refused("tag", {**change, "tags": ["two words"]}, (known, "two words", "letters")),
            Refused("checksum", {**change, "iso_checksum": "abc"}, ("iso_checksum", "abc", "sha256")),
            Refused("linked image", {**made, "image": linked}, (new, "image.linked")),
            Refused("whole documents", {**made, "cloud_init": {"user_data": "#"}}, (new, "user_data", "cicustom")),
            Refused("wrong token", {**nowhere, "api_token_secret": "wrong"}, ("root@pam!test", "api_token_secret")),
            Refused("no realm", {**nowhere, "api_user": "root"}, ("api_user", "root@pam")),
            Refused("nobody there", {**nowhere, "api_port": 1}, ("localhost:1", "does not answer", "api_port")),
            Refused("mistrusted", {**nowhere, "ca_path": others}, ("not trusted", "ca_path")),
        ]  # fmt: skip

    def own_settings(self):
        """Settings that only this platform has, or whose values are its own, as in ``scenarios.options``."""
        keys = [f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{letter * 43} a+b/c" for letter in "AB"]
        told = {"user": "admin", "ssh_keys": keys[:1], "ip_config": ["ip=dhcp"], "nameservers": ["192.0.2.1"]}
        other = {"user": "root", "ssh_keys": keys, "ip_config": ["ip=dhcp,ip6=auto"], "nameservers": []}
        return {
            "os_type": (("linux", "l26"), ("windows11", "win11")),
            "nested_virtualization": ((True, True), (False, False)),
            "pool": (("pool-a", "pool-a"), ("pool-b", "pool-b")),
            "protection": ((False, False), (True, True)),
            "cloudinit": ((told, told), (other, other)),
            "template": ((False, False), (True, True)),
            "node": (("pve1", "pve1"), ("pve2", "pve2")),
        }

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
