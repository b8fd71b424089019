# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WSL: options that no other platform has, and those shared options that it never supports."""

from __future__ import annotations

from functools import partial

from ..._core.options import option as options
from ..._core.options.image_names import ONLINE, normalized_source
from ..._core.options.option import Connection, Filled, Option, with_suboption
from ..._core.options.platform import Platform

_SHARED = "All distributions share one virtual machine. Set it in .wslconfig with the role wsl_host."
_NETWORK = "All distributions share the network of one virtual machine. Set networkingMode with the role wsl_host."
_NO_MACHINE = "A distribution has no firmware and no devices."
_END = "WSL ends a distribution without asking it. Set stop_mode: force, or omit it."
_NO_SNAPSHOT = "WSL has no snapshots. Save the distribution with export, and create another one with image."
_ONE_DISK = "A distribution has one disk. Only its size can be set."
_NO_SETUP = "A distribution has no drive for it, and is not installed by Windows Setup. Omit the option."
_REACH = "Use the connection plugin community.general.wsl: a distribution is reached through its host."

#: Fields of cloud_init about a drive or medium, and about the network.
OF_DRIVE = tuple(f"cloud_init.{name}" for name in ("state", "answer_file", "answer_files", "answer_drivers"))
NO_NETWORK = tuple(f"cloud_init.{name}" for name in ("ip_config", "nameservers", "search_domains", "network_config"))

WSL = Platform(
    "wsl",
    per_driver=("native", "state", "export", "install_location"),
    lacks={
        "appliance": "A distribution is no VM with hardware. Use image.",
        "state=paused": "WSL cannot pause a distribution. Use stopped.",
        "state=suspended": "WSL cannot save the memory of a distribution. Use stopped.",
        "stop_mode=graceful": _END,
        "stop_mode=graceful_then_force": _END,
        "stop_timeout": _END,
        "wait_for": _REACH,
        "allow_recreate": "No option needs it.",
        "delete_disks=none": "The disk of a distribution is always deleted with it. Save it with export first.",
        "purge": _ONE_DISK,
        "cpus": _SHARED,
        "memory": _SHARED,
        "nested_virtualization": _SHARED,
        "architecture": "Omit it: distributions have the architecture of their host.",
        "firmware": _NO_MACHINE,
        "secure_boot": _NO_MACHINE,
        "tpm": _NO_MACHINE,
        "rtc": _NO_MACHINE,
        "os_type": _NO_MACHINE,
        "display": "Programs show their windows on the desktop of Windows (WSLg).",
        "autostart": "Set keep_running, which starts the distribution with its host.",
        "cdroms": "Mount the images in the distribution.",
        **dict.fromkeys(("skip_boot_prompt", "boot_key_seconds"), _NO_MACHINE),
        "iso": "Mount the image in the distribution.",
        "networks": _NETWORK,
        "port_forwards": _NETWORK,
        "devices": "Attach a USB device to all distributions with usbipd on Windows: usbipd attach --wsl --busid 1-4.",
        "shared_folders": "Drives of Windows are mounted below /mnt. Set automount.enabled with native.",
        **dict.fromkeys(NO_NETWORK, _NETWORK),
        "image.slot": "A distribution has one disk. Omit it.",
        **dict.fromkeys(OF_DRIVE, _NO_SETUP),
        "image.linked=true": "Each distribution has a separate disk.",
        "clone.linked=true": "Each distribution has a separate disk.",
        "clone.snapshot": _NO_SNAPSHOT,
        "disks.format": _ONE_DISK,
        "disks.serial": _ONE_DISK,
        **dict.fromkeys(("disks.iops_limit", "disks.bandwidth_limit"), "WSL limits no disk. Omit the option."),
        "disks.storage": "Set install_location.",
        "disks.directory": "Set install_location.",
        "disks.source": "Create the distribution with image: a path to a VHDX file.",
        "disks.state=absent": _ONE_DISK,
        "compare.content": _NO_SNAPSHOT,
        "compare.text": _NO_SNAPSHOT,
    },
)

_source = partial(normalized_source, forms=(ONLINE,))

VM = {
    "image": with_suboption(options.VM["image"], "source", normalize=_source),
    "image_directory": Connection(),
    "install_location": Filled(unique="directory"),
    "version": Option("int", choices=(1, 2)),
    "default": Option("bool", unique="default"),
    "default_user": Option(),
    "systemd": Option("bool"),
    # The choices are texts: Ansible converts a boolean to the choice with the same meaning.
    "keep_running": Option(choices=("true", "at_logon", "false")),
    "sparse": Option("bool"),
    "allow_unsafe_sparse": Connection("bool", default=False),
    "export": Filled(unique="file"),
    "shutdown_all": Connection("bool", default=False, only_with="stopped"),
}
