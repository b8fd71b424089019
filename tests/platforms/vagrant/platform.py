# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: a real one with libvirt, or its double with VMs of VirtualBox's double if that is not available.

All VMs are in one project with its own directory; libvirt's names of the VMs begin with the directory's name.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import warnings
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar
from unittest import mock

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._ports import host
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from platforms import images
from platforms.adapter import Adapter
from platforms.leases import lease_in
from platforms.libvirt import reading as libvirt
from platforms.vagrant import own, real
from platforms.vagrant.machines_double import DoubleMachines
from platforms.vagrant.machines_real import RealMachines
from platforms.virtualbox import own as virtualbox_own
from suite.sentinels import NAME as THEIRS

PREFIX = "pvc-"
_FILE = "Vagrantfile.polyvirt"
#: A file of the user in the project, which is neither written nor read by the collection.
_USERS_FILE, _USERS_OWN = "Vagrantfile", 'raise "this is the file of the user\'s own machines"\n'
_DESCRIPTION = "# polyvirt.core: "
_READS = {"status", "--version", "version", "ssh-config", "validate"}
#: Vagrant's data directory.
_OWN_FOLDER = ".vagrant"


class Platform(Adapter):
    """One project, in which all VMs belong to the namespace."""

    name = "vagrant"
    _own = own
    family, word = "polyvirt.core.vagrant", "instance"
    commands = ("vagrant", "virsh", "VBoxManage")
    disk_size = "2G"
    #: Each has an expected error or its own test: a box has one disk and one operating system, the fast guest's NICs
    #: cannot be configured, and Vagrant knows architectures since 2.4.
    unusable: ClassVar = frozenset({"architecture", "disks", "networks", "port_forwards", "shared_folders", "os_type"})
    arm64_error = ("since Vagrant 2.4", "Update Vagrant; or omit architecture")
    not_for_every_power: ClassVar = frozenset({"box_url", "box_checksum"})
    open_by_hand: ClassVar = frozenset({"provisioners"})
    #: Vagrant creates a VM at its first start.
    to_exist: ClassVar = {"state": "started"}
    slots = ("primary", "disk 1")
    native_values = (({"vm.boot_timeout": 300}, 300), ({"vm.boot_timeout": 301}, 301))

    def __init__(self, prefix=PREFIX):
        super().__init__(prefix)
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}vagrant"
        # libvirt's names begin with the project's.
        self.project = self.folder / f"pvv-{prefix}project"
        kind = DoubleMachines if self._is_double() else RealMachines
        self.machines = kind(self.folder, self.project.name)

    def _is_double(self):
        return os.environ.get("POLYVIRT_TEST_VAGRANT", "double") == "double"

    @property
    def storage(self):
        return self.project

    @property
    def programs(self):
        return self.machines.programs

    @property
    def finds(self):
        return self.machines.finds

    @property
    def snapshots_hold_disks(self):
        return self.machines.snapshots_hold_disks

    @property
    def connection(self):
        return {"project_dir": str(self.project)}

    @property
    def creation(self):
        """Options of a new VM: its box, its provider, and what the provider needs."""
        return {"box": real.BOX, "provider": self.machines.provider, **self.machines.machine}

    def whole_vm_tasks(self):
        return {"created again": {"native": {"title": "another"}, "allow_recreate": True, "stop_mode": "force"}}

    @property
    def own_medium(self):
        """A medium of the catalogue from which Vagrant itself creates a VM."""
        return {"type": "box", "architecture": host.architecture(), "image": {"format": "box", "box": real.BOX}}

    def offer(self, name):
        """Vagrant has the box of this name of the catalogue already; a download is Vagrant's own matter."""
        self.machines.add_box(self.vagrant, f"cloud-image/{name}")

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"provisioners": [{"inline": "true", "env": {"TOKEN": secret}}]}

    @contextmanager
    def kept(self):
        """A context with a project and Vagrant's home; at the end both are deleted."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o711)
        try:
            with ExitStack() as stack:
                self.vagrant = stack.enter_context(self._opened())
                self._make_project()
                given = {key: value for key, value in self.vagrant.environment().items() if key.startswith("VAGRANT_")}
                # A task sets these two by its options, so they must not come from the environment.
                given = {
                    key: value for key, value in given.items() if key not in ("VAGRANT_CWD", "VAGRANT_VAGRANTFILE")
                }
                path = os.pathsep.join([*([str(self.programs)] if self.programs else []), os.environ["PATH"]])
                stack.enter_context(mock.patch.dict(os.environ, {**given, "PATH": path}))
                yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _opened(self):
        try:
            return self.machines.open()
        except real.NotAvailable as reason:
            warnings.warn(f"Vagrant is not available ({reason}): a double stands in its place", stacklevel=2)
            os.environ["POLYVIRT_TEST_VAGRANT"] = "double"
            self.machines = DoubleMachines(self.folder, self.project.name)
            return self.machines.open()

    def traits(self):
        params = {**self.connection, "provider": self.machines.provider, "vagrantfile": None, "managed": True}
        return make_driver({**params, "executable": "vagrant"}).traits()

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        command, *words = call.argv
        if command == "virsh":
            return libvirt.writes(words)
        if command == "VBoxManage":
            return virtualbox_own.writes(words)
        return words[0] not in _READS and words[:2] != ["snapshot", "list"]

    # Without the module -----------------------------------------------------------------------------------------------

    def medium(self):
        return "/nonexistent/medium.iso"

    def described(self):
        """{name: description} of the VMs in the managed Vagrantfile."""
        path = self.project / _FILE
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else ()
        line = next((line for line in lines if line.startswith(_DESCRIPTION)), f"{_DESCRIPTION}{{}}")
        return {one["name"]: one for one in json.loads(line[len(_DESCRIPTION) :]).get("machines", ())}

    def ids(self):
        """{name: id} of the created VMs."""
        found = {
            path.parts[-3]: path.read_text(encoding="utf-8") for path in self.project.glob(".vagrant/machines/*/*/id")
        }
        existing = self.machines.ids()
        return {name: identifier for name, identifier in found.items() if identifier in existing}

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running ...}}; absent VMs are None."""
        self._check_users_file()
        described, ids = self.described(), self.ids()
        return {name: self._vm_state(described[name], ids.get(name)) if name in described else None for name in names}

    def _check_users_file(self):
        assert (self.project / _USERS_FILE).read_text(encoding="utf-8") == _USERS_OWN

    def _vm_state(self, machine, identifier):
        stored = json.dumps(machine, sort_keys=True)
        if identifier is None:
            return {"id": None, "power": STOPPED, "stored": stored, "running": None, "snapshots": []}
        vm = self.machines.vm_state(identifier)
        is_on = vm["power"] != STOPPED
        running = {**machine, "cpus": vm["cpus"], "memory": vm["memory"] >> 20} if is_on else None
        return {
            "id": identifier,
            "power": vm["power"],
            "stored": stored,
            "running": json.dumps(running, sort_keys=True) if running else None,
            "snapshots": vm["snapshots"],
        }

    def settings(self, machine, which="stored"):
        """A VM's settings by option name; ``machine`` is from ``truth``."""
        description = json.loads(machine[which])
        return {
            "cpus": description.get("cpus"),
            "memory": description["memory"] << 20 if description.get("memory") else None,
            "description": description.get("description", ""),
            "tags": description.get("tags", []),
            "fleet": description.get("fleet", ""),
            **lease_in(description),
            "box_url": description.get("box_url"),
            "box_checksum": description.get("box_checksum"),
            "provisioners": description.get("provisioners", []),
            "native": description.get("native", {}).get("vm.boot_timeout"),
        }

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a VM's snapshots."""
        return self.machines.snapshots(self.ids()[name])

    def write(self, name, byte):
        """Fill the beginning of a VM's disk with this byte, as its guest could do."""
        self.machines.write(self.ids()[name], byte)

    def holds(self, machine, byte):
        return self.machines.holds(machine["id"], byte)

    def disk_of(self, name):
        return f"/nonexistent/{name}.img"

    def folders_of_sentinels(self):
        return [self.project]

    def files(self):
        """Names of all files in the project, except those in .vagrant."""
        paths = [path for path in self.project.rglob("*") if path.is_file() and not path.name.startswith(THEIRS)]
        below = [path.relative_to(self.project) for path in paths]
        return sorted(str(path) for path in below if path.parts[0] != _OWN_FOLDER)

    def contents(self):
        return {name: images.digest(self.project / name) for name in self.files()}

    def take_snapshot(self, name, snapshot):
        self.machines.take(self.ids()[name], snapshot)

    def handle(self, name):
        """A word that a provider accepts as this VM, to be used as the name of another one."""
        return self.ids()[name]

    def define_as(self, word):
        self._describe({**self.described(), word: self._machine(word)})

    def all_names(self):
        return list(self.described())

    def remove_by_name(self, name):
        self._describe({other: one for other, one in self.described().items() if other != name})

    # Create and delete VMs --------------------------------------------------------------------------------------------

    def clean(self):
        """Delete all VMs and files of the namespace, except the user's file."""
        self._check_users_file()
        for identifier in self.ids().values():
            self.machines.remove(identifier)
        self._make_project()

    def _make_project(self):
        shutil.rmtree(self.project, ignore_errors=True)
        self.project.mkdir(mode=0o711)
        (self.project / _USERS_FILE).write_text(_USERS_OWN, encoding="utf-8")

    def bring(self, names, obeying=()):
        """Create VMs: ``names`` is {name: power state}; the guests of those in ``obeying`` obey the power button."""
        created = [name for name, power in names.items() if power != ABSENT]
        self._describe({**self.described(), **{name: self._machine(name) for name in created}})
        self._up(created)
        ids = self.ids()
        self.machines.make_obeying([ids[name] for name in created if name in obeying])
        for name in created:
            self.machines.turn(ids[name], names[name])

    def _machine(self, name):
        return {"name": name, "box": real.BOX, "provider": self.machines.provider, "cpus": 1, "memory": 128,
                **self.machines.machine}  # fmt: skip

    def _describe(self, machines):
        (self.project / _FILE).write_text(vagrantfile.render({"machines": list(machines.values())}), encoding="ascii")

    def _up(self, names):
        if names:
            done = self.vagrant.call("up", *names)
            assert done.returncode == 0, done.stdout + done.stderr

    def move(self, name, power):
        """Change a VM to the state ``power``."""
        if name not in self.ids():
            self._up([name])
        self.machines.turn(self.ids()[name], power)
