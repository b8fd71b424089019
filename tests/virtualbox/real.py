# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real VirtualBox for tests: one folder with a registry of its own, and an executable that works on it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from .guests import disk_image

_SOURCES = Path(__file__).resolve().parent
_NOT_AVAILABLE = 77
DIRECT = "/usr/lib/virtualbox/VBoxManage"
#: Debian's script in front of it, which writes a warning on standard output when the driver is missing.
WITH_WARNING = "/usr/bin/VBoxManage"
#: Any number that is nobody's.
UNPRIVILEGED = 6543

_WRAPPER = """\
#!/bin/sh
exec '{enter}' '{root}' '{folder}' '{program}' "$@"
"""


class NotAvailable(Exception):
    """VirtualBox cannot be had on this host; the text says why."""


def build():
    """The root folder with VirtualBox in it, made if it is missing. Raises NotAvailable."""
    built = subprocess.run([_SOURCES / "build.sh"], check=False, capture_output=True, text=True)
    if built.returncode == _NOT_AVAILABLE:
        raise NotAvailable(built.stderr.strip().split("\n")[-1])
    if built.returncode != 0:
        raise RuntimeError(f"tests/virtualbox/build.sh failed: {built.stderr}")
    return built.stdout.strip().partition("root=")[2]


def processes_in(folder, program=""):
    """The running processes of the registry in ``folder``, by number."""
    name = (Path(folder) / "registry" / "name").read_text(encoding="ascii").strip()
    mark = f"VBOX_IPC_SOCKETID={name}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It may end while it is looked at.
            if mark in (process / "environ").read_bytes() and program in (process / "cmdline").read_text("utf-8"):
                found.append(int(process.name))
    return found


class VirtualBox:
    """A registry in ``folder``, which is made; machines belong to ``user``, which is who VirtualBox runs as.

    The folder is best below /tmp: elsewhere its path must be open to ``user``.
    """

    def __init__(self, root, folder, user=UNPRIVILEGED, program=DIRECT):
        self.folder = Path(folder).resolve()
        self.executable = self.folder / "bin" / "VBoxManage"
        self.machines = self.folder / "machines"
        self._prepare(user)
        self._name_socket()
        self._write_wrapper(root, program)

    def __enter__(self):
        self.run("setproperty", "machinefolder", self.machines)
        return self

    def __exit__(self, *_error):
        self.close()

    def _prepare(self, user):
        for folder in ("", "registry", "home", "tmp", "bin", "machines"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
            os.chown(self.folder / folder, user, user)
        # A machine ends when this process is gone (headless.py).
        (self.folder / "registry" / "owner").write_text(f"{os.getpid()}\n", encoding="ascii")

    def _name_socket(self):
        """The same for all that open this folder: of two daemons one would overwrite what the other wrote."""
        file = self.folder / "registry" / "name"
        if not file.exists():
            file.write_text(f"polyvirt-{os.urandom(6).hex()}\n", encoding="ascii")

    def _write_wrapper(self, root, program):
        text = _WRAPPER.format(enter=_SOURCES / "enter", root=root, folder=self.folder, program=program)
        self.executable.write_text(text, encoding="utf-8")
        self.executable.chmod(0o755)

    def call(self, *words, locale="C.UTF-8"):
        """One call as it ends, well or badly."""
        argv = [self.executable, *map(str, words)]
        environment = {**os.environ, "LC_ALL": locale}
        return subprocess.run(
            argv, check=False, capture_output=True, encoding="utf-8", errors="surrogateescape", env=environment
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
        self.run("modifyvm", uuid, "--memory", 16, "--boot1", "disk", "--vm-execution-engine", "interpreter")
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
        """VMState of a machine."""
        said = self.run("showvminfo", uuid, "--machinereadable")
        return said.partition('VMState="')[2].partition('"')[0]

    def wait_for(self, uuid, state, seconds=15):
        """Wait until a machine is in a state, which must be soon."""
        deadline = time.monotonic() + seconds
        while (now := self.state(uuid)) != state:
            assert time.monotonic() < deadline, f"the machine is {now} after {seconds} s, not {state}"
            time.sleep(0.1)

    def close(self):
        """End everything that runs in this registry. Nothing is asked: a machine would save itself to disk first."""
        while self.processes():
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def processes(self, program=""):
        """The running processes of this registry, by number."""
        return processes_in(self.folder, program)
