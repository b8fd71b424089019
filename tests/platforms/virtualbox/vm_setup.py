# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the suite's VMs in VirtualBox, change their power state, and delete them."""

from __future__ import annotations

import shutil

from ansible_collections.polyvirt.core.plugins.module_utils._core.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.units import parse_size

from platforms.virtualbox import reading
from platforms.virtualbox.double import vdi
from platforms.virtualbox.guests import disk_image

_START = ("startvm", "{}", "--type", "headless")
#: The command that leads to each power state. A guest that crashes may do so before anybody sees it running.
_COMMANDS = {
    RUNNING: _START,
    FAILED: _START,
    STOPPED: ("controlvm", "{}", "poweroff"),
    PAUSED: ("controlvm", "{}", "pause"),
    SUSPENDED: ("controlvm", "{}", "savestate"),
}


class VmSetup:
    """Sets up VMs with VBoxManage, not with the module."""

    def clean(self):
        """Delete all VMs, disks and files of the namespace."""
        for uuid in reversed(list(self.all_ids().values())):  # A linked clone comes after its source.
            self._remove(uuid)
        for uuid in reading.leaves_first(self.box.run("list", "hdds")):
            self.box.call("closemedium", "disk", uuid)
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir()

    def _remove(self, uuid):
        self.box.call("controlvm", uuid, "poweroff")
        self.box.call("discardstate", uuid)
        self.box.call("unregistervm", uuid, "--delete")
        self.box.call("unregistervm", uuid)

    def bring(self, names, obeying=()):
        """Create VMs: ``names`` is {name: power state}; the guests of those in ``obeying`` obey the power button."""
        created = {name: power for name, power in names.items() if power != ABSENT}
        for name, power in created.items():
            self.define(name, "crashes" if power == FAILED else "obeys" if name in obeying else "ignores")
        on = {name: power for name, power in created.items() if power != STOPPED}
        for name, power in on.items():
            self.move(name, FAILED if power == FAILED else RUNNING)
        self.wait_for_guests(set(on) & set(obeying))
        for name, power in on.items():
            self.move(name, power)

    def wait_for_guests(self, names):
        """Wait until the guests of these running VMs have booted."""
        for name in names:
            self.box.wait_for_guest(self.ids()[name])

    def define(self, name, guest="ignores"):
        """Create a VM with one CPU, one disk and no NIC. An idle guest does not load the host."""
        uuid = self.box.make(name)
        self.box.run("modifyvm", uuid, "--memory", 128, "--nic1", "none")
        self._make_disk(name, guest)
        slot = ("--storagectl", "SATA", "--port", 0, "--device", 0, "--type", "hdd")
        self.box.run("storageattach", uuid, *slot, "--medium", self.disk_of(name))

    def log_console(self, name):
        """Have the first serial port of a VM that is off written to a file; returns its path."""
        path = self.folder / f"{name}.console"
        self.box.run("modifyvm", self.ids()[name], "--uart1", "0x3f8", 4, "--uartmode1", "file", path)
        return path

    def _make_disk(self, name, guest):
        """Create the first disk of a VM, with the size that the suite's tasks use."""
        raw = self.folder / f"{guest}.img"
        if not raw.exists():
            raw.write_bytes(disk_image(guest).ljust(parse_size(self.disk_size, "disks"), b"\0"))
        self.box.run("convertfromraw", raw, self.disk_of(name), "--format", "VDI")

    def move(self, name, power):
        """Change a VM to the state ``power``, from each state that the command accepts."""
        uuid = self.ids()[name]
        if self._power(uuid) == power:
            return
        self.box.run(*(word.format(uuid) for word in _COMMANDS[power]))
        self.box.wait_for(uuid, reading.STATES[power], 60)
        if power == FAILED:
            # From the next start on, the guest does not crash.
            vdi.write(self.disk_of(name), disk_image("ignores"))

    def _power(self, uuid):
        return reading.power(self.box.state(uuid))
