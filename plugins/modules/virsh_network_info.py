#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_network_info
short_description: List libvirt virtual networks
version_added: 1.0.0
description:
  - Returns the networks of libvirt with their settings, leases, and the VMs that use them.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.virsh
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
options:
  name:
    description: Name of a network. If omitted, all networks are returned.
    type: str
seealso:
  - module: polyvirt.core.virsh_network
"""

EXAMPLES = r"""
- name: Read all networks
  polyvirt.core.virsh_network_info:
  register: libvirt
"""

RETURN = r"""
networks:
  description: The networks, by name. Each has the options of P(polyvirt.core.virsh_network#module) that are set, and
    the keys below.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the network.
      type: str
    state:
      description: V(active) or V(inactive).
      type: str
    autostart:
      description: Whether it starts with the host.
      type: bool
    uuid:
      description: UUID of the network.
      type: str
    persistent:
      description: Whether the network has a stored definition.
      type: bool
    restart_required:
      description: Whether the stored definition takes effect only when the network is started again.
      type: bool
    in_use:
      description: The VMs that use the network.
      type: dict
      contains:
        running:
          description: VMs that run on the network or on its bridge, and names of other ports of the bridge.
          type: list
          elements: str
        defined:
          description: VMs with the network in their definition.
          type: list
          elements: str
    reserved_by_vms:
      description: Fixed addresses that belong to VMs (O(polyvirt.core.virsh_vm#module:networks[].address)).
      type: list
      elements: dict
      contains:
        mac:
          description: MAC address of the NIC.
          type: str
        address:
          description: The address.
          type: str
        vm:
          description: Name of the VM.
          type: str
    leases:
      description: Leases of the DHCP server. An entry remains until it expires, also if its VM is stopped.
      type: list
      elements: dict
      contains:
        expires:
          description: Local time of the host.
          type: str
        mac:
          description: MAC address.
          type: str
        address:
          description: The address.
          type: str
        hostname:
          description: Host name, or null.
          type: str
"""

from ..module_utils._front.declaration import Declaration, run_module
from ..module_utils._hosts.libvirt.network_host import INFO_OPTIONS, report

MODULE = Declaration(INFO_OPTIONS, report)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
