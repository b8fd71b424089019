#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vmm_network_info
short_description: Read the networks of a host with vmd
version_added: 1.0.0
description:
  - Used by the roles P(polyvirt.core.vmm_host#role) and P(polyvirt.core.vmm_network#role). It reads the interfaces,
    routes, packet filter, DHCP server and switches of the host.
  - With O(network), it also reports whether such a network of VMs can be set up, and which requirements are missing.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vmm
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: OpenBSD
options:
  etc:
    description: Directory of the configuration files of the host.
    type: path
    default: /etc
  network:
    description: A network of VMs, as the variables of the role P(polyvirt.core.vmm_network#role) describe it.
    type: dict
    suboptions:
      state:
        description: V(present) if the network must exist.
        type: str
        choices: [present, absent]
        default: present
      mode:
        description: Type of the network.
        type: str
        choices: [local, bridged, routed]
        default: local
      subnet:
        description: IPv4 subnet of a routed network. V(auto) selects one that this host does not use.
        type: str
        default: auto
      switch:
        description: Name of the switch in vm.conf.
        type: str
        default: local
      bridge:
        description: The bridge(4) or veb(4) interface of the switch.
        type: str
        default: bridge0
      host_interface:
        description: The vether(4) or vport(4) interface by which the host is connected to a routed network.
        type: str
        default: vether0
      port:
        description: The physical interface that is added to the bridge of a bridged network.
        type: str
        default: ""
      dhcp:
        description: Whether the host leases the addresses of a routed network.
        type: bool
        default: true
      dhcp_first:
        description: First address for leases. The default depends on the subnet.
        type: str
        default: ""
      dhcp_last:
        description: Last address for leases. The default depends on the subnet.
        type: str
        default: ""
      reservations:
        description: Fixed addresses of guests.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the guest.
            type: str
            required: true
          mac:
            description: MAC address of its NIC.
            type: str
            required: true
          address:
            description: Its IPv4 address.
            type: str
            required: true
      filter:
        description: Whether pf must see packets between guests.
        type: bool
        default: false
seealso:
  - module: polyvirt.core.vmm_marked_lines
"""

EXAMPLES = r"""
- name: Find a subnet that this host does not use
  polyvirt.core.vmm_network_info:
    network: {mode: routed, subnet: auto}
  become: true
  register: host

- name: Show it
  ansible.builtin.debug:
    msg: "{{ host.subnet }}"
"""

RETURN = r"""
interfaces:
  description: The network interfaces of the host; the keys are their names.
  returned: success
  type: dict
  contains:
    vether0:
      description: An interface.
      type: dict
      contains:
        up:
          description: Whether it is up.
          type: bool
        groups:
          description: Groups of the interface.
          type: list
          elements: str
        description:
          description: Its description; vmd describes tap interfaces and bridges.
          type: str
        addresses:
          description: IPv4 addresses with their prefix length.
          type: list
          elements: str
          sample: [10.50.0.1/24]
        members:
          description: Members of a bridge.
          type: list
          elements: str
own_interfaces:
  description: Interfaces with a hostname.if(5) file that the role has written.
  returned: success
  type: list
  elements: str
forwarding:
  description: Value of net.inet.ip.forwarding, or null.
  returned: success
  type: int
pf:
  description: The packet filter.
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether pf filters; null if pfctl does not report it.
      type: bool
    anchor_called:
      description: Whether the loaded main ruleset calls the anchor of the role.
      type: bool
    anchor_rules:
      description: The loaded rules of this anchor, as pfctl prints them.
      type: list
      elements: str
dhcpd:
  description: The DHCP server of the host.
  returned: success
  type: dict
  contains:
    enabled:
      description: Whether it starts with the host.
      type: bool
    running:
      description: Whether it runs.
      type: bool
    flags:
      description: Its flags, which are the names of its interfaces.
      type: str
    serves_others:
      description: Whether dhcpd.conf has subnets outside of the block that the role manages.
      type: bool
vmd_running:
  description: Whether vmd answers.
  returned: success
  type: bool
local_prefix:
  description: The addresses that vmd gives to local interfaces.
  returned: success
  type: str
  sample: 100.64.0.0/10
switches:
  description: The interface of each switch in vm.conf.
  returned: success
  type: dict
  contains:
    local:
      description: Interface of the switch with this name.
      type: str
switches_without_interface:
  description: Switches of vm.conf without an existing interface. vmd ends when it reads one.
  returned: success
  type: list
  elements: str
switch_users:
  description: The VMs that are connected to each switch.
  returned: success
  type: dict
  contains:
    local:
      description: Names of the VMs of the switch with this name.
      type: list
      elements: str
own_switch:
  description: Whether vm.conf has the block that the role manages.
  returned: success
  type: bool
own_forwarding:
  description: Whether sysctl.conf has the block that the role manages.
  returned: success
  type: bool
forwarding_elsewhere:
  description: Whether sysctl.conf turns on forwarding outside of the block that the role manages.
  returned: success
  type: bool
vms:
  description: Names of the VMs in vm.conf.
  returned: success
  type: list
  elements: str
subnet:
  description: Subnet of a routed network, else null.
  returned: with O(network)
  type: str
  sample: 10.50.0.0/24
network:
  description: Its network address, or null.
  returned: with O(network)
  type: str
netmask:
  description: Its netmask, or null.
  returned: with O(network)
  type: str
prefix_length:
  description: Its prefix length, or null.
  returned: with O(network)
  type: int
gateway:
  description: The address of the host in it, or null.
  returned: with O(network)
  type: str
dhcp_first:
  description: First address for DHCP, or null.
  returned: with O(network)
  type: str
dhcp_last:
  description: Last address for DHCP, or null.
  returned: with O(network)
  type: str
needed:
  description: Interfaces that the role creates for the network, in order.
  returned: with O(network)
  type: list
  elements: str
start:
  description: Interfaces of the network that do not exist, are not up, or lack an address or a member.
  returned: with O(network)
  type: list
  elements: str
renew:
  description: Those of RV(start) that have another address and must be destroyed first.
  returned: with O(network)
  type: list
  elements: str
remove:
  description: Interfaces of the role that the network does not need.
  returned: with O(network)
  type: list
  elements: str
lan_networks:
  description: Networks to which the host is connected, without those of its VMs.
  returned: with O(network)
  type: list
  elements: str
switch_elsewhere:
  description: Whether vm.conf defines the switch outside of the block that the role manages.
  returned: with O(network)
  type: bool
isolation_problems:
  description:
    - Packets of guests that pf does not block although O(network.filter) is set, each with the rule that passes them.
      All loaded rules are evaluated in the order of pf, with those of the role, loaded or not.
  returned: with O(network)
  type: list
  elements: str
nat_problems:
  description:
    - The rules before those of the role that block the packets of guests, or with which these leave without address
      translation.
  returned: with O(network)
  type: list
  elements: str
problems:
  description: Sentences that explain why the network cannot be set up or removed.
  returned: with O(network)
  type: list
  elements: str
"""

from ..module_utils._front.declaration import Declaration, run_module
from ..module_utils._hosts.openbsd.network import OPTIONS, answer

MODULE = Declaration(OPTIONS, answer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
