# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real VirtualBox for tests: a directory with its own registry, and an executable that uses it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

from suite.limits import wait_until

from .faults import HUNG, PATIENCE, proofs
from .guests import has_booted
from .registry import Registry

_SOURCES = Path(__file__).resolve().parent
_NOT_AVAILABLE = 77
DIRECT = "/usr/lib/virtualbox/VBoxManage"
#: Debian's script, which writes a warning to standard output if the driver is missing, and then runs VBoxManage.
WITH_WARNING = "/usr/bin/VBoxManage"
_NO_DAEMON, _ATTEMPTS = "Failed to create the VirtualBox object!", 5
#: A user id that belongs to nobody.
UNPRIVILEGED = 6543


class NotAvailable(Exception):
    """VirtualBox is not available on this host; the message contains the reason."""


def build():
    """The root directory with VirtualBox, which is created if it is missing. Raises NotAvailable."""
    built = subprocess.run([_SOURCES / "build.sh"], check=False, capture_output=True, text=True)
    if built.returncode == _NOT_AVAILABLE:
        raise NotAvailable(built.stderr.strip().split("\n")[-1])
    if built.returncode != 0:
        raise RuntimeError(f"tests/platforms/virtualbox/build.sh failed: {built.stderr}")
    return built.stdout.strip().partition("root=")[2]


def processes_in(folder, program=""):
    """The ids of all processes of the registry in ``folder`` that have ``program`` in their command line."""
    name = (Path(folder) / "registry" / "name").read_text(encoding="ascii").strip()
    mark = f"VBOX_IPC_SOCKETID={name}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process may end meanwhile.
            if mark in (process / "environ").read_bytes() and program in (process / "cmdline").read_text("utf-8"):
                found.append(int(process.name))
    return found


class VirtualBox(Registry):
    """A registry in ``folder``, which is created. VirtualBox runs as ``user``, who owns the VMs.

    Use a directory below /tmp: elsewhere, ``user`` needs access to all parts of the path.
    """

    def __init__(self, root, folder, user=UNPRIVILEGED, program=DIRECT):
        super().__init__(folder)
        self._faults, self._root, self._mounts = "", root, None
        self._prepare(user)
        self._name_socket()
        self._write_executable(user, program)

    def _prepare(self, user):
        for folder in ("", "registry", "home", "tmp", "bin", "machines"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
            os.chown(self.folder / folder, user, user)
        # The VMs end when the process with this id has ended (headless.py).
        (self.folder / "registry" / "owner").write_text(f"{os.getpid()}\n", encoding="ascii")

    def _name_socket(self):
        """Choose a socket name for all that open this directory: two daemons would overwrite each other's files."""
        file = self.folder / "registry" / "name"
        if not file.exists():
            file.write_text(f"polyvirt-{os.urandom(6).hex()}\n", encoding="ascii")

    def _write_executable(self, user, program):
        """Write a script that enters the mounts, changes user and root, and runs VBoxManage. Socket name and home
        directory lead its daemon to this registry.
        """
        registry = self.folder / "registry"
        environment = {
            "VBOX_IPC_SOCKETID": (registry / "name").read_text(encoding="ascii").strip(),
            "VBOX_USER_HOME": registry,
            "HOME": self.folder / "home",
            "USER": "tester",
            "LOGNAME": "tester",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        words = ["/usr/sbin/chroot", f"--userspec={user}:{user}", "--groups=", self._root, program]
        lines = [
            "#!/bin/sh",
            f"read -r process <{shlex.quote(str(registry / 'mounts'))}",
            *(f"export {name}={shlex.quote(str(value))}" for name, value in environment.items()),
            f'exec /usr/bin/nsenter --mount=/proc/$process/ns/mnt -- {shlex.join(map(str, words))} "$@"',
        ]
        self.executable.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.executable.chmod(0o755)

    def _hold_mounts(self):
        words = [_SOURCES / "hold_mounts", self._root, self.folder]
        self._mounts = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._mounts.stdout.readline() == b"mounted\n", f"{words} failed: its error is above"

    def __enter__(self):
        self.run("setproperty", "machinefolder", self.machines)
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        if self._mounts:
            self._mounts.communicate()

    def call(self, *words, **more):
        """Run one command, again if the daemon is just starting or ending, which takes seconds on a busy host."""
        for _attempt in range(_ATTEMPTS):
            done = self._ended(words, more)
            if done.returncode == 0 or _NO_DAEMON not in done.stderr:
                break
            time.sleep(1)
        if "Assertion failed" in done.stderr:
            self._faults += done.stderr
        return done

    def _ended(self, words, more):
        """Run one command. If it hangs, kill all processes of the registry and raise AssertionError."""
        if not self._mounts:
            self._hold_mounts()
        try:
            return super().call(*words, timeout=PATIENCE, **more)
        except subprocess.TimeoutExpired:
            self.close()
            hung = f"VBoxManage {' '.join(map(str, words))} {HUNG}."
            self._faults += f"{hung}\n"
            raise AssertionError(hung) from None

    def wait_for_guest(self, uuid):
        answers = []

        def is_up():
            answers.append(self.call("debugvm", uuid, "getregisters", "cs", "eip"))
            return has_booted(answers[-1].stdout)

        def report():
            log = self.machines.rglob("VBox.log")
            lines = [line for path in log for line in path.read_text(errors="replace").splitlines()[-15:]]
            return "\n".join(["the guest has booted; its registers:", str(answers[-1]), *lines])

        wait_until(is_up, report)

    def faults(self, failure):
        """Messages about bugs of VirtualBox itself, in all calls: ``failure`` may be truncated, or that of a task."""
        on = re.findall(r'^"(.*)" \{', self.call("list", "runningvms").stdout, re.MULTILINE)
        return proofs(f"{failure}\n{self._faults}", self.machines, on)

    def close(self):
        """Kill all processes of this registry; a VM that is only asked to end would first save its memory."""
        while self.processes():
            for process in self.processes():
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.05)

    def end_daemon(self):
        while self.processes("VBoxSVC"):
            for process in self.processes("VBoxSVC"):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGTERM)
            time.sleep(0.1)

    @contextmanager
    def staying_daemon(self):
        # A client that stays: it prints measured values once an hour.
        words = [self.executable, "metrics", "collect", "--period", "3600"]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as client:
            try:
                yield
            finally:
                client.terminate()

    def processes(self, program=""):
        """The process ids of this registry."""
        return processes_in(self.folder, program)
