# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VirtualBox: options that no other platform has, and the shared options that it does not support."""

from __future__ import annotations

from ..._core.options import option as options
from ..._core.options.image_names import normalized_source
from ..._core.options.option import BootOrder, Connection, Option, Texts, with_suboption
from ..._core.options.platform import Platform
from ..._core.texts import bare_uuid

_LINKED = "Create a VM from the image, take a snapshot of it, and clone that with clone.linked: true."
_DEVICE = (
    "For USB, set native: {usbxhci: true}, and add a filter: VBoxManage usbfilter add 0 --target VM --name NAME"
    " --vendorid 046d --productid c52b. VirtualBox passes no PCI devices."
)
_SCREEN = "VirtualBox has its own remote display: native: {vrde: true}."

VIRTUALBOX = Platform(
    "virtualbox",
    per_driver=("native",),
    canonical_id=bare_uuid,
    lacks={
        **options.NO_AGENT,
        **options.SEED_OF_NEW,
        "image.linked=true": _LINKED,
        "disks.serial": "Set it with VBoxManage setextradata, while the VM is off.",
        **dict.fromkeys(
            ("disks.iops_limit", "disks.bandwidth_limit"),
            "Use a bandwidth group of the type disk: VBoxManage bandwidthctl. VirtualBox does not limit operations.",
        ),
        "disks.storage": "Use disks[].directory.",
        "networks.vlan": "Create a VLAN interface on the host, and use it as the source of a bridged NIC.",
        "networks.trunk": "A bridged NIC passes all VLANs of the interface of its host. Tag them in the guest.",
        **dict.fromkeys(
            options.NO_GUARDS,
            "VirtualBox filters no frames that a guest sends. What a NIC receives: native: {nicpromisc1: allow-all}.",
        ),
        "shared_folders.type": "VirtualBox has only one type of shared folders. Omit the option.",
        "devices": _DEVICE,
        "display.type=vnc": _SCREEN,
        "display.type=spice": _SCREEN,
        "compare.content": "Export the VM, and compare its disks on a Linux host.",
        "compare.text": "Export the VM, and compare its disks on a Linux host.",
    },
)

CONNECTION = {"executable": Connection(default="VBoxManage")}
VM = {
    **CONNECTION,
    "image": with_suboption(options.VM["image"], "source", normalize=normalized_source),
    "image_directory": Connection("path", absolute=True),
    "storage_path": Connection("path"),
    "groups": Texts(),
    "graphics_controller": Option(choices=("none", "vboxvga", "vmsvga", "vboxsvga")),
    "boot_order": BootOrder(choices=("disk", "cdrom", "network", "floppy")),
    "ssh_forward": Option("bool"),
    "serial_log": Option("path", unique="file", absolute=True),
    "start_type": Connection(choices=("headless", "gui", "separate"), default="headless"),
}
