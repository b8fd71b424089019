# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: a real one with guests of one sector, or its double if that is not available.

Its registry is a directory of its own, so VMs of the host's users are never touched.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
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
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vbox.driver import make_driver

from platforms import images
from platforms.adapter import Adapter
from platforms.virtualbox import double_registry, faults, own, reading, real
from platforms.virtualbox.disks import Disks
from platforms.virtualbox.registry import ENGINE, Registry
from platforms.virtualbox.vm_setup import VmSetup
from suite.sentinels import NAME as THEIRS

PREFIX = "pvc-"


class Platform(Disks, VmSetup, Adapter):
    """A registry with VMs that have a common name prefix."""

    name, is_recorded_late = "virtualbox", True
    _own = own
    links_images = False
    family = "polyvirt.core.vbox"
    commands = ("VBoxManage", "xorriso")
    finds = (ABSENT, STOPPED, RUNNING, PAUSED, SUSPENDED, FAILED)
    disk_size = "16M"
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": [], "native": ENGINE}
    #: Options that VirtualBox accepts, but with which a VM does not start here; the architecture is that of the host.
    unusable: ClassVar = frozenset({"architecture", "nested_virtualization", "secure_boot"})
    arm64_error = ("runs only VMs of the architecture of its host, which is amd64", "Set amd64, or omit the option.")
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}
    slots = ("SATA 0", "SATA 1")
    other_format = "vmdk"
    drives = ("IDE 0", "IDE 1")
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
        """The directory with its VBoxManage."""
        return self.box.executable.parent

    @property
    def connection(self):
        return {"storage_path": str(self.storage)}

    def options(self, about):
        """Options that every task of the module ``about`` something needs."""
        return self.connection if about == "vm" else {}

    @contextmanager
    def kept(self):
        """A context in which the registry exists; at the end it is deleted."""
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
            # As root, because VMs write to disks that a task created as root.
            return real.VirtualBox(real.build(), self.folder, user=0)
        except real.NotAvailable as reason:
            warnings.warn(f"VirtualBox is not available ({reason}): a double stands in its place", stacklevel=2)
            return double_registry.VirtualBox(self.folder)

    def traits(self):
        return make_driver({**self.connection, "executable": str(self.box.executable)}).traits()

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        command, *words = call.argv
        return command != "VBoxManage" or own.writes(words)

    # Without the module -----------------------------------------------------------------------------------------------

    def all_ids(self):
        """{name: UUID} of all VMs; of two with the same name, the later."""
        return reading.listed(self.box.run("list", "vms"))

    def ids(self):
        """{name: UUID} of the VMs in the namespace."""
        return {
            name: uuid for name, uuid in self.all_ids().items() if name.startswith((self.prefix, f"-{self.prefix}"))
        }

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running, autostart ...}}; absent VMs are None."""
        ids = self.ids()
        existing = [name for name in names if name in ids]
        with ThreadPoolExecutor(4) as pool:
            outputs = dict(zip(existing, pool.map(lambda name: self._showvminfo(ids[name]), existing)))
        has_snapshot_files = any(map(reading.has_snapshot_files, outputs.values()))
        bases = reading.bases(self.box.run("list", "hdds")) if has_snapshot_files else {}
        states = {name: reading.vm_state(ids[name], outputs[name], bases) for name in existing}
        return {name: states.get(name) for name in names}

    def _showvminfo(self, uuid):
        return self.box.run("showvminfo", uuid, "--machinereadable")

    def settings(self, machine, which="stored"):
        """A VM's settings by option name; ``machine`` is from ``truth``. Stored and running settings are the same."""
        return reading.settings(machine)

    def architecture_of(self, machine):
        """The word of VirtualBox; ``machine`` is from ``truth``."""
        return reading.value(machine["stored"], "platformArchitecture")

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a VM's snapshots."""
        return reading.snapshots(Path(self._value(name, "CfgFile")))

    def _value(self, name, key):
        return reading.value(self.box.run("showvminfo", self.ids()[name], "--machinereadable"), key)

    def contents(self):
        """{name: digest} of all disk images in the directory, without settings files, which often change."""
        return {name: images.digest(self.storage / name) for name in self.files() if name.endswith(".vdi")}

    def folders_of_sentinels(self):
        return [self.storage]

    def files(self):
        """Names of all files in the namespace's directory, except logs and old copies of settings files."""
        paths = [path for path in self.storage.rglob("*") if path.is_file() and not path.name.startswith(THEIRS)]
        below = (path.relative_to(self.storage) for path in paths if not reading.is_old_copy(path))
        return sorted(str(path) for path in below if "Logs" not in path.parts)

    def checkpoint(self):
        """A function that restores the present state. Running VMs are powered off for a moment to copy all files."""
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
        """Files of all registered disks, used or not."""
        return sorted(reading.parents(self.box.run("list", "hdds")))

    def blocking_file(self, name):
        """A file that prevents the creation of a VM with this name: VirtualBox never overwrites a settings file."""
        (self.storage / name).mkdir(exist_ok=True)
        return self.storage / name / f"{name}.vbox"

    def take_snapshot(self, name, snapshot):
        """Take a snapshot with VirtualBox's defaults."""
        self.box.run("snapshot", self.ids()[name], "take", snapshot)

    def faults(self, failure):
        """Messages about bugs of VirtualBox itself (faults.py)."""
        on = [name for name, uuid in self.ids().items() if self._is_alive(name, uuid)]
        return faults.proofs(str(failure), self.storage, on)

    def end_of_log(self, name):
        return faults.end_of_log(self.storage, name)

    def _is_alive(self, name, uuid):
        """Whether the VM's log may still grow: its process writes the end after the VM has stopped."""
        return self._power(uuid) != STOPPED or bool(self.box.processes(f"--comment\0{name}\0"))

    # Only on this platform --------------------------------------------------------------------------------------------

    def handle(self, name):
        """A word that VBoxManage accepts as this VM, to be used as the name of another one."""
        return self.ids()[name]

    def all_names(self):
        """Names of all VMs, also outside of the namespace."""
        return list(self.all_ids())

    def define_as(self, word):
        """Create a VM with a name outside of the namespace."""
        self.define(word)

    def define_twin(self, uuid, name):
        """Rename a VM to the name of another one, which VirtualBox allows if their directories differ."""
        apart = self.folder / "apart"
        apart.mkdir(exist_ok=True)
        self.box.run("movevm", uuid, "--folder", apart)
        self.box.run("modifyvm", uuid, "--name", name)

    def spoil(self, name):
        """Make a VM's settings file invalid, and end the daemon, which reads it when it starts again."""
        Path(self._value(name, "CfgFile")).write_text("spoilt\n")
        self.box.end_daemon()

    def remove_by_name(self, name):
        """Delete a VM if it exists; for names that cannot begin with the namespace's prefix."""
        if name in self.all_ids():
            self._remove(self.all_ids()[name])


class Double(Platform):
    """VirtualBox's double: without a real one, all scenarios run on it; with one, they run on both."""

    name = "virtualbox_double"
    copies_content = False

    def _opened(self):
        return double_registry.VirtualBox(self.folder)


def _replace(source, target):
    """Replace a file or directory by ``source``, if that exists."""
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy2(source, target)
