# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's vmd: a double of it, because OpenBSD does not run here."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.driver import make_driver

from platforms import images
from platforms.adapter import Adapter
from platforms.vmm import own, reading
from platforms.vmm.double import vmconf
from platforms.vmm.double.registration import Registry
from platforms.vmm.double_host import OpenBSD
from suite.sentinels import NAME as THEIRS

_MARK = "# polyvirt "
_READS = {"status", "show"}
#: The product checks that this firmware of guests exists; /etc is that of the world.
_FIRMWARE = Path("/etc/firmware/vmm-bios")
_BLOCK = """\
vm "{name}" {{
\tdisable
\tmemory 128M
\tdisk "{disk}" format qcow2
}}
"""


class Platform(Adapter):
    """A host with vmd, in its own directory."""

    name = "vmm"
    _own = own
    family = "polyvirt.core.vmm"
    commands = ("vmctl", "vmd", "ifconfig", "arp", "uname", "rcctl", "xorriso")
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    disk_size = "16M"
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}
    #: vmd gives each VM one CPU; a second one is among the refusals.
    unusable: ClassVar = frozenset({"cpus"})
    slots = ("disk0", "disk1")
    has_snapshots = linked_disks_grow = False
    has_nic_without_network = True
    has_terminals = True
    native_values = (({"sev": True}, True), ({"sev": False}, False))
    #: The settings with which a VM was started by hand are known from vmd.
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}

    def __init__(self, prefix="pvc-"):
        super().__init__(prefix)
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}vmm"
        self.storage, self._host = self.folder / "vms", None
        self.config_file = self.folder / "host/root/etc/vm.conf"

    @property
    def host(self):
        """The host; another process may have created it."""
        self._host = self._host or OpenBSD(self.folder / "host")
        return self._host

    @property
    def programs(self):
        return self.host.bin

    @property
    def connection(self):
        return {"config_file": str(self.config_file), "storage_path": str(self.storage)}

    def options(self, about):
        """The options that each task of a module needs; ``about`` is vm, vm_info, ..."""
        if about != "vm":
            return {"config_file": str(self.config_file)}
        return {**self.connection, "allow_foreign_edit": True}

    @contextmanager
    def kept(self):
        """Create the host, and remove it at the end."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self._make_host()
            _FIRMWARE.parent.mkdir(exist_ok=True)
            _FIRMWARE.touch()
            yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def traits(self):
        given = {**self.connection, "executable": str(self.programs / "vmctl")}
        driver = make_driver(given)
        driver.observe(None, frozenset({"power"}))
        return driver.traits()

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        command, *words = call.argv
        if command == "vmctl":
            return words[0] not in _READS
        return command == "xorriso"

    # Reading and changing VMs without modules ------------------------------------------------------------------------

    def _make_host(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.storage.mkdir(parents=True)
        (self.folder / "host").mkdir()
        # The module looks up users on the host that the tests run on, so they exist there, too.
        self._host = OpenBSD(self.folder / "host", users={"root": [0, 0], "daemon": [1, 1]})
        self.run("rcctl", "enable", "vmd")
        self.run("rcctl", "start", "vmd")

    def run(self, *words):
        """Run a program of the host; returns standard output and standard error."""
        answer = self.host.call(*words)
        assert answer.returncode == 0, (words, answer)
        return answer.stdout + answer.stderr

    def _state(self):
        return self.host.state.look()

    def _known(self):
        """{name: VM} as vmd knows them."""
        return {vm["name"]: vm for vm in self._state()["vms"]}

    def _text(self):
        return self.config_file.read_text(encoding="latin-1") if self.config_file.exists() else ""

    def _marks(self):
        """{name: mark} in vm.conf."""
        found = [json.loads(line[len(_MARK) :]) for line in self._text().splitlines() if line.startswith(_MARK)]
        return {mark["id"]: mark for mark in found}

    def _defined(self):
        """{name: VM} as vmd would read them from vm.conf now."""
        if not self.config_file.exists():
            return {}
        vms = []
        registry = Registry(vms, [], {}, lambda name, uid: 0, lambda index: "random")
        verdict = vmconf.read(str(self.config_file), self.host.state.host(self._state()), registry)
        assert verdict.is_good, verdict.messages
        return {vm["name"]: vm for vm in vms}

    def ids(self):
        """{name: id} of the VMs of this test."""
        return {name: name for name in self.all_names() if name.startswith(self.prefix)}

    def all_names(self):
        return list({**self._defined(), **self._known()})

    def truth(self, names):
        """The state of VMs, read from the double: {name: {power, id, stored, running ...}}; None for absent VMs."""
        defined, known, marks = self._defined(), self._known(), self._marks()
        return {
            name: reading.vm_state(name, defined.get(name), known.get(name), marks.get(name, {}))
            if name in defined or name in known
            else None
            for name in names
        }

    def settings(self, machine, which="stored"):
        """The settings of a VM, named like the options; ``machine`` is from ``truth``."""
        return json.loads(machine[which])

    def base_image(self):
        """A small image to create VMs from; no guest boots from it."""
        return self._image(self.storage / "base.qcow2")

    def disk_of(self, name):
        return (
            self._image(self.storage / f"{name}.qcow2") if not self.disks_of_name(name) else self.disks_of_name(name)[0]
        )

    def disks_of_name(self, name):
        defined = self._defined().get(name)
        return [path for path, _kind in defined["disks"]] if defined else []

    def disks_of(self, machine):
        """{slot: file} of a VM; ``machine`` is from ``truth``."""
        return machine["disks"]

    def _image(self, path):
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, self.disk_size], check=True)
        return str(path)

    def folders_of_sentinels(self):
        return [self.storage]

    def files(self):
        """Names of all files in the storage directory."""
        paths = [path for path in self.storage.rglob("*") if path.is_file() and not path.name.startswith(THEIRS)]
        return sorted(str(path.relative_to(self.storage)) for path in paths)

    def contents(self):
        return {name: images.digest(self.storage / name) for name in self.files() if name.endswith((".qcow2", ".raw"))}

    def write(self, name, byte, slot="disk0"):
        images.write(self.truth([name])[name]["disks"][slot], byte)

    def holds(self, machine, byte, slot="disk0"):
        return images.holds(machine["disks"][slot], byte)

    def identities(self, machine):
        """Ids, MAC addresses and files that no two VMs may share."""
        return {machine["id"], *machine["macs"], *machine["disks"].values(), *machine["seeds"]}

    def backing_files(self, machine):
        return {path for file in machine["disks"].values() for path in images.chain(file)[1:]}

    def seeds_of(self, machine):
        return machine["seeds"]

    # Creating VMs without modules -----------------------------------------------------------------------------------

    def clean(self):
        """Remove all VMs and files; vmd runs."""
        self._make_host()

    def bring(self, names, obeying=()):
        """Create VMs: ``names`` is {name: power state}; the guests of those in ``obeying`` shut down on request."""
        made = {name: power for name, power in names.items() if power != ABSENT}
        for name in made:
            self.host.guest(name, hangs=name not in obeying, shutdown=1)
            self.define(name)
        self.run("vmctl", "reload")
        for name, power in made.items():
            self.move(name, power)

    def define(self, name):
        """Define a VM with one disk and without a NIC, as a user would in vm.conf."""
        with self.config_file.open("a", encoding="latin-1") as file:
            file.write(_BLOCK.format(name=name, disk=self.disk_of(name)))

    def move(self, name, power):
        """Bring a VM into the state ``power``."""
        found = self.truth([name])[name]["power"]
        if found == power:
            return
        if power == STOPPED:
            self.run("vmctl", "stop", "-fw", name)
        elif found == PAUSED:
            self.run("vmctl", "unpause", name)
        else:
            self.run("vmctl", "start", name) if found == STOPPED else None
            self.run("vmctl", "pause", name) if power == PAUSED else None

    def handle(self, name):
        """A name that vmctl takes for the id of this VM."""
        return str(self._known()[name]["id"])

    def define_as(self, word):
        """Define a VM with a name that is not one of this test."""
        self.define(word)
        self.run("vmctl", "reload")

    def remove_by_name(self, name):
        """Nothing to do: ``clean`` removes all VMs before the next test."""

    def blocking_file(self, name):
        """A file that prevents the creation of a VM with this name."""
        return self.storage / f"{name}-disk0.qcow2"
