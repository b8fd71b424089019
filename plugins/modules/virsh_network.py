#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_network
short_description: Manage libvirt virtual networks
version_added: 1.0.0
description:
  - Creates, changes, starts, stops and deletes a virtual network of libvirt. No XML is needed.
  - Options you omit are never changed. Options you set are enforced; if that is impossible, the task fails before its
    first change and says why.
  - Ranges, fixed addresses and DNS entries are changed while the network runs. Everything else is stored, and takes
    effect when the network is started again, see RV(restart_required) and O(allow_restart).
  - Entries of O(ranges), O(hosts), O(dns), O(forwarders) and O(routes) that the task does not name remain, unless you
    set O(purge).
  - A fixed address that a VM has by O(polyvirt.core.virsh_vm#module:networks[].address) belongs to that VM. It is no
    difference, and O(purge) does not remove it.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.virsh
  - polyvirt.core.approval
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows each option that differs. Values of the running network are listed separately.
  platform:
    platforms: posix
options:
  name:
    description: Name of the network. It cannot be changed. A name in the form of a UUID is rejected.
    type: str
    required: true
  state:
    description:
      - V(active) creates and starts the network. V(present) creates it, and neither starts nor stops it. V(inactive)
        creates it and stops it.
      - V(absent) stops and deletes the network.
      - V(inactive) and V(absent) fail while a VM runs on the network or its bridge, or something else is on the bridge,
        because it would be cut off. The error names what it is.
    type: str
    choices: [active, present, inactive, absent]
    default: active
  mode:
    description:
      - V(nat) - VMs reach other networks with the IPv4 address of the host. IPv6 packets are forwarded with the
        addresses of the VMs, unless O(native) has V(forward/nat@ipv6).
      - V(routed) - packets are forwarded with the addresses of the VMs. Other hosts need a route to them.
      - V(isolated) - VMs reach each other and the host only.
      - V(open) - like V(routed), without any firewall rule by libvirt.
      - V(bridge) - VMs are connected to the existing bridge O(bridge) of the host.
      - V(nat), V(routed) and V(open) need O(addresses).
      - A new network is V(nat) if you set O(addresses), else V(isolated).
    type: str
    choices: [nat, routed, isolated, open, bridge]
  bridge:
    description:
      - Name of the bridge, at most 15 characters. libvirt creates it, and chooses a name if you omit it.
      - With O(mode=bridge), it is required and must exist. This module never changes interfaces of the host.
    type: str
  addresses:
    description:
      - Addresses of the host in the network with prefix lengths, such as V(10.7.0.1/24) and V(fd00:7::1/64). They
        define the subnets. This list replaces the existing one.
      - A subnet must not overlap with another network of libvirt, or with an interface or route of the host.
    type: list
    elements: str
  ranges:
    description:
      - Addresses that the DHCP server gives to VMs. Without a range, only O(hosts) get an address.
      - libvirt has a DHCP server in one subnet of each IP version. Both ends of a range have the same first two
        numbers; of an IPv6 range, all but the last one are the same.
    type: list
    elements: dict
    suboptions:
      start:
        description: First address.
        type: str
        required: true
      end:
        description: Last address.
        type: str
        required: true
  hosts:
    description:
      - Fixed addresses. Set O(hosts[].mac) or O(hosts[].name) for an IPv4 address, and O(hosts[].id) or
        O(hosts[].name) for an IPv6 address.
      - For VMs of this collection, use O(polyvirt.core.virsh_vm#module:networks[].address) instead.
    type: list
    elements: dict
    suboptions:
      address:
        description: The address. It must be in a subnet of O(addresses), within or outside of O(ranges).
        type: str
        required: true
      mac:
        description: MAC address of the VM.
        type: str
      id:
        description: DUID of the VM, for IPv6.
        type: str
      name:
        description: Host name that the VM gets, also in DNS.
        type: str
  domain:
    description: DNS domain of the network. An empty text removes it, together with O(domain_local).
    type: str
  domain_local:
    description: Whether names in O(domain) are never looked up by other DNS servers. It requires a domain.
    type: bool
  dns:
    description: Entries of the DNS server.
    type: list
    elements: dict
    suboptions:
      address:
        description: The address.
        type: str
        required: true
      names:
        description: All host names of the address.
        type: list
        elements: str
        required: true
  forwarders:
    description: DNS servers for other names. By default, these are the servers of the host.
    type: list
    elements: dict
    suboptions:
      address:
        description: Address of the server.
        type: str
      domain:
        description: Domain for which the server is used. Without an address, the servers of the host are used for it.
        type: str
  routes:
    description: Static routes of the host through VMs of the network. The host must not have such a route already.
    type: list
    elements: dict
    suboptions:
      destination:
        description: Subnet, such as V(10.9.0.0/24).
        type: str
        required: true
      gateway:
        description: Address of the router. It must be in a subnet of O(addresses).
        type: str
        required: true
      metric:
        description: Metric of the route.
        type: int
  mtu:
    description: MTU of the bridge, which DHCP offers to VMs, too. The default of libvirt is V(1500).
    type: int
  isolated_ports:
    description: Whether VMs reach the host and other networks, but not each other.
    type: bool
  tftp:
    description: Existing directory with files for PXE, which the network serves by TFTP. An empty text turns that off.
    type: path
  bootp:
    description: What VMs boot by PXE.
    type: dict
    suboptions:
      file:
        description: Name of the file. An empty text removes O(bootp).
        type: str
        required: true
      server:
        description: IP address of the TFTP server. By default, this is the host.
        type: str
  autostart:
    description: Whether libvirt starts the network when the host starts. A new network is not started if you omit it.
    type: bool
  native:
    description:
      - Other values by their paths in libvirt's network XML, such as V(forward@dev) or V(forward/nat@ipv6). V(null)
        removes one.
      - A path that another option sets is rejected, and so is one that would change the value of an option.
    type: dict
  purge:
    description: Remove entries of the lists above that the task does not name. Only lists that the task sets count.
    type: bool
    default: false
  allow_restart:
    description:
      - Permission to stop and start the network if a change needs that. It is used only while nothing is in
        RV(in_use.running), because a restart would cut off VMs until they are started again.
    type: bool
    default: false
seealso:
  - module: polyvirt.core.virsh_network_info
  - module: polyvirt.core.virsh_vm
"""

EXAMPLES = r"""
- name: Create a network with NAT, DHCP and a fixed address
  polyvirt.core.virsh_network:
    name: lab
    addresses: [10.7.0.1/24]
    ranges:
      - {start: 10.7.0.100, end: 10.7.0.199}
    hosts:
      - {mac: "52:54:00:00:07:10", name: db1, address: 10.7.0.10}
    domain: lab.test
    domain_local: true
    autostart: true

- name: Create a network with IPv4 and IPv6
  polyvirt.core.virsh_network:
    name: dual
    mode: nat
    addresses: [10.8.0.1/24, "fd00:8::1/64"]
    native:
      forward/nat@ipv6: true

- name: Use an existing bridge of the host
  polyvirt.core.virsh_network:
    name: lan
    mode: bridge
    bridge: br0

- name: Delete a network
  polyvirt.core.virsh_network:
    name: lab
    state: absent
"""

RETURN = r"""
network:
  description: The network after the task, or as it would be in check mode; null if it does not exist. It has the
    options of the module that are set, and the keys below.
  returned: success
  type: dict
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
restart_required:
  description: Whether stored changes take effect only when the network is started again.
  returned: success
  type: bool
in_use:
  description: The VMs that use the network.
  returned: success
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
pending:
  description: Changes that wait for a restart of the network.
  returned: success
  type: list
  elements: str
  sample: [lab.restart]
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Each option that differs, before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: Values before the task.
      type: dict
    after:
      description: Values after the task.
      type: dict
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.hosts import host_module
from ..module_utils._hosts.libvirt.network_host import make_host
from ..module_utils._hosts.libvirt.network_options import OPTIONS

MODULE = host_module(OPTIONS, make_host)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
