# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt: options that only its modules have, and shared options that it does not support."""

from __future__ import annotations

from ..._core.options import option as options
from ..._core.options.image_names import normalized_source
from ..._core.options.option import AT_START, BootOrder, Connection, Consent, Memory, Option, Policy, with_suboption
from ..._core.options.platform import Platform
from ..._core.texts import bare_uuid
from ..._kit.connections import LIBVIRT as CONNECTION

LIBVIRT = Platform(
    "libvirt",
    per_driver=("native", "state", "delete_disks"),
    canonical_id=bare_uuid,
    lacks={
        **options.SEED_OF_NEW,
        "os_type": "libvirt does not store it. Omit the option.",
        "disks.storage": "Use disks[].directory.",
        "networks.type=hostonly": "Use type: network with the name of an isolated network.",
        "networks.vlan": "Tag the bridge on the host, or use an openvswitch network.",
        "networks.trunk": "Use an openvswitch network with a portgroup of these VLANs.",
        **dict.fromkeys(
            options.NO_GUARDS, "Give the NIC a filter of libvirt, such as clean-traffic: native, or virsh edit."
        ),
        "shared_folders.guest_path": "Mount it in the guest: mount -t virtiofs NAME FOLDER, or with 9p"
        " mount -t 9p NAME FOLDER.",
        "shared_folders.type": "libvirt uses virtiofs if the host has it, else 9p. Omit the option.",
        "devices.mapping": "Only Proxmox VE has mappings of devices. Set the id of the device.",
    },
)

WATCHDOG = {
    "model": Option(choices=("i6300esb", "itco")),
    "action": Option(choices=("reset", "shutdown", "poweroff", "pause", "dump", "inject-nmi", "none")),
}
VM = {
    **CONNECTION,
    "image": with_suboption(options.VM["image"], "source", normalize=normalized_source),
    "image_directory": Connection("path", absolute=True),
    "virt_type": Connection(choices=("kvm", "qemu")),
    "storage_path": Connection("path"),
    "boot_order": BootOrder(choices=("disk", "cdrom", "network")),
    "watchdog": Option("dict", options=WATCHDOG),
    "serial_log": Option("path", unique="file", absolute=True),
    "nvram_format": Option(choices=("raw", "qcow2")),
    "reset_nvram": Consent(role=AT_START, only_with="restarted"),
    "max_cpus": Option("int"),
    "max_memory": Memory(),
    "allow_network_start": Consent(role="connection"),
    "require_snapshots": Consent(role="connection"),
}
#: What virsh_backup lacks.
BACKUP_LACKS = {"storage": "Set directory."}
BACKUP = {
    **CONNECTION,
    "directory": Policy("path", absolute=True, filled=True, required=True),
    "disk_directory": Connection("path", absolute=True),
}
SNAPSHOT = {**CONNECTION, "kind": Policy(choices=("internal", "external"), only_with="present")}
