# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's own test driver: no guests, so the whole table takes only the time of the tools.

Its state lives as long as a connection. ``test:///default`` would begin anew with each virsh process; asked through the
system's daemon it is one and the same for all, as long as one connection is kept open.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import ClassVar

from platforms.libvirt.base import Libvirt

_DOMAIN = """\
<domain type='test'>
  <name>{name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>1</vcpu>
  <os><type arch='i686'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>
      <target dev='vda' bus='virtio'/></disk>
  </devices>
</domain>
"""


class Platform(Libvirt):
    name = "libvirt_test"
    uri = "test+unix:///default"
    # The driver reports this size for every disk, whatever its file.
    disk_size = "1099506450432B"
    # Its snapshots are of definitions: no file is looked at.
    snapshots_hold_disks = False
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}

    @contextmanager
    def kept(self):
        """One connection stays open, and with it the state."""
        command = ["virsh", "-q", "-c", self.uri]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            process.stdin.write("echo connected\n")
            process.stdin.flush()
            process.stdout.readline()
            yield

    def define(self, name, hears=False):
        text = _DOMAIN.format(name=name, disk=self.make_disk(name))
        self.virsh("define", "/dev/stdin", stdin=text)
