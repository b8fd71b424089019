# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of the suite's machines in VirtualBox, and what is on them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from platforms.virtualbox import reading
from platforms.virtualbox.double import vdi

#: How much of a disk is written and read.
_BEGINNING = 64 * 1024


class Disks:
    """Disks of machines in a registry, and what is on them."""

    def disk_of(self, name):
        return str(self.storage / f"{name}.vdi")

    def disks_of(self, machine):
        """{slot: file} of a machine; ``machine`` is from ``truth``."""
        return machine["disks"]

    def base_image(self):
        """A small image to make machines from; nothing boots from it."""
        path = self.storage / "base.vdi"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "vdi", path, self.disk_size], check=True)
        return str(path)

    def write(self, name, byte, slot="SATA 0"):
        """Let a guest have written this byte all over the beginning of a disk."""
        vdi.write(self.disks_of(self.truth([name])[name])[slot], bytes([byte]) * _BEGINNING)

    def holds(self, machine, byte, slot="SATA 0"):
        """Whether those bytes are there; ``machine`` is from ``truth``, and must be off."""
        return self._beginning(self.disks_of(machine)[slot]) == bytes([byte]) * _BEGINNING

    def write_to_disk(self, name, letter):
        """Leave a letter on the first disk of a machine that is off."""
        self.write(name, ord(letter))

    def read_from_disk(self, name):
        """The letter found there."""
        return self._beginning(self.disks_of(self.truth([name])[name])["SATA 0"])[:1].decode()

    def _beginning(self, path):
        """What a guest would read first from a disk, whatever it stands on."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return vdi.read([path, *reading.below(path, parents)], _BEGINNING)

    def stands_on(self, machine):
        """All images that a machine's disks stand on."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return {path for file in self.disks_of(machine).values() for path in reading.below(file, parents)}

    def identities(self, machine):
        """All that no two machines may share: id, MACs, disks, seed."""
        macs = reading.macs(machine)
        return {machine["id"], *macs, *self.disks_of(machine).values(), *self.seeds_of(machine)}

    def seeds_of(self, machine):
        """The seeds in a machine's drives."""
        return [path for path in machine["media"] if "seed" in Path(path).name]
