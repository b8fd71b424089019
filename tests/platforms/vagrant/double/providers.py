# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where machines live: some are only remembered, those of VirtualBox are what VBoxManage says."""

from __future__ import annotations

import re
import uuid

#: Each provider's words for off, on and suspended, and what it says in between.
WORDS = {
    "libvirt": ("shutoff", "running", "paused"),
    # Its "suspend" pauses.
    "hyperv": ("off", "running", "paused"),
    "vmware_desktop": ("not_running", "running", "suspended"),
    "proxmox": ("stopped", "running", "suspended"),
    "virtualbox": ("poweroff", "running", "saved"),
}
_STATE = re.compile(r'^VMState="(.*)"$', re.MULTILINE)
_SNAPSHOT = re.compile(r'^SnapshotName[-\d]*="(.*)"$', re.MULTILINE)


class Remembered:
    """A provider whose machines are entries of the double's own state."""

    def __init__(self, registry, name):
        self._registry, self.name = registry, name

    def word(self, identifier):
        machine = self._registry.look()["machines"].get(identifier or "")
        return machine["state"] if machine else "not_created"

    def make(self, name):
        identifier = str(uuid.uuid4())
        with self._registry.open() as state:
            address = f"192.168.121.{10 + len(state['machines'])}"
            state["machines"][identifier] = {
                "name": name, "state": WORDS[self.name][0], "snapshots": [], "address": address,
            }  # fmt: skip
        return identifier

    def set_size(self, identifier, size):
        """How large they are nobody asks."""

    def turn(self, identifier, number):
        """Into the state of that place in WORDS."""
        with self._registry.open() as state:
            state["machines"][identifier]["state"] = WORDS[self.name][number]

    def discard(self, identifier):
        """Turn off what is suspended; its memory is lost."""
        self.turn(identifier, 0)

    def delete(self, identifier):
        with self._registry.open() as state:
            state["machines"].pop(identifier, None)

    def ssh(self, identifier):
        return self._registry.look()["machines"][identifier]["address"], 22

    def snapshots(self, identifier):
        """In no order that means anything: libvirt has none."""
        return [name for name, _word in reversed(self._registry.look()["machines"][identifier]["snapshots"])]

    def take(self, identifier, snapshot):
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            machine["snapshots"].append([snapshot, machine["state"]])

    def drop(self, identifier, snapshot):
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            machine["snapshots"] = [one for one in machine["snapshots"] if one[0] != snapshot]

    def restore(self, identifier, snapshot):
        """libvirt's plugin leaves it at that; Vagrant's own providers start what they restored."""
        with self._registry.open() as state:
            machine = state["machines"][identifier]
            was = dict(machine["snapshots"])[snapshot]
            machine["state"] = was if self.name == "libvirt" else WORDS[self.name][1]


class VirtualBox:
    """The provider that speaks to whatever VBoxManage is on PATH, as the real one does."""

    name = "virtualbox"

    def __init__(self, registry, _name):
        self._run = registry.run

    def word(self, identifier):
        done = self._vboxmanage("showvminfo", identifier, "--machinereadable") if identifier else None
        return _STATE.search(done.stdout)[1] if done and done.returncode == 0 else "not_created"

    def make(self, name):
        done = self._vboxmanage(
            "createvm", "--name", f"{name}_{uuid.uuid4().hex[:8]}", "--ostype", "Debian_64", "--register"
        )
        identifier = re.search(r"^UUID: (\S+)$", done.stdout, re.MULTILINE)[1]
        self._vboxmanage("modifyvm", identifier, "--nic1", "nat", "--natpf1", "ssh,tcp,127.0.0.1,2222,,22")
        return identifier

    def set_size(self, identifier, size):
        """Before each start, as the plugin customizes a machine."""
        if size:
            self._vboxmanage(
                "modifyvm", identifier, *(word for key, value in size.items() for word in (f"--{key}", str(value)))
            )

    def turn(self, identifier, number):
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
        """Vagrant turns the machine off first, and starts it from what was restored."""
        if self.word(identifier) == "running":
            self.turn(identifier, 0)
        self._vboxmanage("snapshot", identifier, "restore", snapshot)
        self.turn(identifier, 1)

    def _vboxmanage(self, *words):
        return self._run(["VBoxManage", *words])


def provider(registry, name):
    return (VirtualBox if name == "virtualbox" else Remembered)(registry, name)
