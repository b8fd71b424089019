# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenBSD's vmd: a double of it, because OpenBSD does not run here."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._drivers.vmm.driver import make_driver
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import ABSENT, PAUSED, RUNNING, STOPPED

from platforms import images, warm
from platforms.adapter import Adapter
from platforms.vmm import own
from platforms.vmm.double import commands, vmconf
from platforms.vmm.double.registration import Registry
from platforms.vmm.double.state import State

#: Programs of OpenBSD that tasks run.
PROGRAMS = ("vmctl", "vmd", "ifconfig", "arp", "uname", "rcctl")
_MARK = "# polyvirt "
_READS = {"status", "show"}
#: Where the product looks for the firmware of guests, in the world's own /etc.
_FIRMWARE = Path("/etc/firmware/vmm-bios")
_BLOCK = """\
vm "{name}" {{
	disable
	memory 128M
	disk "{disk}" format qcow2
}}
"""
_MOVES = {RUNNING: "start", PAUSED: "pause"}


class Platform(Adapter):
    """A host with vmd, below a folder of its own."""

    name = "vmm"
    family = "polyvirt.core.vmm"
    commands = (*PROGRAMS, "xorriso")
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    disk_size = "16M"
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}
    #: vmd gives each VM one CPU; a second one is among the refusals.
    unusable: ClassVar = frozenset({"cpus"})
    slots = ("disk0", "disk1")
    native_values = (({"sev": True}, True), ({"sev": False}, False))
    #: What runs of a VM that was started by hand is what vmd knows.
    consent: ClassVar = {"allow_restart": True, "stop_mode": "force"}

    def __init__(self, prefix="pvc-"):
        super().__init__(prefix)
        self.folder = Path(tempfile.gettempdir()).resolve() / f"polyvirt-{prefix}vmm"
        self.state_folder = self.folder / "host"
        self.storage, self.programs = self.folder / "vms", self.folder / "bin"
        self.config_file = self.state_folder / "root/etc/vm.conf"

    @property
    def connection(self):
        return {"config_file": str(self.config_file), "storage_path": str(self.storage)}

    def options(self, about):
        """What every task of the module ``about`` something needs."""
        if about != "vm":
            return {"config_file": str(self.config_file)}
        return {**self.connection, "allow_foreign_edit": True}

    @contextmanager
    def kept(self):
        """The host; at the end all is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            self.programs.mkdir(parents=True)
            for program in PROGRAMS:
                path = self.programs / program
                path.write_text(warm.script("platforms.vmm.double", self.state_folder, program), encoding="utf-8")
                path.chmod(0o755)
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
        """Whether a noted call may have changed anything."""
        command, *words = call.argv
        if command == "vmctl":
            return words[0] not in _READS
        return command == "xorriso"

    # Behind the module's back ---------------------------------------------------------------------------------------

    def run(self, program, *words):
        """One call of the host's programs; its output, both streams."""
        code, stdout, stderr = commands.call(self.state_folder, [program, *words], {})
        assert code == 0, (program, words, stderr)
        return stdout + stderr

    def _state(self):
        return State(self.state_folder)

    def _known(self):
        """{name: VM} as vmd knows them."""
        return {vm["name"]: vm for vm in self._state().look()["vms"]}

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
        state = self._state()
        vms = []
        registry = Registry(vms, [], {}, lambda name, uid: 0, lambda index: "random")
        verdict = vmconf.read(str(self.config_file), state.host(state.look()), registry)
        assert verdict.is_good, verdict.messages
        return {vm["name"]: vm for vm in vms}

    def ids(self):
        """{name: id} of the machines in the namespace."""
        return {name: name for name in self.all_names() if name.startswith(self.prefix)}

    def all_names(self):
        return list({**self._defined(), **self._known()})

    def truth(self, names):
        """How machines really stand: {name: {power, id, stored, running ...}}; absent ones are None."""
        defined, known, marks = self._defined(), self._known(), self._marks()
        return {
            name: _standing(name, defined.get(name), known.get(name), marks.get(name, {}))
            if name in defined or name in known
            else None
            for name in names
        }

    def settings(self, machine, which="stored"):
        """A machine's settings in the vocabulary's words; ``machine`` is from ``truth``."""
        return json.loads(machine[which])

    def medium(self):
        """An ISO image."""
        path = self.storage / "medium.iso"
        if not path.exists():
            command = ["xorriso", "-as", "mkisofs", "-quiet", "-o", path, __file__]
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return str(path)

    def base_image(self):
        """A small image to make machines from; nothing boots from it."""
        return self._image(self.storage / "base.qcow2")

    def disk_of(self, name):
        return (
            self._image(self.storage / f"{name}.qcow2") if not self.disks_of_name(name) else self.disks_of_name(name)[0]
        )

    def disks_of_name(self, name):
        defined = self._defined().get(name)
        return [path for path, _kind in defined["disks"]] if defined else []

    def disks_of(self, machine):
        """{slot: file} of a machine; ``machine`` is from ``truth``."""
        return machine["disks"]

    def _image(self, path):
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", path, self.disk_size], check=True)
        return str(path)

    def files(self):
        """Names of all files in the namespace's folder."""
        return sorted(str(path.relative_to(self.storage)) for path in self.storage.rglob("*") if path.is_file())

    def contents(self):
        return {name: images.digest(self.storage / name) for name in self.files() if name.endswith((".qcow2", ".raw"))}

    def write(self, name, byte, slot="disk0"):
        images.write(self.truth([name])[name]["disks"][slot], byte)

    def holds(self, machine, byte, slot="disk0"):
        return images.holds(machine["disks"][slot], byte)

    def identities(self, machine):
        """All that no two machines may share."""
        return {machine["id"], *machine["macs"], *machine["disks"].values(), *machine["seeds"]}

    def stands_on(self, machine):
        return {path for file in machine["disks"].values() for path in images.chain(file)[1:]}

    def seeds_of(self, machine):
        return machine["seeds"]

    # Bringing machines about -----------------------------------------------------------------------------------------

    def clean(self):
        """No machine and no file of the namespace is left; vmd runs."""
        shutil.rmtree(self.state_folder, ignore_errors=True)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir(parents=True)
        with self._state().open() as state:
            # A user of this host, too, where the product looks.
            state["users"]["daemon"] = [1, 1]
        self.run("rcctl", "enable", "vmd")
        self.run("rcctl", "start", "vmd")

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}; those ``hearing`` shut down."""
        made = {name: power for name, power in names.items() if power != ABSENT}
        with self._state().open() as state:
            state["guests"] = {name: {"hangs": name not in hearing, "shutdown": 1} for name in made}
        for name in made:
            self.define(name)
        self.run("vmctl", "reload")
        for name, power in made.items():
            self.move(name, power)

    def define(self, name):
        """A machine with one disk and without a NIC, in the lines of somebody else."""
        with self.config_file.open("a", encoding="latin-1") as file:
            file.write(_BLOCK.format(name=name, disk=self.disk_of(name)))

    def move(self, name, power):
        """Bring a machine into ``power``."""
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

    def in_the_way(self, name):
        """A file that keeps a machine of this name from being made."""
        return self.storage / f"{name}-disk0.qcow2"

    # What only this platform has -------------------------------------------------------------------------------------

    def own_refusals(self, known, new):
        return own.refusals(self, known, new)

    def own_settings(self):
        return own.settings(self)


def _standing(name, defined, known, mark):
    is_on = bool(known and known.get("running"))
    power = PAUSED if is_on and known.get("paused") else RUNNING if is_on else STOPPED
    vm = defined or known
    seeds = mark.get("files", [])
    return {
        "id": name,
        "power": power,
        "stored": json.dumps(_settings(vm, mark), sort_keys=True),
        "running": json.dumps(_settings(known, mark), sort_keys=True) if is_on else None,
        "mark": json.dumps(mark, sort_keys=True),
        "disks": {f"disk{place}": path for place, path in enumerate(_disks(vm, seeds))},
        "macs": [nic["lladdr"] for nic in vm["interfaces"] if not re.fullmatch(r"random", nic["lladdr"])],
        "seeds": seeds,
    }


def _disks(vm, seeds):
    return [path for path, _kind in vm["disks"] if path not in seeds]


def _settings(vm, mark):
    return {
        "memory": vm["memory"],
        "description": mark.get("description", ""),
        "tags": mark.get("tags", []),
        "autostart": vm["state"] != "disabled",
        "disks": [f"disk{place}" for place, _path in enumerate(_disks(vm, mark.get("files", [])))],
        "networks": ["nat" if nic["local"] else "network" for nic in vm["interfaces"]],
        "iso": vm.get("cdrom", ""),
        "boot": vm.get("boot", ""),
        "boot_device": vm.get("boot_device", "default"),
        "owner": vm["owner"],
        "native": bool(vm.get("sev")),
    }
