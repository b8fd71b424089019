# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of a real Vagrant with libvirt, read and changed by virsh."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from typing import ClassVar

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import ABSENT, PAUSED, RUNNING, STOPPED

from platforms import images
from platforms.libvirt import reading
from platforms.vagrant import real
from suite.limits import scaled

_POWERS = {"shut off": STOPPED, "running": RUNNING, "paused": PAUSED}
_MOVES = {RUNNING: "start", STOPPED: "destroy", PAUSED: "suspend"}


class RealMachines:
    """VMs of the provider libvirt, by their ids; ``folder`` contains the project and Vagrant's home."""

    provider = "libvirt"
    #: Power states into which a test can bring a VM.
    finds = (ABSENT, STOPPED, RUNNING, PAUSED)
    programs = None
    snapshots_hold_disks = True
    #: On a busy host, several VMs boot at once.
    machine: ClassVar = {"native": {"vm.boot_timeout": 300}}

    def __init__(self, folder, project):
        self.folder, self.name = folder, project

    def open(self):
        """A context with the Vagrant that the tests use."""
        return real.Vagrant(self.folder, self.name, real.build())

    def add_box(self, vagrant, name):
        pytest.skip(f"the real Vagrant would download {name}")

    def ids(self):
        """The ids of all VMs of libvirt, as a set."""
        return set(self._virsh("list", "--all", "--uuid").split())

    def vm_state(self, identifier):
        """{power, cpus, memory in bytes, snapshots}."""
        root = ET.fromstring(self._virsh("dumpxml", identifier))
        return {
            "power": _POWERS.get(self._virsh("domstate", identifier).strip(), "unknown"),
            "cpus": int(root.findtext("vcpu")),
            "memory": int(root.findtext("memory")) * 1024,
            "snapshots": sorted(self.snapshots(identifier)),
        }

    def turn(self, identifier, power):
        if self.vm_state(identifier)["power"] != power:
            self._virsh(_MOVES[power], identifier)

    def make_obeying(self, identifiers):
        """Do nothing: Vagrant has waited for SSH, and a guest with SSH obeys the power button."""

    def remove(self, identifier):
        self._virsh("destroy", identifier, check=False)
        self._virsh(
            "undefine", identifier, "--snapshots-metadata", "--managed-save", "--remove-all-storage", check=False
        )

    def disk(self, identifier):
        return ET.fromstring(self._virsh("dumpxml", identifier)).find("devices/disk[@device='disk']/source").get("file")

    def write(self, identifier, byte):
        path = self.disk(identifier)
        images.write(path, byte, at=_end(path))

    def holds(self, identifier, byte):
        path = self.disk(identifier)
        return images.holds(path, byte, at=_end(path))

    def take(self, identifier, snapshot):
        self._virsh("snapshot-create-as", identifier, snapshot)

    def snapshots(self, identifier):
        """{name: {parent, state, description, current}}."""
        return reading.snapshots(self._virsh, identifier)

    def _virsh(self, *words, check=True):
        command = ["virsh", "-q", "-c", "qemu:///system", *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=scaled(120), check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout


def _end(path):
    """A position behind the guest's files: without them it would not answer by SSH, and Vagrant waits for that."""
    return images.size(path) - images.AREA
