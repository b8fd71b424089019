# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry of VirtualBox in a directory, real or double, with its own executable."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.polyvirt.core.plugins.module_utils._ports.clock import Clock

from suite.limits import wait_until

from .guests import disk_image
from .recording import RecordingCommands

#: Without this setting, a VM needs the kernel driver.
ENGINE = {"vm-execution-engine": "interpreter"}


class Registry:
    """The operations of tests on a VirtualBox. Its processes end with the ``with`` block."""

    #: With which tasks wait.
    clock = Clock()

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.executable = self.folder / "bin" / "VBoxManage"
        self.machines = self.folder / "machines"

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        """End all processes."""

    def processes(self, program=""):
        """The process ids of this registry; the double has no processes."""
        return []

    def commands(self, before=None, after=None, fails=None):
        """The port to programs of a task: see RecordingCommands."""
        return RecordingCommands(before, after, fails)

    def end_daemon(self):
        """End VBoxSVC, so that the next call reads changed settings files again."""

    @contextmanager
    def staying_daemon(self):
        """VBoxSVC does not end within the block; it would end 5 s after its last client, and forget unused media."""
        yield

    def write_executable(self, text):
        """Create the executable, which tests pass to a module or put on PATH."""
        self.executable.parent.mkdir(parents=True, exist_ok=True)
        self.executable.write_text(text, encoding="utf-8")
        self.executable.chmod(0o755)

    def call(self, *words, locale="C.UTF-8", timeout=None):
        """Run one command and return it with its exit code and output."""
        argv = [self.executable, *map(str, words)]
        environment = {**os.environ, "LC_ALL": locale}
        return subprocess.run(
            argv,
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=environment,
            timeout=timeout,
        )

    def run(self, *words):
        """Run one command that must succeed; returns its standard output."""
        done = self.call(*words)
        assert done.returncode == 0, f"VBoxManage {' '.join(map(str, words))}: {done.stderr}"
        return done.stdout

    def make(self, name, guest=None):
        """Create a VM that can start here, with one of the guests on its disk; returns its UUID."""
        made = self.run("createvm", "--name", name, "--ostype", "Other_64", "--register")
        uuid = made.partition("UUID: ")[2].split("\n")[0]
        engine = [word for key, value in ENGINE.items() for word in (f"--{key}", value)]
        self.run("modifyvm", uuid, "--memory", 16, "--boot1", "disk", *engine)
        self.run("storagectl", uuid, "--name", "SATA", "--add", "sata", "--portcount", 4)
        if guest:
            self.attach(self.guest_disk(guest, f"{uuid}.vdi"), 0, uuid)
        return uuid

    def attach(self, disk, port=1, name="web", *more):
        """Attach a disk to a VM; ``none`` detaches it. ``more`` are other words of the command."""
        slot = ("--storagectl", "SATA", "--port", port, "--type", "hdd")
        self.run("storageattach", name, *slot, "--medium", disk, *more)

    def guest_disk(self, guest, name):
        """Create a disk image that boots the guest, with a new UUID."""
        raw, disk = self.folder / f"{guest}.img", self.machines / name
        raw.write_bytes(disk_image(guest))
        self.run("convertfromraw", raw, disk, "--format", "VDI")
        return disk

    def image(self, guest="obeys"):
        """A raw disk image; VMs created from it have this guest."""
        path = self.folder / f"{guest}.img"
        path.write_bytes(disk_image(guest))
        return {"source": str(path), "linked": False}

    def iso(self, name="a.iso"):
        """The path of a file that VirtualBox accepts as an ISO image."""
        path = self.folder / name
        path.write_bytes((b"\0" * 32769 + b"CD001").ljust(65536, b"\0"))
        return str(path)

    def disk(self, name="user.vdi", size=2):
        """The path of a disk image that no task has created and VirtualBox does not know."""
        path = str(self.folder / name)
        if not os.path.exists(path):
            image_format = os.path.splitext(name)[1][1:].upper()
            self.run("createmedium", "disk", "--filename", path, "--size", size, "--format", image_format)
            self.run("closemedium", "disk", path)
        return path

    def files(self):
        """Paths of all files in the folder of VMs."""
        return sorted(str(path.relative_to(self.machines)) for path in self.machines.rglob("*") if path.is_file())

    def registered(self, kind="hdds"):
        """Paths of the images that VirtualBox knows."""
        lines = self.run("list", kind).splitlines()
        return sorted(line.partition(":")[2].strip() for line in lines if line.startswith("Location:"))

    def values(self, name="web"):
        """What showvminfo reports about a VM: {key: value}."""
        lines = self.run("showvminfo", name, "--machinereadable").splitlines()
        pairs = (line.partition("=") for line in lines)
        return {key.strip('"'): value.strip('"') for key, _equals, value in pairs}

    def state(self, uuid):
        """VMState of a VM, or an empty string if showvminfo fails, as in the moment in which the VM's process dies."""
        output = self.call("showvminfo", uuid, "--machinereadable").stdout
        return output.partition('VMState="')[2].partition('"')[0]

    def wait_for(self, uuid, state, seconds=60):
        """Wait until a VM is in a state."""
        found = []

        def is_in_state():
            found.append(self.state(uuid))
            return found[-1] == state

        wait_until(is_in_state, lambda: f"the machine is {state}; found: {', '.join(dict.fromkeys(found))}", seconds)

    def wait_for_guest(self, uuid):
        """Wait until the guest of a running VM reacts to the power button; a double's guest reacts later, too."""
