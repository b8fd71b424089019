# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers. VMs of VirtualBox are those that VBoxManage reports; all others are entries of the double's state."""

from __future__ import annotations

import re
import uuid

#: Each provider's names of the states off, on and suspended.
STATES = {
    "libvirt": ("shutoff", "running", "paused"),
    # "vagrant suspend" pauses the VM.
    "hyperv": ("off", "running", "paused"),
    "vmware_desktop": ("not_running", "running", "suspended"),
    "proxmox": ("stopped", "running", "suspended"),
    "virtualbox": ("poweroff", "running", "saved"),
}
_STATE = re.compile(r'^VMState="(.*)"$', re.MULTILINE)
_SNAPSHOT = re.compile(r'^SnapshotName[-\d]*="(.*)"$', re.MULTILINE)


class InMemory:
    """A provider with VMs that are entries of the double's state."""

    def __init__(self, registry, name):
        self._registry, self.name = registry, name

    def state(self, identifier):
        machine = self._registry.read()["machines"].get(identifier or "")
        return machine["state"] if machine else "not_created"

    def create(self, name):
        identifier = str(uuid.uuid4())
        with self._registry.open() as state:
            address = f"192.168.121.{10 + len(state['machines'])}"
            state["machines"][identifier] = {
                "name": name, "state": STATES[self.name][0], "snapshots": [], "address": address,
            }  # fmt: skip
        return identifier

    def set_size(self, identifier, size):
        """Do nothing: no test reads CPUs and memory of these VMs."""

    def set_state(self, identifier, number):
        """Change to the state with this position in STATES."""
        with self._registry.open() as state:
            state["machines"][identifier]["state"] = STATES[self.name][number]

    def discard(self, identifier):
        """Power off a suspended VM; its memory is lost."""
        self.set_state(identifier, 0)

    def delete(self, identifier):
        with self._registry.open() as state:
            state["machines"].pop(identifier, None)

    def ssh(self, identifier):
        return self._registry.read()["machines"][identifier]["address"], 22

    def snapshots(self, identifier):
        """Names in an arbitrary order, as libvirt returns them."""
        return [name for name, _state in reversed(self._registry.read()["machines"][identifier]["snapshots"])]

    def take(self, identifier, snapshot):
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            machine["snapshots"].append([snapshot, machine["state"]])

    def drop(self, identifier, snapshot):
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            machine["snapshots"] = [one for one in machine["snapshots"] if one[0] != snapshot]

    def restore(self, identifier, snapshot):
        """With libvirt's plugin, the VM gets the snapshot's state; Vagrant's own providers start the VM."""
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            snapshot_state = dict(machine["snapshots"])[snapshot]
            machine["state"] = snapshot_state if self.name == "libvirt" else STATES[self.name][1]


class VirtualBox:
    """The provider that runs the VBoxManage on PATH, like the real one."""

    name = "virtualbox"

    def __init__(self, registry, _name):
        self._run = registry.run

    def state(self, identifier):
        done = self._vboxmanage("showvminfo", identifier, "--machinereadable") if identifier else None
        return _STATE.search(done.stdout)[1] if done and done.returncode == 0 else "not_created"

    def create(self, name):
        done = self._vboxmanage(
            "createvm", "--name", f"{name}_{uuid.uuid4().hex[:8]}", "--ostype", "Debian_64", "--register"
        )
        identifier = re.search(r"^UUID: (\S+)$", done.stdout, re.MULTILINE)[1]
        self._vboxmanage("modifyvm", identifier, "--nic1", "nat", "--natpf1", "ssh,tcp,127.0.0.1,2222,,22")
        return identifier

    def set_size(self, identifier, size):
        """Set CPUs and memory. Vagrant's provider customizes a VM before each start."""
        if size:
            self._vboxmanage(
                "modifyvm", identifier, *(word for key, value in size.items() for word in (f"--{key}", str(value)))
            )

    def set_state(self, identifier, number):
        words = (("controlvm", identifier, "poweroff"), ("startvm", identifier, "--type", "headless"),
                 ("controlvm", identifier, "savestate"))  # fmt: skip
        self._vboxmanage(*words[number])

    def discard(self, identifier):
        self._vboxmanage("discardstate", identifier)

    def delete(self, identifier):
        self._vboxmanage("unregistervm", identifier, "--delete")

    def ssh(self, _identifier):
        return "127.0.0.1", 2222

    def snapshots(self, identifier):
        return _SNAPSHOT.findall(self._vboxmanage("snapshot", identifier, "list", "--machinereadable").stdout)

    def take(self, identifier, snapshot):
        self._vboxmanage("snapshot", identifier, "take", snapshot)

    def drop(self, identifier, snapshot):
        self._vboxmanage("snapshot", identifier, "delete", snapshot)

    def restore(self, identifier, snapshot):
        """Power the VM off, restore the snapshot, and start the VM, as Vagrant does."""
        if self.state(identifier) == "running":
            self.set_state(identifier, 0)
        self._vboxmanage("snapshot", identifier, "restore", snapshot)
        self.set_state(identifier, 1)

    def _vboxmanage(self, *words):
        return self._run(["VBoxManage", *words])


def provider(registry, name):
    return (VirtualBox if name == "virtualbox" else InMemory)(registry, name)
