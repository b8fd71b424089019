# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices on a command line of QEMU that libvirt prints, and in what QEMU 7.2 prints for ``-device help``."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools.qemu_devices import lacking, unusual_devices

#: Shortened.
HELP = """\
Controller/Bridge/Hub devices:
name "pci-bridge", bus PCI, desc "Standard PCI Bridge"

USB devices:
name "ich9-usb-ehci1", bus PCI

Storage devices:
name "lsi53c895a", bus PCI, alias "lsi"
name "nvme", bus PCI, desc "Non-Volatile Memory Express"

Network devices:
name "e1000", bus PCI, alias "e1000-82540em", desc "Intel Gigabit Ethernet"
name "ne2k_isa", bus ISA

Input devices:
name "i8042", bus ISA
"""
JSON = (
    "LC_ALL=C PATH=/bin HOME=/var/lib /usr/bin/qemu-system-x86_64 -name 'guest=a b' -audiodev '{\"driver\":\"none\"}'"
    ' -device \'{"driver":"virtio-blk-pci","id":"x"}\' -device \'{"driver":"rtl9999","netdev":"hostnet0"}\''
)
OLD = "HOME=/ /usr/libexec/qemu-kvm -device spapr-vscsi,id=scsi0 -device e1000,netdev=n0,id=net0 -device scsi-hd,bus=x"


def test_devices_of_a_command_line():
    assert unusual_devices(JSON) == ("/usr/bin/qemu-system-x86_64", {"rtl9999": True})
    assert unusual_devices(OLD) == ("/usr/libexec/qemu-kvm", {"spapr-vscsi": False, "e1000": True})
    assert unusual_devices("") == (None, {})


@pytest.mark.parametrize(
    ("devices", "found"),
    [
        ({}, None),
        ({"e1000": True, "lsi": False, "i8042": False, "e1000-82540em": True}, None),
        ({"e1000": True, "rtl9999": True}, ("rtl9999", ["e1000", "ne2k_isa"])),
        ({"spapr-vscsi": False}, ("spapr-vscsi", ["pci-bridge", "ich9-usb-ehci1", "lsi53c895a", "nvme"])),
    ],
)
def test_first_device_that_qemu_lacks(devices, found):
    assert lacking(HELP, devices) == found
    assert lacking("", devices) is None
