# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One registry of VirtualBox machines in a folder, real or played, with an executable that works on it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from suite.limits import wait_until

from .guests import disk_image

#: Without it a machine would insist on the kernel driver.
ENGINE = {"vm-execution-engine": "interpreter"}


class Registry:
    """What tests do with a VirtualBox; it ends with the ``with`` that it is opened by."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.executable = self.folder / "bin" / "VBoxManage"
        self.machines = self.folder / "machines"

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.close()

    def close(self):
        """End everything that runs."""

    def processes(self, program=""):
        """The running processes of this registry, by number; one that is played has none."""
        return []

    def end_daemon(self):
        """What is written in settings files from now on is read anew at the next call."""

    def write_executable(self, text):
        """The program that a module is given, or that stands on PATH."""
        self.executable.parent.mkdir(parents=True, exist_ok=True)
        self.executable.write_text(text, encoding="utf-8")
        self.executable.chmod(0o755)

    def call(self, *words, locale="C.UTF-8", timeout=None):
        """One call as it ends, well or badly."""
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
        """One call that must go well; what it printed."""
        done = self.call(*words)
        assert done.returncode == 0, f"VBoxManage {' '.join(map(str, words))}: {done.stderr}"
        return done.stdout

    def make(self, name, guest=None):
        """A machine that can start here, with one of the guests on its disk; its UUID."""
        made = self.run("createvm", "--name", name, "--ostype", "Other_64", "--register")
        uuid = made.partition("UUID: ")[2].split("\n")[0]
        engine = [word for key, value in ENGINE.items() for word in (f"--{key}", value)]
        self.run("modifyvm", uuid, "--memory", 16, "--boot1", "disk", *engine)
        self.run("storagectl", uuid, "--name", "SATA", "--add", "sata", "--portcount", 4)
        if guest:
            disk = self.guest_disk(guest, f"{uuid}.vdi")
            self.run("storageattach", uuid, "--storagectl", "SATA", "--port", 0, "--type", "hdd", "--medium", disk)
        return uuid

    def guest_disk(self, guest, name):
        """A disk image, with a UUID of its own, from which the guest boots."""
        raw, disk = self.folder / f"{guest}.img", self.machines / name
        raw.write_bytes(disk_image(guest))
        self.run("convertfromraw", raw, disk, "--format", "VDI")
        return disk

    def state(self, uuid):
        """VMState of a machine; empty in the moment in which its process dies, when nobody can tell."""
        said = self.call("showvminfo", uuid, "--machinereadable").stdout
        return said.partition('VMState="')[2].partition('"')[0]

    def wait_for(self, uuid, state, seconds=60):
        """Wait until a machine is in a state."""
        wait_until(lambda: self.state(uuid) == state, f"the machine is {state}", seconds)

    def wait_for_guest(self, uuid):
        """Wait until the guest of a running machine hears the power button; one that is played hears it later, too."""
