# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of Vagrant's double with the provider VirtualBox, which is a double, too."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, RUNNING, STOPPED, SUSPENDED

from platforms.vagrant import double_project, real
from platforms.virtualbox import double_registry as virtualbox_double
from platforms.virtualbox import reading as virtualbox

_MOVES = {
    RUNNING: ("startvm", "{}", "--type", "headless"),
    STOPPED: ("controlvm", "{}", "poweroff"),
    SUSPENDED: ("controlvm", "{}", "savestate"),
}


class DoubleMachines:
    """VMs of the provider virtualbox, by their ids."""

    provider = "virtualbox"
    #: Power states into which a test can bring a VM.
    finds = (ABSENT, STOPPED, RUNNING, SUSPENDED)
    #: The double's VMs have no disks.
    snapshots_hold_disks = False
    machine: ClassVar = {}

    def __init__(self, folder, project):
        self.folder, self.name = folder, project
        self.box = virtualbox_double.VirtualBox(folder / "virtualbox")

    @property
    def programs(self):
        return self.folder / "bin"

    @contextmanager
    def open(self):
        """A context with the Vagrant that the tests use."""
        self.box = virtualbox_double.VirtualBox(self.folder / "virtualbox")
        known = {"usable": ["virtualbox"], "boxes": [{"name": real.BOX, "provider": "virtualbox", "version": "0"}]}
        vagrant = double_project.Vagrant(self.folder, self.name, **known)
        os.symlink(self.box.executable, self.programs / "VBoxManage")
        vagrant.environment = self._environment(vagrant.environment)
        yield vagrant

    def add_box(self, vagrant, name):
        boxes = [one for one in vagrant.state()["boxes"] if one["name"] != name]
        vagrant.change(boxes=[*boxes, {"name": name, "provider": self.provider, "version": "0"}])

    def _environment(self, known):
        return lambda: {**known(), "VAGRANT_DEFAULT_PROVIDER": self.provider}

    def ids(self):
        """The ids of all VMs of VirtualBox, as a set."""
        return set(virtualbox.listed(self.box.run("list", "vms")).values())

    def vm_state(self, identifier):
        """{power, cpus, memory in bytes, snapshots}."""
        output = self.box.run("showvminfo", identifier, "--machinereadable")
        return {
            "power": virtualbox.power(virtualbox.value(output, "VMState")),
            "cpus": int(virtualbox.value(output, "cpus")),
            "memory": int(virtualbox.value(output, "memory")) << 20,
            "snapshots": re.findall(r"^(?:Current)?SnapshotUUID.*$", output, re.M),
        }

    def turn(self, identifier, power):
        if self.vm_state(identifier)["power"] != power:
            self.box.run(*(word.format(identifier) for word in _MOVES[power]))

    def make_obeying(self, identifiers):
        """Give running VMs a guest that obeys the power button."""
        for one in identifiers:
            self.turn(one, STOPPED)
            self._delete_box_disk(one)
            self.box.run("storagectl", one, "--name", "SATA", "--add", "sata", "--portcount", 4)
            disk = self.box.guest_disk("obeys", f"{one}.vdi")
            self.box.run("storageattach", one, "--storagectl", "SATA", "--port", 0, "--type", "hdd", "--medium", disk)
            self.turn(one, RUNNING)

    def _delete_box_disk(self, identifier):
        """A VM has the guest of its first disk."""
        shown = self.box.run("showvminfo", identifier, "--machinereadable")
        slot = ("--storagectl", "IDE Controller", "--port", 0, "--device", 0)
        self.box.run("storageattach", identifier, *slot, "--medium", "none")
        self.box.run("closemedium", "disk", virtualbox.value(shown, '"IDE Controller-0-0"'), "--delete")

    def remove(self, identifier):
        for words in (("controlvm", identifier, "poweroff"), ("discardstate", identifier)):
            self.box.call(*words)
        self.box.run("unregistervm", identifier, "--delete")

    def write(self, identifier, byte):
        """Do nothing: the VMs have no disks."""

    def holds(self, identifier, byte):
        return True

    def take(self, identifier, snapshot):
        self.box.run("snapshot", identifier, "take", snapshot)

    def snapshots(self, identifier):
        """{name: {parent, state, description, current}}."""
        output = self.box.run("showvminfo", identifier, "--machinereadable")
        return virtualbox.snapshots(Path(virtualbox.value(output, "CfgFile")))
