# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The providers. VMs of VirtualBox are those that VBoxManage reports; all others are entries of the double's state.

Those of libvirt have files as their disks, which virsh.py shows and changes.
"""

from __future__ import annotations

import os
import re
import uuid

from . import texts
from .output import EarlyFailure, Failure
from .project import BOX_DISK

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

    def create_volume(self, name):
        """Create the disk of a VM, if the provider does that before it creates the VM."""

    def remove_stale_volume(self, name):
        """Remove such a disk of a VM that does not exist. Returns whether there was one."""
        return False

    def add_nic(self, identifier):
        """Add the NIC, if the provider does that after it has created the VM."""

    def has_nic(self, identifier):
        return True

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


#: Bytes that an image takes: of an overlay without data (as recorded), and of one to which a guest has written.
_EMPTY, _WRITTEN = 200704, 1 << 20


class Libvirt(InMemory):
    """vagrant-libvirt 0.11.2 with a single pool, as destroy_domain.rb and create_domain.rb have it."""

    @property
    def pool(self):
        return os.path.join(self._registry.folder, "pool")

    def _volume(self, name):
        return os.path.join(self.pool, f"{name}.img")

    def create_volume(self, name):
        self._check_name(name)
        os.makedirs(self.pool, exist_ok=True)
        if os.path.exists(self._volume(name)):
            raise Failure("DomainVolumeExists", texts.VOLUME_EXISTS.format(name=name))
        _fill(self._volume(name), _EMPTY)

    def _check_name(self, name):
        if any(one["name"] == name for one in self._registry.read()["machines"].values()):
            raise Failure("DomainNameExists", texts.NAME_EXISTS.format(name=name))

    def remove_stale_volume(self, name):
        self._check_name(name)
        if not os.path.exists(self._volume(name)):
            return False
        os.unlink(self._volume(name))
        return True

    def create(self, name):
        identifier = super().create(name)
        disk = {"path": self._volume(name), "target": "vda", "device": "disk", "alias": "ua-box-volume-0"}
        with self._registry.open() as state:
            state["machines"][identifier].update(disks=[disk], nics=0, reason="unknown", external=[])
        return identifier

    def set_size(self, identifier, size):
        """Set CPUs and memory. vagrant-libvirt changes the definition of a VM before each start."""
        with self._registry.open() as state:
            state["machines"][identifier]["size"] = size

    def add_nic(self, identifier):
        with self._registry.open() as state:
            state["machines"][identifier]["nics"] = 1

    def has_nic(self, identifier):
        return self._registry.read()["machines"][identifier]["nics"] > 0

    def set_state(self, identifier, number):
        super().set_state(identifier, number)
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            machine["reason"] = ("destroyed", "booted", "user")[number]
        if number == 1:
            _fill(machine["disks"][0]["path"], _WRITTEN)

    def delete(self, identifier):
        """Delete the VM, and then every file that its drives name, media too (``destroy_volumes`` of fog-libvirt)."""
        machine = self._registry.read()["machines"][identifier]
        if machine["external"]:  # That they cannot be deleted is only logged.
            self.set_state(identifier, 0)
            raise EarlyFailure(texts.HAS_SNAPSHOTS)
        super().delete(identifier)
        for disk in machine["disks"]:
            if os.path.dirname(disk["path"]) != self.pool or not os.path.exists(disk["path"]):
                raise EarlyFailure(texts.NO_VOLUME)  # It is in no pool.
            os.unlink(disk["path"])


def _fill(path, size):
    with open(path, "wb") as file:
        file.write(bytes(size))


class VirtualBox:
    """The provider that runs the VBoxManage on PATH, like the real one."""

    name = "virtualbox"

    def __init__(self, registry, _name):
        self._run = registry.run

    def create_volume(self, name):
        """Do nothing: a box is imported with its disk."""

    def remove_stale_volume(self, name):
        return False

    def add_nic(self, identifier):
        """Do nothing: a box is imported with its NIC."""

    def has_nic(self, identifier):
        return True

    def state(self, identifier):
        done = self._vboxmanage("showvminfo", identifier, "--machinereadable") if identifier else None
        return _STATE.search(done.stdout)[1] if done and done.returncode == 0 else "not_created"

    def create(self, name):
        done = self._vboxmanage(
            "createvm", "--name", f"{name}_{uuid.uuid4().hex[:8]}", "--ostype", "Debian_64", "--register"
        )
        identifier = re.search(r"^UUID: (\S+)$", done.stdout, re.MULTILINE)[1]
        self._vboxmanage("modifyvm", identifier, "--nic1", "nat", "--natpf1", "ssh,tcp,127.0.0.1,2222,,22")
        self._attach_box_disk(identifier)
        return identifier

    def _attach_box_disk(self, identifier):
        """The disk of the box, in the folder of the VM, as an import creates it."""
        info = self._vboxmanage("showvminfo", identifier, "--machinereadable").stdout
        path = os.path.join(os.path.dirname(re.search(r'^CfgFile="(.*)"$', info, re.MULTILINE)[1]), BOX_DISK)
        self._vboxmanage("createmedium", "disk", "--filename", path, "--size", "64", "--format", "VMDK")
        self._vboxmanage("storagectl", identifier, "--name", "IDE Controller", "--add", "ide")
        slot = ("--storagectl", "IDE Controller", "--port", "0", "--device", "0", "--type", "hdd")
        self._vboxmanage("storageattach", identifier, *slot, "--medium", path)

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
    return {"virtualbox": VirtualBox, "libvirt": Libvirt}.get(name, InMemory)(registry, name)
