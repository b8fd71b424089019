# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's test driver: it has no guests, so only the tools take time.

Its state lasts as long as a connection. Each virsh process with ``test:///default`` would have a new state. Connections
through the system's daemon share one state, as long as one of them stays open.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
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
    # A snapshot contains only the definition, no data of disks.
    snapshots_hold_disks = False
    creation: ClassVar = {"cpus": 1, "memory": "128M", "disks": [{"size": disk_size}], "networks": []}

    def settings(self, machine, which="stored"):
        devices = ET.fromstring(machine[which]).findall("devices/hostdev")
        return {**super().settings(machine, which), "devices": sorted(one.get("type") for one in devices)}

    def define(self, name, obeys=False):
        text = _DOMAIN.format(name=name, disk=self.make_disk(name))
        self.virsh("define", "/dev/stdin", stdin=text)
