# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms: their names, drivers and modules. The front door, the generator, gates and tests read this table."""

from __future__ import annotations

from typing import NamedTuple


class Registered(NamedTuple):
    """``driver`` is its directory in ``_drivers``, and the beginning of the names of its modules.

    ``vm``, ``vm_info`` and ``vm_snapshot`` are its modules; a platform without snapshots says in
    ``instead_of_snapshots`` what to do.
    """

    driver: str
    vm: str
    vm_info: str
    vm_snapshot: str = ""
    instead_of_snapshots: str = ""

    @property
    def modules(self):
        """{module for all platforms: module of this one}"""
        names = {"vm": self.vm, "vm_info": self.vm_info, "vm_snapshot": self.vm_snapshot}
        return {about: name for about, name in names.items() if name}


PLATFORMS = {
    "libvirt": Registered("virsh", "virsh_vm", "virsh_vm_info", "virsh_snapshot"),
    "virtualbox": Registered("vbox", "vbox_vm", "vbox_vm_info", "vbox_snapshot"),
    "vagrant": Registered("vagrant", "vagrant_instance", "vagrant_instance_info", "vagrant_snapshot"),
    "proxmox": Registered("proxmox", "proxmox_vm", "proxmox_vm_info", "proxmox_snapshot"),
    "vmd": Registered("vmm", "vmm_vm", "vmm_vm_info", instead_of_snapshots="Stop the VM, and create a clone of it."),
    "hyperv": Registered("hyperv", "hyperv_vm", "hyperv_vm_info", "hyperv_snapshot"),
    "wsl": Registered(
        "wsl",
        "wsl_distro",
        "wsl_distro_info",
        instead_of_snapshots="Save the distribution to a file (option export), and create another one from that file.",
    ),
}
