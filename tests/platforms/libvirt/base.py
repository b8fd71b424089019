# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The common part of both libvirt platforms. VMs are read and changed by ``virsh``.

Of the code under test, only the driver's traits are used: for options that they exclude, the suite expects an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.virsh.driver import make_driver

from platforms import images
from platforms.adapter import Adapter
from platforms.libvirt import own, reading
from platforms.libvirt.session import Session
from suite.limits import scaled
from suite.scenarios.refusals import Refused
from suite.sentinels import NAME as THEIRS

IMAGES = Path(os.environ.get("POLYVIRT_TEST_IMAGES", "/var/lib/libvirt/images"))
#: Only VMs with this prefix are ever touched; a test that runs in parallel has its own prefix.
PREFIX = "pvc-"
_QUESTIONS = (
    "dominfo {}", "domstate {}", "dumpxml {} --inactive --security-info", "dumpxml {}", "snapshot-list {} --tree",
    "snapshot-current {} --name",
)  # fmt: skip
_MARK = "conformance-next"


def _environment():
    return {**os.environ, "LC_ALL": "C.UTF-8"}


class Libvirt(Adapter):
    """A namespace in one libvirt: VMs with a common name prefix, and files in a directory of their own."""

    family = "polyvirt.core.virsh"
    commands = ("virsh", "qemu-img", "qemu-io", "xorriso")
    uri = ""
    disk_size = ""
    snapshot_with_memory: ClassVar = {"kind": "external", "include_memory": True}
    slots = ("vda", "vdb")
    drives = ("sata0", "sata9")
    nic: ClassVar = {"type": "user"}
    cloneable_nic: ClassVar = {"type": "network", "source": "default"}
    device_values = (([], []), ([{"type": "pci", "id": "01:00.0"}], ["pci"]))
    native_values = (({"on_reboot": "restart"}, "restart"), ({"on_reboot": "destroy"}, "destroy"))
    #: Additional options of virsh undefine.
    undefine_words = ()
    _session = _their_disk = None

    @property
    def storage(self):
        return IMAGES / f"{self.prefix}{self.name}"

    @property
    def connection(self):
        return {"uri": self.uri, "storage_path": str(self.storage)}

    def options(self, about):
        """Options that every task of the module ``about`` something needs."""
        if about == "host_settings":
            return {}
        return self.connection if about == "vm" else {"uri": self.uri}

    @contextmanager
    def kept(self):
        """A context in which the suite reads by one connection; the state of the test driver lasts as long."""
        self._session = Session(self.uri, _environment())
        try:
            yield
        finally:
            session, self._session = self._session, None
            session.close()

    def traits(self):
        return self._traits

    @cached_property
    def _traits(self):
        # Tests ask hundreds of times, and libvirt keeps its version while the platform is open.
        return make_driver({**self.connection, "executable": "virsh"}).traits()

    def is_write(self, call):
        """Whether a recorded call may have changed anything."""
        command, *words = call.argv
        return reading.writes(words) if command == "virsh" else words[0] not in reading.READS.get(command, ())

    # Without the module -----------------------------------------------------------------------------------------------

    def virsh(self, *words, stdin=None, check=True):
        """Run virsh; returns its standard output."""
        command = ["virsh", "-q", "-c", self.uri, *words]
        if self._session and stdin is None and not reading.writes(command):
            answer = self._session.answer(*words)
            # A process of its own reports what has failed.
            if answer and not (check and answer[1]):
                return answer[0]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=scaled(60), env=_environment(), check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def ids(self):
        """{name: UUID} of the VMs in the namespace."""
        rows = [line.split(" ", 1) for line in self.virsh("list", "--all", "--uuid", "--name").split("\n") if line]
        return {name: uuid for uuid, name in rows if name.startswith(self._prefixes)}

    @property
    def _prefixes(self):
        # Some names begin with a dash, which careless tools take for an option.
        return (self.prefix, f"-{self.prefix}")

    def truth(self, names):
        """The actual state: {name: {power, id, stored, running, autostart}}; absent VMs are None."""
        ids = self.ids()
        existing = [name for name in names if name in ids]
        questions = [question.format(ids[name]) for name in existing for question in _QUESTIONS]
        # One process for all commands: the state is read after every task, and a process takes longer than a command.
        batch = f"echo {_MARK}; ".join(f"{question}; " for question in questions)
        parts = iter(self.virsh(batch, check=False).split(_MARK)) if existing else iter(())
        states = {name: reading.vm_state(ids[name], *(next(parts) for _question in _QUESTIONS)) for name in existing}
        return {name: states.get(name) for name in names}

    def disk_of(self, name):
        return str(self.storage / f"{name}-vda.qcow2")

    def make_disk(self, name):
        """Create the first disk of a VM, with the size that the suite's tasks use; returns its path."""
        size = self.disk_size.removesuffix("B")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", self.disk_of(name), size], check=True)
        return self.disk_of(name)

    # Disks and their content ------------------------------------------------------------------------------------------

    def make_image(self, name, *words):
        """Create an image of the size of a disk with qemu-img; ``words`` are its options. Returns its path."""
        path = self.storage / name
        words = words if "-f" in words else ("-f", "qcow2", *words)
        size = () if "-b" in words else ("16M",)
        subprocess.run(["qemu-img", "create", "-q", *words, path.name, *size], check=True, cwd=self.storage)
        return path

    def define_copy(self, name, copy):
        """Define a VM with the disks of another one, as a user does who copies a definition by hand."""
        text = self.virsh("dumpxml", name, "--inactive")
        text = re.sub(r"<uuid>.*?</uuid>|<mac [^>]*>|<metadata>.*?</metadata>|<nvram.*?</nvram>", "", text, flags=re.S)
        self.virsh("define", "/dev/stdin", stdin=text.replace(f"<name>{name}<", f"<name>{copy}<"))

    @contextmanager
    def as_volumes(self, name):
        """A context in which the disks of a VM are described as volumes of a pool, as other tools do."""
        pool, text = f"{self.prefix}pool", self.virsh("dumpxml", name, "--inactive")
        self.virsh("pool-create-as", pool, "dir", "--target", str(self.storage))
        of_volumes = text.replace("type='file'", "type='volume'")
        source = rf"<source pool='{pool}' volume='\1'/>"
        of_volumes = re.sub(rf"<source file='{self.storage}/([^']*)'/>", source, of_volumes)
        self.virsh("define", "/dev/stdin", stdin=of_volumes)
        try:
            yield
        finally:
            self.virsh("define", "/dev/stdin", stdin=text)
            self.virsh("pool-destroy", pool)

    def disks_of(self, machine):
        """{slot: file} of a VM; ``machine`` is from ``truth``."""
        disks = ET.fromstring(machine["stored"]).findall("devices/disk[@device='disk']")
        return {disk.find("target").get("dev"): disk.find("source").get("file") for disk in disks}

    def write(self, name, byte, slot="vda"):
        """Fill the beginning of a disk with this byte, as a guest could do."""
        images.write(self.disks_of(self.truth([name])[name])[slot], byte)

    def holds(self, machine, byte, slot="vda"):
        """Whether ``write`` filled the disk with this byte; ``machine`` is from ``truth``."""
        return images.holds(self.disks_of(machine)[slot], byte)

    def backing_files(self, machine):
        """All images below the disks of a VM."""
        return {path for file in self.disks_of(machine).values() for path in images.chain(file)[1:]}

    def identities(self, machine):
        """Values that no two VMs may share: id, MACs, disks, cloud-init seed ISOs."""
        root = ET.fromstring(machine["stored"])
        macs = {mac.get("address") for mac in root.findall("devices/interface/mac")}
        return {machine["id"], *macs, *self.disks_of(machine).values(), *self.seeds_of(machine)}

    def seeds_of(self, machine):
        """The cloud-init seed ISOs in a VM's drives."""
        drives = ET.fromstring(machine["stored"]).findall("devices/disk[@device='cdrom']/source")
        return [drive.get("file") for drive in drives if "seed" in drive.get("file")]

    def contents(self):
        """{name: digest} of all files in the namespace's directory."""
        return {name: images.digest(self.storage / name) for name in self.files()}

    def take_snapshot(self, name, snapshot):
        """Take a snapshot with libvirt's defaults."""
        self.virsh("snapshot-create-as", name, snapshot)

    def take_clone_base(self, name, snapshot):
        """Take an external snapshot, which can be the base of linked clones."""
        self.virsh("snapshot-create-as", name, snapshot, "--disk-only")

    def blocking_file(self, name):
        """A file that prevents the creation of a VM with this name."""
        return Path(self.disk_of(name))

    def own_refusals(self, known, new):
        """Tasks that fail on this platform only; the VM ``known`` exists, ``new`` does not."""
        socket = f"{self.uri}?socket=/nonexistent"
        no_network = {"type": "network", "source": "pvc-no"}
        return [
            Refused("only digits", {**self.creation, "name": ["4711"]}, ("4711", "number", "another name")),
            Refused("other networks", {**self.creation, "name": [new], "networks": [no_network]}, (new, "default")),
            Refused("native path", {"name": [known], "native": {"a[[": "x"}}, ("native", "a[[", "os/type@machine")),
            Refused("no daemon", {"name": [known], "state": "started", "uri": socket}, (socket, "libvirtd")),
        ]

    def own_settings(self):
        """Settings that only this platform has, or with values of its own, as in ``scenarios.options``."""
        return {
            "boot_order": ((["cdrom", "disk"], ["cdrom", "hd"]), (["network", "disk"], ["network", "hd"])),
            "max_cpus": ((3, 3), (4, 4)),
            "max_memory": (("128M", 128 << 20), ("160M", 160 << 20)),
            "watchdog": (({"action": "pause"}, ("i6300esb", "pause")), ({"action": "none"}, ("i6300esb", "none"))),
        }

    def changes_while_running(self):
        return own.changes(self.nic, self.disk_size)

    def settings(self, machine, which="stored"):
        """A VM's settings by option name; ``machine`` is from ``truth``."""
        return reading.settings(machine, which)

    def snapshots(self, name):
        """{name: {parent, state, description, current}} of a VM's snapshots."""
        return reading.snapshots(self.virsh, name)

    def files(self):
        """Names of all files in the namespace's directory, except logs of consoles, which the hypervisor writes."""
        found = [file.name for file in self.storage.iterdir() if not file.name.startswith(THEIRS)]
        return sorted(name for name in found if not name.endswith(".console"))

    # What somebody else has -------------------------------------------------------------------------------------------

    def folders_of_sentinels(self):
        return [self.storage]

    def put_sentinels(self):
        """A VM with a disk and a snapshot, as other tools create it."""
        disk = Path(self.disk_of(THEIRS))
        if self._their_disk is None:
            self.define(THEIRS)
            self.virsh("snapshot-create-as", THEIRS, "before")
            self._their_disk = disk.read_bytes()
        disk.write_bytes(self._their_disk)

    def remove_sentinels(self):
        self.virsh("undefine", THEIRS, "--snapshots-metadata", check=False)
        self._their_disk = None

    def sentinels(self):
        questions = ("dumpxml {} --inactive", "snapshot-list {} --name", "domstate {}")
        answers = {question: self.virsh(*question.format(THEIRS).split(), check=False) for question in questions}
        disk = Path(self.disk_of(THEIRS))
        return {**answers, disk: disk.read_bytes() if disk.exists() else None}

    def handle(self, name):
        """The number that virsh accepts as this running VM, to be used as the name of another one."""
        return self.virsh("domid", name).strip()

    def define_as(self, word):
        """Create a VM with a name outside of the namespace."""
        name = f"{self.prefix}renamed"
        self.define(name)
        self.virsh("domrename", name, word)

    def all_names(self):
        """Names of all VMs, also outside of the namespace."""
        return [name for name in self.virsh("list", "--all", "--name").split("\n") if name not in ("", THEIRS)]

    def remove_by_name(self, name):
        """Delete a VM if it exists; for names that cannot begin with the namespace's prefix."""
        for line in self.virsh("list", "--all", "--uuid", "--name").split("\n"):
            if line.partition(" ")[2] == name:
                self._remove(line.partition(" ")[0])

    def _remove(self, uuid):
        # In one process, which ends with 0 if the last command succeeds: the others fail for a VM that is off.
        undefine = " ".join(("undefine", uuid, *self.undefine_words, "--snapshots-metadata"))
        self.virsh(f"destroy {uuid}; managedsave-remove {uuid}; {undefine}")

    def clean(self):
        """Delete all VMs and files of the namespace."""
        for uuid in self.ids().values():
            self._remove(uuid)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir()
        # The hypervisor's user must be able to open the files below, but not to list them.
        self.storage.chmod(0o711)

    def bring(self, names, obeying=()):
        """Create VMs: ``names`` is {name: power state}; the guests of those in ``obeying`` shut down on request."""
        for name, power in names.items():
            if power != ABSENT:
                self.define(name, name in obeying)
        on = {name: power for name, power in names.items() if power not in (ABSENT, STOPPED)}
        for name in on:
            self.move(name, RUNNING)
        self.wait_until_ready([name for name in on if name in obeying])
        for name, power in on.items():
            self.move(name, power)

    def define(self, name, obeys=False):
        raise NotImplementedError

    def wait_until_ready(self, names):
        """Wait until the guests obey the power button; a platform without guests has nothing to wait for."""

    def move(self, name, power):
        """Change a stopped VM to RUNNING, or a running VM to the state ``power``."""
        command = {RUNNING: "start", PAUSED: "suspend", STOPPED: "destroy"}.get(power)
        if command and self._state(name) != power:
            self.virsh(command, name)

    def _state(self, name):
        return reading.POWERS.get(self.virsh("domstate", name).strip())
