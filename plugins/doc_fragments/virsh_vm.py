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
    type: path
"""
