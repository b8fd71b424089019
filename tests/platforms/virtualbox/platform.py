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

from platforms import images
from platforms.adapter import Adapter
from platforms.virtualbox import double_registry, faults, own, reading, real
from platforms.virtualbox.bringing import Bringing
from platforms.virtualbox.disks import Disks
from platforms.virtualbox.registry import ENGINE, Registry

PREFIX = "pvc-"


class Platform(Disks, Bringing, Adapter):
    """A registry whose machines are named by a prefix."""

    name = "virtualbox"
    family = "polyvirt.core.vbox"
    commands = ("VBoxManage", "xorriso")
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
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
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    slots = ("SATA 0", "SATA 1")
    linked_needs = "snapshot"
    native_values = (({**ENGINE, "hpet": "on"}, "on"), ({"hpet": "off"}, "off"))

    def __init__(self, prefix=PREFIX):
        super().__init__(prefix)
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

    def faults(self, failure):
        """Proofs that VirtualBox broke by itself: without VT-x it does now and then, saving memory or loading it."""
        on = [name for name, uuid in self.ids().items() if self._is_alive(name, uuid)]
        return faults.proofs(str(failure), self.storage, on)

    def end_of_log(self, name):
        return faults.end_of_log(self.storage, name)

    def _is_alive(self, name, uuid):
        """Whether its log may still grow: a process writes the end of it after the VM is stopped."""
        return self._power(uuid) != STOPPED or bool(self.box.processes(f"--comment\0{name}\0"))

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
