# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A simulated OpenBSD host for tests, with settings for its behaviour and its errors."""

from __future__ import annotations

import os
import time
from pathlib import Path

from platforms import warm
from platforms.vmm.double import boot, commands
from platforms.vmm.double.state import FILES, State
from platforms.vmm.double.world import World


class OpenBSD:
    """A host with its state in ``folder``; ``root`` is ``/`` where its files are those of a private mount namespace."""

    def __init__(self, folder, **known):
        self.folder = Path(folder)
        self.state, self.bin = State(self.folder), self.folder / "bin"
        #: What programs that never end sleep by.
        self.clock = time
        self._write_executables()
        self.change(**known)

    def environment(self):
        """What its executables need."""
        return {"POLYVIRT_VMM_STATE": str(self.folder), "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}"}

    def call(self, *words, uid=None, patience=None):
        """One call as it ends, without a process; ``TimedOut`` if it takes more than ``patience`` seconds."""
        environment = {} if uid is None else {"POLYVIRT_VMM_UID": str(uid)}
        return commands.call(self.folder, words, environment, str(self.folder), self.clock, patience=patience)

    def change(self, **values):
        """Values of the state: release, cpu, network, status_gap, pause_hangs, guests ... (README.md)."""
        with self.state.open() as state:
            state.update(values)
        if self.state.host(self.state.look()).root:
            self.state.populate()

    def populate(self):
        """Write the files of an installed host where ``root`` is ``/``: in a private mount namespace only."""
        self.state.populate(FILES)

    def reboot(self):
        boot.reboot(World(self.state))

    def guest(self, name, **behaviour):
        """How the guest of the VM with this name behaves."""
        with self.state.open() as state:
            state["guests"].setdefault(name, {}).update(behaviour)

    def fails(self, program, *words, stderr="It went wrong.\n", code=1, lost=False):
        """The next such call fails; with ``lost`` it does its work, and its answer is lost."""
        order = {"program": program, "words": list(words), "stderr": stderr, "code": code, "lost": lost}
        with self.state.open() as state:
            state["fail"].append(order)

    def sleep(self, seconds):
        """Let time pass in the host."""
        World(self.state).pass_time(seconds)

    def file(self, path):
        """Where a file of the host really is."""
        return Path(self.state.host(self.state.look()).place(path))

    def write(self, path, text):
        self.state.host(self.state.look()).write(path, text)

    def calls(self):
        """The words of all calls so far."""
        return [call["argv"] for call in self.state.calls()]

    def _write_executables(self):
        self.bin.mkdir(exist_ok=True)
        for name in (*commands.PROGRAMS, "doas"):
            path = self.bin / name
            path.write_text(warm.script("platforms.vmm.double", self.folder, name), encoding="utf-8")
            os.chmod(path, 0o755)
