# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated OpenBSD host for tests, with methods to set its behaviour and its errors."""

from __future__ import annotations

import os
from pathlib import Path

from platforms import warm
from platforms.vmm.double import boot, commands
from platforms.vmm.double.state import FILES, State
from platforms.vmm.double.world import World


class OpenBSD:
    """A host with its state in ``folder``; with ``root="/"``, its files are those of a private mount namespace."""

    def __init__(self, folder, **known):
        self.folder = Path(folder)
        self.state, self.bin = State(self.folder), self.folder / "bin"
        self._write_executables()
        self.change(**known)

    def environment(self):
        """The environment variables that its executables need."""
        return {"POLYVIRT_VMM_STATE": str(self.folder), "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def call(self, *words, uid=None, patience=None):
        """Run a program without a process; returns its Answer. TimedOut if it takes more than ``patience`` seconds."""
        environment = {} if uid is None else {"POLYVIRT_VMM_UID": str(uid)}
        return commands.call(self.folder, words, environment, str(self.folder), patience=patience)

    def change(self, **values):
        """Set values of the state: release, cpu, network, status_gap, pause_hangs, guests ... (README.md)."""
        with self.state.open() as state:
            state.update(values)
        if self.state.host(self.state.look()).root:
            self.state.populate()

    def populate(self):
        """Write the files of an installed host if ``root`` is ``/``: only in a private mount namespace."""
        self.state.populate(FILES)

    def reboot(self):
        boot.reboot(World(self.state))

    def guest(self, name, **behaviour):
        """Set the behaviour of the guest of the VM with this name (README.md)."""
        with self.state.open() as state:
            state["guests"].setdefault(name, {}).update(behaviour)

    def fails(self, program, *words, stderr="It went wrong.\n", code=1, lost=False):
        """Make the next such call fail; with ``lost``, it does its work before it fails."""
        order = {"program": program, "words": list(words), "stderr": stderr, "code": code, "lost": lost}
        with self.state.open() as state:
            state["fail"].append(order)

    def sleep(self, seconds):
        """Let time pass in the host."""
        World(self.state).pass_time(seconds)

    def file(self, path):
        """The real path of a file of the host."""
        return Path(self.state.host(self.state.look()).place(path))

    def write(self, path, text):
        self.state.host(self.state.look()).write(path, text)

    def calls(self):
        """The arguments of all calls so far, each with the program's name first."""
        return [call["argv"] for call in self.state.calls()]

    def not_recorded(self):
        """Calls to which the double has no answer. A test with such a call fails."""
        return [call["not_recorded"] for call in self.state.calls() if "not_recorded" in call]

    def _write_executables(self):
        self.bin.mkdir(exist_ok=True)
        for name in commands.PROGRAMS:
            path = self.bin / name
            path.write_text(warm.script("platforms.vmm.double", self.folder, name), encoding="utf-8")
            os.chmod(path, 0o755)
