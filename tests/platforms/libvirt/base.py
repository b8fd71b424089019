# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both libvirt platforms share: plain ``virsh`` behind the module's back, and which of its words write.

Nothing of the code under test is used here but the driver's traits, which say what the platform is expected to refuse.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    PAUSED,
    RUNNING,
    STOPPED,
)

from platforms import images
from platforms.adapter import Adapter
from platforms.libvirt import own, reading
from suite.scenarios.refusals import Refused

IMAGES = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/var/lib/libvirt/images"))
#: Only machines whose names begin so are ever touched; a test that runs beside the others has a namespace of its own.
PREFIX = "pvc-"
_QUESTIONS = (
    "dominfo {}", "domstate {}", "dumpxml {} --inactive --security-info", "dumpxml {}", "snapshot-list {} --tree",
    "snapshot-current {} --name",
)  # fmt: skip
_MARK = "conformance-next"


class Libvirt(Adapter):
    """A namespace in one libvirt: machines named by a prefix, files in a folder of their own."""

    family = "polyvirt.core.virsh"
    commands = ("virsh", "qemu-img", "xorriso")
    uri = ""
    disk_size = ""
    snapshot_with_memory: ClassVar = {"kind": "external", "include_memory": True}
    slots = ("vda", "vdb")
    card: ClassVar = {"type": "user"}
    network_card: ClassVar = {"type": "network", "source": "default"}
    native_values = (({"on_reboot": "restart"}, "restart"), ({"on_reboot": "destroy"}, "destroy"))
    #: What undefine needs to be told beside the machine.
    undefine_words = ()

    @property
    def storage(self):
        return IMAGES / f"{self.prefix}{self.name}"

    @property
    def connection(self):
        return {"uri": self.uri, "storage_path": str(self.storage)}

    def options(self, about):
        """What every task of the module ``about`` something needs."""
        return self.connection if about == "vm" else {"uri": self.uri}

    @contextmanager
    def kept(self):
        """Hold what the platform's state needs to last; a daemon of its own needs nothing."""
        yield

    def traits(self):
        return make_driver({**self.connection, "executable": "virsh"}).traits()

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        command, *words = call.argv
        return reading.writes(words) if command == "virsh" else words[0] not in reading.READS.get(command, ())

    # Behind the module's back ---------------------------------------------------------------------------------------

    def medium(self):
        """An ISO image."""
        path = self.storage / "medium.iso"
        if not path.exists():
            command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, __file__]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return str(path)

    def virsh(self, *words, stdin=None, check=True):
        """What plain virsh prints."""
        command = ["virsh", "-q", "-c", self.uri, *words]
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ids(self):
        """{name: UUID} of the machines in the namespace."""
        rows = [line.split(" ", 1) for line in self.virsh("list", "--all", "--uuid", "--name").split("\n") if line]
        return {name: uuid for uuid, name in rows if name.startswith(self._prefixes)}

    @property
    def _prefixes(self):
        # A leading dash is an option to careless tools, so some names have one.
        return (self.prefix, f"-{self.prefix}")

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running, autostart}}; absent ones are None."""
        ids = self.ids()
        asked = [name for name in names if name in ids]
        questions = [question.format(ids[name]) for name in asked for question in _QUESTIONS]
        # One process for all: a truth is told after every task, and a process costs more than an answer.
        batch = f"echo {_MARK}; ".join(f"{question}; " for question in questions)
        parts = iter(self.virsh(batch, check=False).split(_MARK)) if asked else iter(())
        standing = {name: reading.standing(ids[name], *(next(parts) for _question in _QUESTIONS)) for name in asked}
        return {name: standing.get(name) for name in names}

    def disk_of(self, name):
        return str(self.storage / f"{name}-vda.qcow2")

    def make_disk(self, name):
        """A machine's first disk, of the size that new machines get here."""
        size = self.disk_size.removesuffix("B")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.disk_of(name), size], check=True)
        return self.disk_of(name)

    # Disks and what is on them ---------------------------------------------------------------------------------------

    def disks_of(self, machine):
        """{slot: file} of a machine; ``machine`` is from ``truth``."""
        disks = ET.fromstring(machine["stored"]).findall("devices/disk[@device='disk']")
        return {disk.find("target").get("dev"): disk.find("source").get("file") for disk in disks}

    def write(self, name, byte, slot="vda"):
        """Let a guest have written this byte all over the beginning of a disk."""
        images.write(self.disks_of(self.truth([name])[name])[slot], byte)

    def holds(self, machine, byte, slot="vda"):
        """Whether those bytes are there; ``machine`` is from ``truth``."""
        return images.holds(self.disks_of(machine)[slot], byte)

    def stands_on(self, machine):
        """All images that a machine's disks stand on."""
        return {path for file in self.disks_of(machine).values() for path in images.chain(file)[1:]}

    def identities(self, machine):
        """All that no two machines may share: id, MACs, disks, seed."""
        root = ET.fromstring(machine["stored"])
        macs = {mac.get("address") for mac in root.findall("devices/interface/mac")}
        return {machine["id"], *macs, *self.disks_of(machine).values(), *self.seeds_of(machine)}

    def seeds_of(self, machine):
        """The seeds in a machine's drives."""
        drives = ET.fromstring(machine["stored"]).findall("devices/disk[@device='cdrom']/source")
        return [drive.get("file") for drive in drives if "seed" in drive.get("file")]

    def contents(self):
        """{name: digest} of every file in the namespace's folder."""
        return {name: images.digest(self.storage / name) for name in self.files()}

    def take_snapshot(self, name, snapshot):
        """A snapshot as the platform takes it when it is told nothing else."""
        self.virsh("snapshot-create-as", name, snapshot)

    def take_standing(self, name, snapshot):
        """A snapshot that linked clones can stand on."""
        self.virsh("snapshot-create-as", name, snapshot, "--disk-only")

    def in_the_way(self, name):
        """A file that keeps a machine of this name from being made."""
        return Path(self.disk_of(name))

    def own_refusals(self, known, new):
        """Refusals that only this platform can show."""
        socket = f"{self.uri}?socket=/nonexistent"
        no_network = {"type": "network", "source": "pvc-no"}
        return [
            Refused("only digits", {**self.creation, "name": ["4711"]}, ("4711", "number", "another name")),
            Refused("other networks", {**self.creation, "name": [new], "networks": [no_network]}, (new, "default")),
            Refused("native path", {"name": [known], "native": {"a[[": "x"}}, ("native", "a[[", "os/type@machine")),
            Refused("no daemon", {"name": [known], "state": "started", "uri": socket}, (socket, "libvirtd")),
        ]

    def own_settings(self):
        """Settings that only this platform has, or whose values are its own, as in ``scenarios.options``."""
        return {
            "boot_order": ((["cdrom", "disk"], ["cdrom", "hd"]), (["network", "disk"], ["network", "hd"])),
            "max_cpus": ((3, 3), (4, 4)),
            "max_memory": (("128M", 128 << 20), ("160M", 160 << 20)),
        }

    def changes_while_running(self):
        return own.changes(self.card, self.disk_size)

    def changes_while_stopped(self):
        return [*own.exchanged_macs(), *own.changes(self.card, self.disk_size)[:4]]

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``."""
        return reading.settings(machine, which)

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a machine's snapshots."""
        return reading.snapshots(self.virsh, name)

    def files(self):
        """Names of all files in the namespace's folder, but consoles, which the hypervisor writes."""
        return sorted(file.name for file in self.storage.iterdir() if not file.name.endswith(".console"))

    def handle(self, name):
        """A word that virsh takes for this machine which runs, though it is another one's name."""
        return self.virsh("domid", name).strip()

    def define_as(self, word):
        """A machine with a name that is not the namespace's."""
        name = f"{self.prefix}renamed"
        self.define(name)
        self.virsh("domrename", name, word)

    def all_names(self):
        """Of the machines beside the namespace too."""
        return [name for name in self.virsh("list", "--all", "--name").split("\n") if name]

    def remove_by_name(self, name):
        """Remove one machine if it is there; for names that cannot begin as the namespace's do."""
        for line in self.virsh("list", "--all", "--uuid", "--name").split("\n"):
            if line.partition(" ")[2] == name:
                self._remove(line.partition(" ")[0])

    def _remove(self, uuid):
        self.virsh("destroy", uuid, check=False)
        self.virsh("managedsave-remove", uuid, check=False)
        self.virsh("undefine", uuid, *self.undefine_words, "--snapshots-metadata")

    def clean(self):
        """No machine and no file of the namespace is left."""
        for uuid in self.ids().values():
            self._remove(uuid)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir()
        # The hypervisor's own user must reach what lies below, and nobody needs to list it.
        self.storage.chmod(0o711)

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}; those ``hearing`` obey the button."""
        for name, power in names.items():
            if power != ABSENT:
                self.define(name, name in hearing)
        on = {name: power for name, power in names.items() if power not in (ABSENT, STOPPED)}
        for name in on:
            self.move(name, RUNNING)
        self.wait_until_ready([name for name in on if name in hearing])
        for name, power in on.items():
            self.move(name, power)

    def define(self, name, hears=False):
        raise NotImplementedError

    def wait_until_ready(self, names):
        """Wait until the guests obey the power button; without guests there is nothing to wait for."""

    def move(self, name, power):
        """Bring a machine that is off into RUNNING, or one that runs into any other ``power``."""
        command = {RUNNING: "start", PAUSED: "suspend", STOPPED: "destroy"}.get(power)
        if command and self._state(name) != power:
            self.virsh(command, name)

    def _state(self, name):
        return reading.POWERS.get(self.virsh("domstate", name).strip())
