# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A project of Vagrant's double. Its interface is that of the real one, with methods that make commands fail."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from platforms import warm
from platforms.vagrant.double.commands import call
from platforms.vagrant.double.registry import Registry, run_program


class Vagrant:
    """A project in ``folder``/NAME; the double's state is in ``folder``/known."""

    def __init__(self, folder, name="project", **known):
        self.folder = Path(folder)
        self.project, self._known = self.folder / name, self.folder / "known"
        self.project.mkdir(parents=True)
        self._registry = Registry(str(self._known))
        self.bin = self.folder / "bin"
        #: The clock that `answer` sleeps with, and the function that it starts VBoxManage with. The executable sleeps
        #: in real time and starts processes.
        self.clock, self.run = time, run_program
        #: The caller's VAGRANT_DEFAULT_PROVIDER, which wins over the Vagrantfile.
        self.provider = next(iter(known.get("usable", ())), "libvirt")
        self._write_executable()
        self.change(**known)

    @property
    def registry(self):
        return self._registry

    def environment(self):
        """The variables with which the real one is started, too."""
        return {
            "VAGRANT_CWD": str(self.project),
            "VAGRANT_DEFAULT_PROVIDER": self.provider,
            "VAGRANT_HOME": str(self.folder / "home"),
            "VAGRANT_VAGRANTFILE": "Vagrantfile.polyvirt",
        }

    def call(self, *words, **more):
        """Run one command without a process; returns its exit code and output."""
        return self.answer(words, {**self.environment(), **more})

    def answer(self, words, environment):
        """The same with the whole environment of the caller."""
        return call(str(self._known), [str(word) for word in words], environment, self.clock, self.run)

    def write(self, text, name="Vagrantfile.polyvirt"):
        (self.project / name).write_text(text, encoding="utf-8")

    @property
    def executable(self):
        return self.bin / "vagrant"

    def change(self, **values):
        """Values of the double's state: usable, known, boxes, guests, seconds, plugins, version."""
        with self._registry.open() as state:
            state.update(values)

    def state(self):
        return self._registry.read()

    def is_busy(self, times):
        """The next ``times`` commands that work on a VM find it locked."""
        self.change(busy=times)

    def fails(self, command, kind, text="It went wrong.", machine=""):
        """The next such command fails with an error of the class ``kind``, after it has locked the VM."""
        with self._registry.open() as state:
            state["fail"].append([command, machine, kind, text])

    def calls(self):
        """The arguments of all calls so far, without --machine-readable."""
        path = self._known / "calls"
        lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []
        return [[word for word in json.loads(line)["words"] if word != "--machine-readable"] for line in lines]

    def add_virsh(self):
        """Put a virsh that has the VMs of the provider libvirt next to the executable."""
        self._write("virsh", "platforms.vagrant.double.virsh")

    def _write_executable(self):
        self.bin.mkdir()
        self._write("vagrant", "platforms.vagrant.double")

    def _write(self, name, module):
        path = self.bin / name
        path.write_text(warm.script(module, self._known), encoding="utf-8")
        os.chmod(path, 0o755)
