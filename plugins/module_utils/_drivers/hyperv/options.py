# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: options that no other platform has, and those shared options that it never supports."""

from __future__ import annotations

from ..._core.errors import InvalidInput
from ..._core.frozen import replace
from ..._core.options import option as options
from ..._core.options.image_names import normalized_source
from ..._core.options.option import BootOrder, Connection, Option, Size, with_suboption
from ..._core.options.platform import Platform
from ..._core.texts import bare_uuid
from ..._core.units import file_or_address
from ..._tools.hyperv import SERVICES

_SWITCH = "Use networks[].type: network with the name of a switch as source; nat is the default switch."
_FORWARD = "Add a mapping to the NAT network on the host: Add-NetNatStaticMapping."
_SHARE = "Share the directory from the host with SMB, and mount it in the guest."
_DEVICE = (
    "For PCI, use Discrete Device Assignment of Windows Server while the VM is off: Dismount-VMHostAssignableDevice,"
    " then Add-VMAssignableDevice. Hyper-V passes no USB devices; use RDP or USB over the network."
)
_DISPLAY = "Connect to the VM with VMConnect, or with RDP to the guest."

HYPERV = Platform(
    "hyperv",
    per_driver=("native", "firmware", "stop_mode", "timeout"),
    canonical_id=bare_uuid,
    lacks={
        **options.NO_AGENT,
        **options.SEED_OF_NEW,
        "architecture": "Omit it: VMs of Hyper-V have the architecture of their host.",
        "os_type": "Hyper-V has the same devices for all guests. Set secure_boot_template.",
        "rtc": "Hyper-V has no such setting. Set integration_services: {time_synchronization: true}.",
        "display": _DISPLAY,
        "port_forwards": _FORWARD,
        "shared_folders": _SHARE,
        "devices": _DEVICE,
        "disks.serial": "Hyper-V has none. Use the unique ID of the disk, which Get-VHD shows as DiskIdentifier.",
        "disks.bandwidth_limit": "Use disks[].iops_limit, which counts requests of 8 KiB.",
        "disks.storage": "Use disks[].directory.",
        "networks.type=bridged": _SWITCH,
        "networks.type=hostonly": _SWITCH,
        "networks.type=internal": _SWITCH,
        "networks.type=user": _SWITCH,
        "networks.address": "Set the address in the guest.",
        **dict.fromkeys(("networks.model", "appliance.networks.model"), "This module creates synthetic NICs only."),
        "compare.content": "Export the VM, and compare its disks on another host.",
        "compare.text": "Export the VM, and compare its disks on another host.",
    },
)


def _on_controller(text, option):
    """Return the path of an appliance, which the controller reads; raises InvalidInput."""
    try:
        return file_or_address(text, option)
    except InvalidInput:
        raise InvalidInput(
            f"{option}: '{text}' is not an absolute path on the controller, which reads the appliance.",
            "Copy the appliance to the controller, and set its full path there, or its address (https://...).",
        ) from None


VM = {
    # Paths of Windows: the type path and the check for absolute paths are for POSIX.
    "iso": replace(options.VM["iso"], type="str", absolute=False),
    "disks": with_suboption(
        with_suboption(options.VM["disks"], "source", type="str", absolute=False),
        "directory",
        type="str",
        absolute=False,
    ),
    "cdroms": with_suboption(options.VM["cdroms"], "source", type="str", absolute=False),
    # An empty source is a NIC without a switch.
    "networks": with_suboption(options.VM["networks"], "source", filled=False),
    "image": with_suboption(options.VM["image"], "source", normalize=normalized_source),
    "appliance": with_suboption(options.VM["appliance"], "source", normalize=_on_controller),
    "image_directory": Connection(),
    "storage_path": Connection(),
    "secure_boot_template": Option(choices=("windows", "linux", "shielded")),
    "boot_order": BootOrder(choices=("disk", "cdrom", "network")),
    "dynamic_memory": Option("bool"),
    "minimum_memory": Size(),
    "maximum_memory": Size(),
    "checkpoint_type": Option(choices=("production", "production_only", "standard", "disabled")),
    "automatic_checkpoints": Option("bool"),
    "stop_action": Option(choices=("save", "shut_down", "turn_off")),
    "integration_services": Option("dict", options={name: Option("bool") for name in SERVICES}),
}
