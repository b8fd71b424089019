# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which the modules image and image_info find the VMs of a platform."""

    DOCUMENTATION = r"""
options:
  uri:
    description:
      - Connection URI of the libvirt with the VMs that can use the images. Only for libvirt.
      - If omitted, the environment variable E(LIBVIRT_DEFAULT_URI), then C(qemu:///system).
    type: str
  executable:
    description:
      - Name or path of the platform's program. If omitted, C(virsh), C(VBoxManage) or C(vmctl).
    type: str
  config_file:
    description: Configuration file of vmd. Only for vmd. If omitted, C(/etc/vm.conf).
    type: path
"""
