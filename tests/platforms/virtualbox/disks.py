# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks of the suite's VMs in VirtualBox, and their content."""

from __future__ import annotations

import subprocess
from pathlib import Path

from platforms.virtualbox import reading
from platforms.virtualbox.double import vdi

#: Bytes at the beginning of a disk that are written and read.
_BEGINNING = 64 * 1024


class Disks:
    """Reads and writes the disks of VMs in a registry."""

    def disk_of(self, name):
        return str(self.storage / f"{name}.vdi")

    def disks_of(self, machine):
        """{slot: file} of a VM; ``machine`` is from ``truth``."""
        return machine["disks"]

    def base_image(self):
        """A small image as the source of VMs; it cannot be booted."""
        path = self.storage / "base.vdi"
        if not path.exists():
            subprocess.run(["qemu-img", "create", "-q", "-f", "vdi", path, self.disk_size], check=True)
        return str(path)

    def write(self, name, byte, slot="SATA 0"):
        """Fill the beginning of a disk with this byte, as a guest could do."""
        vdi.write(self.disks_of(self.truth([name])[name])[slot], bytes([byte]) * _BEGINNING)

    def holds(self, machine, byte, slot="SATA 0"):
        """Whether ``write`` filled the disk with this byte; ``machine`` is from ``truth``, and must be off."""
        return self._beginning(self.disks_of(machine)[slot]) == bytes([byte]) * _BEGINNING

    def _beginning(self, path):
        """The beginning of a disk, read through its backing images."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return vdi.read([path, *reading.below(path, parents)], _BEGINNING)

    def backing_files(self, machine):
        """All images below the disks of a VM."""
        parents = reading.parents(self.box.run("list", "hdds"))
        return {path for file in self.disks_of(machine).values() for path in reading.below(file, parents)}

    def identities(self, machine):
        """Values that no two VMs may share: id, MACs, disks, cloud-init seed ISOs."""
        macs = reading.macs(machine)
        return {machine["id"], *macs, *self.disks_of(machine).values(), *self.seeds_of(machine)}

    def seeds_of(self, machine):
        """The cloud-init seed ISOs in a VM's drives."""
        return [path for path in machine["media"].values() if "seed" in Path(path).name]
