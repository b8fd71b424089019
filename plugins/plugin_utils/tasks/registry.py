# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms: their names, drivers and modules. The front door, the generator, gates and tests read this table."""

from __future__ import annotations

from typing import NamedTuple


class Registered(NamedTuple):
    """``driver`` is its directory in ``_drivers``, and the beginning of the names of its modules.

    ``vm``, ``vm_info``, ``vm_snapshot`` and ``vm_backup`` are its modules; a platform without snapshots or backups says
    in ``instead_of_snapshots`` and ``instead_of_backups`` what to do.
    """

    driver: str
    vm: str
    vm_info: str
    vm_snapshot: str = ""
    instead_of_snapshots: str = ""
    vm_backup: str = ""
    instead_of_backups: str = ""

    @property
    def modules(self):
        """{module for all platforms: module of this one}"""
        names = {"vm": self.vm, "vm_info": self.vm_info, "vm_snapshot": self.vm_snapshot, "vm_backup": self.vm_backup}
        return {about: name for about, name in names.items() if name}


PLATFORMS = {
    "libvirt": Registered("virsh", "virsh_vm", "virsh_vm_info", "virsh_snapshot", vm_backup="virsh_backup"),
    "virtualbox": Registered(
        "vbox",
        "vbox_vm",
        "vbox_vm_info",
        "vbox_snapshot",
        instead_of_backups="Stop the VM, and export it: VBoxManage export NAME -o FILE.ova --ovf20 --options manifest.",
    ),
    "vagrant": Registered(
        "vagrant",
        "vagrant_instance",
        "vagrant_instance_info",
        "vagrant_snapshot",
        instead_of_backups="Back up the VM of its provider: platform libvirt, or an export of VirtualBox.",
    ),
    "proxmox": Registered("proxmox", "proxmox_vm", "proxmox_vm_info", "proxmox_snapshot", vm_backup="proxmox_backup"),
    "vmd": Registered(
        "vmm",
        "vmm_vm",
        "vmm_vm_info",
        instead_of_snapshots="Stop the VM, and create a clone of it.",
        instead_of_backups="Stop the VM, and copy its disks to another host: vmctl create -i DISK COPY.",
    ),
    "hyperv": Registered(
        "hyperv",
        "hyperv_vm",
        "hyperv_vm_info",
        "hyperv_snapshot",
        instead_of_backups="Take a checkpoint, and export it: Export-VMSnapshot -VMName NAME -Name CHECKPOINT -Path P.",
    ),
    "wsl": Registered(
        "wsl",
        "wsl_distro",
        "wsl_distro_info",
        instead_of_snapshots="Save the distribution to a file (option export), and create another one from that file.",
        instead_of_backups="Save the distribution to a file (option export).",
    ),
}
