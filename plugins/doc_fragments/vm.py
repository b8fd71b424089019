# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options that select a platform."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.all) in C(module_defaults) to set options for these modules.
    support: full
    membership: [polyvirt.core.all]
options:
  platform:
    description:
      - Platform of the VMs. V(vmd) is that of OpenBSD; V(libvirt) stands for KVM and QEMU, too.
      - If omitted or empty, the variable C(vm_platform), else the environment variable E(POLYVIRT_PLATFORM).
    type: str
    choices: [libvirt, virtualbox, vagrant, proxmox, vmd, hyperv, wsl]
  options:
    description:
      - Options of the platform's own module that platforms do not share, such as C(uri) for libvirt.
    type: dict
"""
