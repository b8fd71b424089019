# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: a real one with guests of one sector, or where it cannot be had, the one that only remembers.

Its registry is a folder of its own, so nothing that the host's users have in VirtualBox is ever touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.units import parse_size

from platforms import images
from platforms.virtualbox import double_registry, faults, own, reading, real
from platforms.virtualbox.double import vdi
from platforms.virtualbox.guests import disk_image
from platforms.virtualbox.registry import ENGINE, Registry

PREFIX = "pvc-"
#: What brings a machine from its power into another.
_MOVES = {
    RUNNING: ("startvm", "{}", "--type", "headless"),
    STOPPED: ("controlvm", "{}", "poweroff"),
    PAUSED: ("controlvm", "{}", "pause"),
    SUSPENDED: ("controlvm", "{}", "savestate"),
}
#: How much of a disk is written and looked at.
_BEGINNING = 64 * 1024


class Platform:
    """A registry whose machines are named by a prefix."""

    name = "virtualbox"
    #: What the names of its modules begin with, and their word for a machine.
    family, word = "polyvirt.core.vbox", "vm"
    commands = ("VBoxManage", "xorriso")
    #: Powers a test can bring a machine into.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    #: What a new machine needs, and what one is made from.
    disk_size = "16M"
    creation: ClassVar = {
        "cpus": 1,
        "memory": "128M",
        "disks": [{"size": disk_size}],
        "networks": [],
        "native": ENGINE,
    }
    #: Options that a machine which starts here cannot have; VirtualBox itself takes them.
    unusable: ClassVar = frozenset({"nested_virtualization"})
    #: Settings of which a start by hand leaves open whether the machine runs with them.
    open_by_hand: ClassVar = frozenset()
    #: Consent that a change of a machine which runs needs here.
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    #: The first slots that disks get; a card that needs nothing of the host, and one that clones keep.
    slots = ("SATA 0", "SATA 1")
    card: ClassVar = {"type": "nat"}
    network_card: ClassVar = {"type": "nat"}
    #: How a snapshot that has files of its own for disk and memory is asked for.
    snapshot_with_memory: ClassVar = {"include_memory": True}
    snapshots_hold_disks = True
    #: Whether images, media and disks are files of the host on which the task runs.
    handles_files = True
    #: A format that a new machine's disk has not.
    other_format = "raw"
    #: What linked clones stand on, instead of the machine as it is.
    linked_needs = "snapshot"
    #: As in ``scenarios.options``.
    native_values = (({**ENGINE, "hpet": "on"}, "on"), ({"hpet": "off"}, "off"))

    def __init__(self, prefix=PREFIX):
        self.prefix = prefix
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}{self.name}"
        self.box = Registry(self.folder)

    @property
    def storage(self):
        return self.box.machines

    @property
    def programs(self):
        """Where its VBoxManage is."""
        return self.box.executable.parent

    @property
    def connection(self):
        return {"storage_path": str(self.storage)}

    def options(self, about):
        """What every task of the module ``about`` something needs."""
        return self.connection if about == "vm" else {}

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"cloud_init": {"user_data": f"#cloud-config\n# {secret}\n"}}

    @contextmanager
    def kept(self):
        """The registry; at the end all is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            with self._opened() as self.box:
                self.box.run("setproperty", "autostartdbpath", self.folder / "registry")
                yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _opened(self):
        if os.environ.get("POLYVIRT_TEST_VIRTUALBOX") == "double":
            return double_registry.VirtualBox(self.folder)
        try:
            # As root: machines write to disks that a task, which runs as root, has made.
            return real.VirtualBox(real.build(), self.folder, user=0)
        except real.NotAvailable as reason:
            warnings.warn(f"VirtualBox is not available ({reason}): a double stands in its place", stacklevel=2)
            return double_registry.VirtualBox(self.folder)

    def traits(self):
        return make_driver({**self.connection, "executable": str(self.box.executable)}).traits()

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        command, *words = call.argv
        return command != "VBoxManage" or own.writes(words)

    # Behind the module's back ---------------------------------------------------------------------------------------

    def medium(self):
        """An ISO image."""
        path = self.storage / "medium.iso"
        if not path.exists():
            command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, __file__]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return str(path)

    def all_ids(self):
        """{name: UUID} of all machines; of two that have one name, the later."""
        return reading.listed(self.box.run("list", "vms"))

    def ids(self):
        """{name: UUID} of the machines in the namespace."""
        return {
            name: uuid for name, uuid in self.all_ids().items() if name.startswith((self.prefix, f"-{self.prefix}"))
        }

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running, autostart ...}}; absent ones are None."""
        ids = self.ids()
        asked = [name for name in names if name in ids]
        with ThreadPoolExecutor(4) as pool:
            told = dict(zip(asked, pool.map(lambda name: self._told(ids[name]), asked)))
        is_branched = any(map(reading.is_branched, told.values()))
        bases = reading.bases(self.box.run("list", "hdds")) if is_branched else {}
        standing = {name: reading.standing(ids[name], told[name], bases) for name in asked}
        return {name: standing.get(name) for name in names}

    def _told(self, uuid):
        return self.box.run("showvminfo", uuid, "--machinereadable")

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``. What is stored runs, too."""
        return reading.settings(machine)

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a machine's snapshots."""
        return reading.snapshots(Path(self._value(name, "CfgFile")))

    def _value(self, name, key):
        told = self.box.run("showvminfo", self.ids()[name], "--machinereadable")
        return reading.value(told, key)

    # Disks and what is on them ---------------------------------------------------------------------------------------

    def disk_of(self, name):
        return str(self.storage / f"{name}.vdi")

    def disks_of(self, machine):
        """{slot: file} of a machine; ``machine`` is from ``truth``."""
        return machine["disks"]

    def base_image(self):
        """A small image to make machines from; nothing boots from it."""
        path = self.storage / "base.vdi"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "vdi", path, self.disk_size], check=True)
        return str(path)

    def write(self, name, byte, slot="SATA 0"):
        """Let a guest have written this byte all over the beginning of a disk."""
        vdi.write(self.disks_of(self.truth([name])[name])[slot], bytes([byte]) * _BEGINNING)

    def holds(self, machine, byte, slot="SATA 0"):
        """Whether those bytes are there; ``machine`` is from ``truth``, and must be off."""
        return self._beginning(self.disks_of(machine)[slot]) == bytes([byte]) * _BEGINNING

    def write_to_disk(self, name, letter):
        """Leave a letter on the first disk of a machine that is off."""
        self.write(name, ord(letter))

    def read_from_disk(self, name):
        """The letter found there."""
        return self._beginning(self.disks_of(self.truth([name])[name])["SATA 0"])[:1].decode()

    def _beginning(self, path):
        """What a guest would read first from a disk, whatever it stands on."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return vdi.read([path, *reading.below(path, parents)], _BEGINNING)

    def stands_on(self, machine):
        """All images that a machine's disks stand on."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return {path for file in self.disks_of(machine).values() for path in reading.below(file, parents)}

    def identities(self, machine):
        """All that no two machines may share: id, MACs, disks, seed."""
        macs = reading.macs(machine)
        return {machine["id"], *macs, *self.disks_of(machine).values(), *self.seeds_of(machine)}

    def seeds_of(self, machine):
        """The seeds in a machine's drives."""
        return [path for path in machine["media"] if "seed" in Path(path).name]

    def contents(self):
        """{name: digest} of every disk image in the namespace's folder; settings files change with what is around."""
        return {name: images.digest(self.storage / name) for name in self.files() if name.endswith(".vdi")}

    def files(self):
        """Names of all files in the namespace's folder, but logs and what machines that are there had as settings."""
        paths = [path for path in self.storage.rglob("*") if path.is_file()]
        below = (path.relative_to(self.storage) for path in paths if not reading.is_former(path))
        return sorted(str(path) for path in below if "Logs" not in path.parts)

    def checkpoint(self):
        """What brings all back to how it is now: what runs is off for a moment, and then all is in files."""
        kept, parts = self.folder / "kept", ("registry", "registry.json", "machines")
        running = [name for name, uuid in self.ids().items() if self._power(uuid) == RUNNING]
        for name in running:
            self.move(name, STOPPED)

        def put_back(source=kept, target=self.folder):
            self.box.close()
            for part in parts:
                _replace(source / part, target / part)
            for name in running:
                self.move(name, RUNNING)

        kept.mkdir(exist_ok=True)
        put_back(self.folder, kept)
        return put_back

    def registered_disks(self):
        """Files of disks that the platform has in books of its own, used or not."""
        return sorted(reading.parents(self.box.run("list", "hdds")))

    def in_the_way(self, name):
        """A file that keeps a machine of this name from being made, for VirtualBox never overwrites one."""
        (self.storage / name).mkdir(exist_ok=True)
        return self.storage / name / f"{name}.vbox"

    def take_snapshot(self, name, snapshot):
        """A snapshot as the platform takes it when it is told nothing else."""
        self.box.run("snapshot", self.ids()[name], "take", snapshot)

    take_standing = take_snapshot

    def faults(self, failure):
        """Proofs that VirtualBox broke by itself: without VT-x it does now and then, saving memory or loading it."""
        on = [name for name, uuid in self.ids().items() if self._power(uuid) != STOPPED]
        return faults.proofs(str(failure), self.storage, on)

    def define_network(self):
        """Networks are used by none of the scenarios."""

    # What only this platform has -------------------------------------------------------------------------------------

    def own_refusals(self, known, new):
        return own.refusals(self, known, new)

    def own_settings(self):
        return own.SETTINGS

    def handle(self, name):
        """A word that VBoxManage takes for this machine, though it is another one's name."""
        return self.ids()[name]

    def all_names(self):
        """Of the machines beside the namespace too."""
        return list(self.all_ids())

    def define_as(self, word):
        """A machine with a name that is not the namespace's."""
        self.define(word)

    def define_twin(self, uuid, name):
        """Give a machine the name of another, as VirtualBox allows where their folders differ."""
        apart = self.folder / "apart"
        apart.mkdir(exist_ok=True)
        self.box.run("movevm", uuid, "--folder", apart)
        self.box.run("modifyvm", uuid, "--name", name)

    def spoil(self, name):
        """Make a machine's settings file unreadable for VirtualBox, which notices when it starts."""
        Path(self._value(name, "CfgFile")).write_text("spoilt\n")
        self.box.end_daemon()

    def remove_by_name(self, name):
        """Remove one machine if it is there; for names that cannot begin as the namespace's do."""
        if name in self.all_ids():
            self._remove(self.all_ids()[name])

    # Bringing machines about -----------------------------------------------------------------------------------------

    def clean(self):
        """No machine, no disk and no file of the namespace is left."""
        for uuid in reversed(list(self.all_ids().values())):  # A linked clone stands after what it was made from.
            self._remove(uuid)
        for uuid in reading.leaves_first(self.box.run("list", "hdds")):
            self.box.call("closemedium", "disk", uuid)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir()

    def _remove(self, uuid):
        self.box.call("controlvm", uuid, "poweroff")
        self.box.call("discardstate", uuid)
        self.box.call("unregistervm", uuid, "--delete")
        self.box.call("unregistervm", uuid)

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}; those ``hearing`` obey the button."""
        made = {name: power for name, power in names.items() if power != ABSENT}
        for name, power in made.items():
            self.define(name, "crashes" if power == FAILED else "obeys" if name in hearing else "ignores")
        on = {name: power for name, power in made.items() if power != STOPPED}
        for name in on:
            self.move(name, RUNNING)
        self.wait_for_guests(set(on) & set(hearing))
        for name, power in on.items():
            self.move(name, power)

    def wait_for_guests(self, names):
        """Wait until the guests of these machines, which run, have booted."""
        for name in names:
            self.box.wait_for_guest(self.ids()[name])

    def define(self, name, guest="ignores"):
        """A machine of one processor, with one disk and without a card. A guest that idles costs the host nothing."""
        uuid = self.box.make(name)
        self.box.run("modifyvm", uuid, "--memory", 128, "--nic1", "none")
        self._make_disk(name, guest)
        slot = ("--storagectl", "SATA", "--port", 0, "--device", 0, "--type", "hdd")
        self.box.run("storageattach", uuid, *slot, "--medium", self.disk_of(name))

    def _make_disk(self, name, guest):
        """A machine's first disk, of the size that new machines get here."""
        raw = self.folder / f"{guest}.img"
        if not raw.exists():
            raw.write_bytes(disk_image(guest).ljust(parse_size(self.disk_size, "disks"), b"\0"))
        self.box.run("convertfromraw", raw, self.disk_of(name), "--format", "VDI")

    def move(self, name, power):
        """Bring a machine into ``power``, from whichever a command of VirtualBox's can."""
        uuid = self.ids()[name]
        if power == FAILED:
            self.box.wait_for(uuid, "gurumeditation", 60)
            # Nothing is wrong with it when it is started again.
            vdi.write(self.disk_of(name), disk_image("ignores"))
        elif self._power(uuid) != power:
            self.box.run(*(word.format(uuid) for word in _MOVES[power]))
            self.box.wait_for(uuid, reading.STATES[power], 60)

    def _power(self, uuid):
        return reading.power(self.box.state(uuid))


class Double(Platform):
    """The one that only remembers: all scenarios run on it every day, and a part of them on the real one."""

    name = "virtualbox_double"

    def _opened(self):
        return double_registry.VirtualBox(self.folder)


def _replace(source, target):
    """A file or folder as it is elsewhere, where it is there at all."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy2(source, target)
