# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vmd: options that no other platform has, and those shared options that it never supports."""

from __future__ import annotations

from ..._core.options import option as options
from ..._core.options.image_names import normalized_source
from ..._core.options.option import CREATION, Connection, Consent, Option, with_suboption
from ..._core.options.platform import Platform
from ..._kit.connections import VMD as CONNECTION

_SERIAL = "Guests of vmd have a serial console only: vmctl console NAME."
_SWITCH = (
    "Use networks[].type: network with the name of a switch of vm.conf as source; the role vmm_network creates one."
)
_FORWARD = (
    "Forward the port with a pf rule on the host: pass in on egress proto tcp to port 2222 rdr-to ADDRESS port 22."
)
_DEVICE = "vmd passes no devices of the host to guests. Use the device on the host, and share it over the network."
_SHARE = "Export the directory by NFS, and mount it in the guest."

VMM = Platform(
    "vmd",
    per_driver=("native",),
    lacks={
        "appliance": "The firmware and devices of vmd are not those of appliances. Use image with a disk of it.",
        **options.NO_AGENT,
        **options.SEED_OF_NEW,
        "state=suspended": "vmd cannot save memory to disk. Use paused or stopped.",
        "cdroms": "A VM of vmd has one optical drive. Use iso.",
        "architecture": "Omit it: vmd runs only on amd64, and its guests have that architecture.",
        "firmware": "Guests of vmd start by its BIOS, or by the kernel in boot.",
        "secure_boot": "Guests of vmd start by its BIOS.",
        **dict.fromkeys(("skip_boot_prompt", "boot_key_seconds"), "Only UEFI needs it."),
        "tpm": "vmd has no TPM.",
        "nested_virtualization": "Guests of vmd cannot run VMs.",
        "os_type": "vmd has the same devices for all guests.",
        "rtc": "The clock of vmd always has UTC. Set the guest to UTC.",
        "display": _SERIAL,
        "port_forwards": _FORWARD,
        "shared_folders": _SHARE,
        "purge=port_forwards": _FORWARD,
        "purge=shared_folders": _SHARE,
        "devices": _DEVICE,
        "purge=devices": _DEVICE,
        "clone.snapshot": "vmd has no snapshots. Stop the source, and clone it as it is.",
        "image.slot": "vmd has one bus for disks, and the image becomes the first one. Omit it.",
        "disks.serial": "Disks of vmd have none. Mount by the DUID of the disk, which disklabel shows.",
        **dict.fromkeys(("disks.iops_limit", "disks.bandwidth_limit"), "vmd limits no disk. Omit the option."),
        "disks.storage": "Use storage_path for the files of a new VM, or attach a file with disks[].source.",
        "disks.directory": "Use storage_path for the files of a new VM, or attach a file with disks[].source.",
        "networks.type=bridged": _SWITCH,
        "networks.type=hostonly": "Use networks[].type: nat; without pf rules for it, it reaches the host only.",
        "networks.type=internal": _SWITCH,
        "networks.type=user": "Use networks[].type: nat.",
        "networks.address": "vmd computes those of type nat. Use cloud_init.ip_config.",
        "networks.model": "vmd has one type of NIC, vio(4).",
        "networks.vlan": "Create a VLAN interface on the host, and add it to the bridge of the switch.",
        "networks.trunk": "Add the trunk interface of the host to the bridge of the switch, and tag in the guest.",
        **dict.fromkeys(
            options.NO_GUARDS,
            "Filter the interface of the VM with pf, or the ports of the bridge with ifconfig(8) rules.",
        ),
    },
)

#: The default directory of new disks; created if it is missing.
STORAGE = "/var/vmm"
VM = {
    **CONNECTION,
    # An empty source is a NIC without a switch.
    "networks": with_suboption(options.VM["networks"], "source", filled=False),
    "image": with_suboption(options.VM["image"], "source", normalize=normalized_source),
    "image_directory": Connection("path", absolute=True),
    "storage_path": Connection("path", default=STORAGE, absolute=True),
    "boot": Option("path", absolute=True),
    "boot_device": Option(choices=("default", "disk", "cdrom", "net")),
    "vmd_owner": Option(),
    "instance_of": Option(role=CREATION),
    "guest_shutdown": Connection(
        "dict",
        options={
            "user": Option(default="root"),
            "key_file": Option("path"),
            "command": Option(default="shutdown -p now || poweroff"),
        },
    ),
    "allow_foreign_edit": Consent(role=options.CONNECTION),
}
