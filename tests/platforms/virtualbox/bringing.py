# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines of the suite in VirtualBox are created, brought into a power, and removed."""

from __future__ import annotations

import shutil

from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.model import (
    ABSENT,
    FAILED,
    PAUSED,
    RUNNING,
    STOPPED,
    SUSPENDED,
)
from ansible_collections.polyvirt.core.plugins.module_utils._lifecycle.units import parse_size

from platforms.virtualbox import reading
from platforms.virtualbox.double import vdi
from platforms.virtualbox.guests import disk_image

#: What brings a machine from its power into another.
_MOVES = {
    RUNNING: ("startvm", "{}", "--type", "headless"),
    STOPPED: ("controlvm", "{}", "poweroff"),
    PAUSED: ("controlvm", "{}", "pause"),
    SUSPENDED: ("controlvm", "{}", "savestate"),
}


class Bringing:
    """Creates machines by VirtualBox's own tool."""

    def clean(self):
        """No machine, no disk and no file of the namespace is left."""
        for uuid in reversed(list(self.all_ids().values())):  # A linked clone stands after what it was made from.
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

    def bring(self, names, hearing=()):
        """Make machines and bring each into a power: ``names`` is {name: power}; those ``hearing`` obey the button."""
        made = {name: power for name, power in names.items() if power != ABSENT}
        for name, power in made.items():
            self.define(name, "crashes" if power == FAILED else "obeys" if name in hearing else "ignores")
        on = {name: power for name, power in made.items() if power != STOPPED}
        for name in on:
            self.move(name, RUNNING)
        self.wait_for_guests(set(on) & set(hearing))
        for name, power in on.items():
            self.move(name, power)

    def wait_for_guests(self, names):
        """Wait until the guests of these machines, which run, have booted."""
        for name in names:
            self.box.wait_for_guest(self.ids()[name])

    def define(self, name, guest="ignores"):
        """A machine of one processor, with one disk and without a card. A guest that idles costs the host nothing."""
        uuid = self.box.make(name)
        self.box.run("modifyvm", uuid, "--memory", 128, "--nic1", "none")
        self._make_disk(name, guest)
        slot = ("--storagectl", "SATA", "--port", 0, "--device", 0, "--type", "hdd")
        self.box.run("storageattach", uuid, *slot, "--medium", self.disk_of(name))

    def _make_disk(self, name, guest):
        """A machine's first disk, of the size that new machines get here."""
        raw = self.folder / f"{guest}.img"
        if not raw.exists():
            raw.write_bytes(disk_image(guest).ljust(parse_size(self.disk_size, "disks"), b"\0"))
        self.box.run("convertfromraw", raw, self.disk_of(name), "--format", "VDI")

    def move(self, name, power):
        """Bring a machine into ``power``, from whichever a command of VirtualBox's can."""
        uuid = self.ids()[name]
        if power == FAILED:
            self.box.wait_for(uuid, "gurumeditation", 60)
            # Nothing is wrong with it when it is started again.
            vdi.write(self.disk_of(name), disk_image("ignores"))
        elif self._power(uuid) != power:
            self.box.run(*(word.format(uuid) for word in _MOVES[power]))
            self.box.wait_for(uuid, reading.STATES[power], 60)

    def _power(self, uuid):
        return reading.power(self.box.state(uuid))
