# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The few options of ``virsh_vm`` alone (the argument spec ``virsh_vm``)."""

    DOCUMENTATION = r"""
options:
  virt_type:
    description:
      - How a new machine is run; V(kvm) by the processor, V(qemu) by emulation.
      - When left out, V(kvm) where libvirt offers it. That it is offered does not prove that it works.
      - Used only when the machine is made.
    type: str
    choices: [kvm, qemu]
  storage_path:
    description:
      - Folder on the hypervisor for the disks that are made.
      - When left out, V(/var/lib/libvirt/images), or V(~/.local/share/libvirt/images) for V(qemu:///session).
      - NVRAM files of machines with UEFI firmware lie there too.
    type: path
  boot_order:
    description:
      - Kinds of devices to boot from, in this order. A new machine tries V(disk), then V(cdrom).
      - On a machine whose single devices have a boot order, it is read from that, and a change replaces it.
    type: list
    elements: str
    choices: [disk, cdrom, network]
  serial_log:
    description:
      - Full path of a file on the hypervisor to which everything is written that the guest says on its first serial
        port. It begins anew with each start. An empty string takes the log away.
      - One file serves one machine.
    type: path
  reset_nvram:
    description:
      - Fill the NVRAM of UEFI firmware anew from its template, at the start that O(state=restarted) makes. Boot
        entries and keys that the guest has stored there are lost.
      - A forced restart then cuts the power and starts the machine, for a reset keeps the NVRAM.
      - Needs libvirt 8.1.
    type: bool
    default: false
  max_cpus:
    description:
      - The most processors that the machine can get while it runs. It changes at the machine's next start.
      - When left out, a maximum that leaves room is kept, and grows where more processors are asked for.
    type: int
  max_memory:
    description:
      - The most memory that the machine can get while it runs, in the form of O(memory). It changes at the
        machine's next start.
      - When left out, a maximum that leaves room is kept, and grows where more memory is asked for.
    type: str
  allow_network_start:
    description:
      - Consent to start a network of libvirt that a machine needs for its start and that is not active. Networks
        are not made.
    type: bool
    default: false
"""
