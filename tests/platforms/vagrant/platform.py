# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vagrant: a real one with libvirt, or where that cannot be had, one that only remembers, with VirtualBox's machines.

All machines are in one project, in a folder of its own; libvirt knows them by that folder's name and theirs.
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

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vagrant.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import ABSENT, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._tools import vagrantfile

from platforms import images
from platforms.adapter import Adapter
from platforms.libvirt import reading as libvirt
from platforms.vagrant import own, real
from platforms.vagrant.machines_double import PlayedMachines
from platforms.vagrant.machines_real import RealMachines
from platforms.virtualbox import own as virtualbox_own

PREFIX = "pvc-"
_FILE = "Vagrantfile.polyvirt"
#: What the user has in the project: nobody writes it, and nobody reads it.
_USERS_FILE, _USERS_OWN = "Vagrantfile", 'raise "this is the file of the user\'s own machines"\n'
_DESCRIPTION = "# polyvirt.core: "
_READS = {"status", "--version", "version", "ssh-config", "validate"}
#: What Vagrant keeps for itself.
_OWN_FOLDER = ".vagrant"


class Platform(Adapter):
    """One project, in which all machines are the namespace's."""

    name = "vagrant"
    family, word = "polyvirt.core.vagrant", "instance"
    commands = ("vagrant", "virsh", "VBoxManage")
    disk_size = "2G"
    #: Each among the refusals, or in a test of its own: a box has one disk and one system, and the fast guest's NICs
    #: cannot be set up.
    unusable: ClassVar = frozenset({"disks", "networks", "port_forwards", "shared_folders", "os_type"})
    not_for_every_power: ClassVar = frozenset({"box_url", "box_checksum"})
    open_by_hand: ClassVar = frozenset({"provisioners"})
    slots = ("primary", "disk 1")
    native_values = (({"vm.boot_timeout": 300}, 300), ({"vm.boot_timeout": 301}, 301))

    def __init__(self, prefix=PREFIX):
        super().__init__(prefix)
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}vagrant"
        # libvirt's names begin with the project's.
        self.project = self.folder / f"pvv-{prefix}project"
        kinds = {True: PlayedMachines, False: RealMachines}
        self.machines = kinds[self._is_played()](self.folder, self.project.name)

    def _is_played(self):
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
        """What a new machine needs, and what one is made from."""
        return {"box": real.BOX, "provider": self.machines.provider, **self.machines.machine}

    def secret_options(self, secret):
        """Options of a new VM that hold a secret."""
        return {"provisioners": [{"inline": "true", "env": {"TOKEN": secret}}]}

    @contextmanager
    def kept(self):
        """Vagrant's own home; at the end all is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o711)
        try:
            with ExitStack() as stack:
                self.vagrant = stack.enter_context(self._opened())
                self._make_project()
                given = {key: value for key, value in self.vagrant.environment().items() if key.startswith("VAGRANT_")}
                # What a task names in its options must not come from here.
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
            self.machines = PlayedMachines(self.folder, self.project.name)
            return self.machines.open()

    def traits(self):
        params = {**self.connection, "provider": self.machines.provider, "vagrantfile": None, "managed": True}
        return make_driver({**params, "executable": "vagrant"}).traits()

    def is_write(self, call):
        """Whether a noted call may have changed anything."""
        command, *words = call.argv
        if command == "virsh":
            return libvirt.writes(words)
        if command == "VBoxManage":
            return virtualbox_own.writes(words)
        return words[0] not in _READS and words[:2] != ["snapshot", "list"]

    # Behind the module's back ---------------------------------------------------------------------------------------

    def medium(self):
        return "/nonexistent/medium.iso"

    def described(self):
        """{name: description} of the machines in the managed file."""
        path = self.project / _FILE
        lines = path.read_text(encoding="utf-8").split("\n") if path.exists() else ()
        line = next((line for line in lines if line.startswith(_DESCRIPTION)), f"{_DESCRIPTION}{{}}")
        return {one["name"]: one for one in json.loads(line[len(_DESCRIPTION) :]).get("machines", ())}

    def ids(self):
        """{name: id} of the machines that were made."""
        found = {
            path.parts[-3]: path.read_text(encoding="utf-8") for path in self.project.glob(".vagrant/machines/*/*/id")
        }
        there = self.machines.ids()
        return {name: identifier for name, identifier in found.items() if identifier in there}

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running ...}}; absent ones are None."""
        self._check_users_file()
        described, ids = self.described(), self.ids()
        return {name: self._standing(described[name], ids.get(name)) if name in described else None for name in names}

    def _check_users_file(self):
        assert (self.project / _USERS_FILE).read_text(encoding="utf-8") == _USERS_OWN

    def _standing(self, machine, identifier):
        stored = json.dumps(machine, sort_keys=True)
        if identifier is None:
            return {"id": None, "power": STOPPED, "stored": stored, "running": None, "snapshots": []}
        standing = self.machines.standing(identifier)
        is_on = standing["power"] != STOPPED
        running = {**machine, "cpus": standing["cpus"], "memory": standing["memory"] >> 20} if is_on else None
        return {
            "id": identifier,
            "power": standing["power"],
            "stored": stored,
            "running": json.dumps(running, sort_keys=True) if running else None,
            "snapshots": standing["snapshots"],
        }

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``."""
        description = json.loads(machine[which])
        return {
            "cpus": description.get("cpus"),
            "memory": description["memory"] << 20 if description.get("memory") else None,
            "description": description.get("description", ""),
            "tags": description.get("tags", []),
            "fleet": description.get("fleet", ""),
            "box_url": description.get("box_url"),
            "box_checksum": description.get("box_checksum"),
            "provisioners": description.get("provisioners", []),
            "native": description.get("native", {}).get("vm.boot_timeout"),
        }

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a machine's snapshots."""
        return self.machines.snapshots(self.ids()[name])

    def write(self, name, byte):
        """Let a guest have written this byte all over the beginning of its disk."""
        self.machines.write(self.ids()[name], byte)

    def holds(self, machine, byte):
        return self.machines.holds(machine["id"], byte)

    def disk_of(self, name):
        return f"/nonexistent/{name}.img"

    def files(self):
        """Names of all files in the project, but those that Vagrant keeps for itself."""
        paths = [path for path in self.project.rglob("*") if path.is_file()]
        below = [path.relative_to(self.project) for path in paths]
        return sorted(str(path) for path in below if path.parts[0] != _OWN_FOLDER)

    def contents(self):
        return {name: images.digest(self.project / name) for name in self.files()}

    def take_snapshot(self, name, snapshot):
        self.machines.take(self.ids()[name], snapshot)

    def handle(self, name):
        """A word that a provider takes for this machine, though it is another one's name."""
        return self.ids()[name]

    def define_as(self, word):
        self._describe({**self.described(), word: self._machine(word)})

    def all_names(self):
        return list(self.described())

    def remove_by_name(self, name):
        self._describe({other: one for other, one in self.described().items() if other != name})

    # Bringing machines about -----------------------------------------------------------------------------------------

    def clean(self):
        """No machine and no file of the namespace is left, but the user's own."""
        self._check_users_file()
        for identifier in self.ids().values():
            self.machines.remove(identifier)
        self._make_project()

    def _make_project(self):
        shutil.rmtree(self.project, ignore_errors=True)
        self.project.mkdir(mode=0o711)
        (self.project / _USERS_FILE).write_text(_USERS_OWN, encoding="utf-8")

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}."""
        made = [name for name, power in names.items() if power != ABSENT]
        self._describe({**self.described(), **{name: self._machine(name) for name in made}})
        self._up(made)
        ids = self.ids()
        self.machines.make_hear([ids[name] for name in made if name in hearing])
        for name in made:
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
        """Bring a machine into ``power``."""
        if name not in self.ids():
            self._up([name])
        self.machines.turn(self.ids()[name], power)

    # What only this platform has -------------------------------------------------------------------------------------

    def own_refusals(self, known, new):
        return own.refusals(self, known, new)

    def own_settings(self):
        return own.settings()
