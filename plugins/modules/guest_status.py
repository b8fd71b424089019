#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guest_status
short_description: Read the status of a guest without Python
version_added: 1.0.0
description:
  - Returns CPU usage, load, memory, disks, uptime, addresses, operating system and listening services of the host of
    the task, which is usually the guest of a VM.
  - The guest needs no Python, and nothing is copied to it. One command with a script for a POSIX shell is run by the
    connection of the task, and takes one connection and a little more than one second.
  - Tested on Linux with GNU tools and with busybox. For OpenBSD and FreeBSD, the script uses the output that their
    manuals describe.
  - A guest that does not answer fails after O(timeout), and does not delay other hosts any longer.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: full
    details: Without it, the names of programs of other users are null in RV(guest.services[].process).
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Only reads.
  connection:
    support: full
  delegation:
    support: full
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
options:
  timeout:
    description: Seconds after which the task fails, including the time to connect. Reading takes more than one second.
    type: int
    default: 10
  services:
    description:
      - Names of services of the guest, such as V(nginx). RV(guest.named_services) reports whether they run.
      - They are looked up by systemd, OpenRC, or the program C(rcctl) or C(service).
    type: list
    elements: str
notes:
  - A value that the guest does not report is null.
  - A guest that cannot be connected to is unreachable, as in any other task. Set C(ignore_unreachable) to continue.
    If its VM does not run according to the inventory, the task succeeds, and RV(running) is false.
  - Windows guests have no POSIX shell and are not supported.
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
    description: Lists the VMs, with the connection variables of their guests.
  - module: polyvirt.core.vm_info
"""

EXAMPLES = r"""
# With an inventory of polyvirt.core.vms
- name: Read the status of all running guests
  hosts: state_running
  gather_facts: false
  tasks:
    - name: Read the status
      polyvirt.core.guest_status:
        services: [nginx, postgresql]
      register: result

    - name: Warn of services that do not run
      ansible.builtin.debug:
        msg: "{{ item.name }} does not run"
      loop: "{{ result.guest.named_services | rejectattr('running') }}"

    - name: Warn of full disks
      ansible.builtin.debug:
        msg: "{{ item.mount }} is nearly full"
      loop: "{{ result.guest.disks | default([], true) }}"
      when: item.used > item.size * 0.9
"""

RETURN = r"""
running:
  description:
    - Whether the guest runs. False if it does not answer, and its VM does not run according to the inventory plugin
      P(polyvirt.core.vms#inventory).
  returned: success
  type: bool
  sample: true
state:
  description: State of the VM in the inventory.
  returned: if RV(running) is false
  type: str
  sample: stopped
guest:
  description: Status of the guest. Null if RV(running) is false.
  returned: success
  type: dict
  contains:
    os:
      description: Operating system.
      type: dict
      contains:
        id:
          description: Short name, such as V(debian), V(alpine), V(openbsd) or V(freebsd).
          type: str
          sample: debian
        name:
          description: Name.
          type: str
          sample: Debian GNU/Linux
        version:
          description: Version.
          type: str
          sample: "12"
        kernel:
          description: Version of the kernel.
          type: str
          sample: 6.1.0-28-amd64
        architecture:
          description: Architecture, as C(uname -m) prints it.
          type: str
          sample: x86_64
        hostname:
          description: Name of the host.
          type: str
          sample: web1
    uptime:
      description: Seconds since the start of the system.
      type: int
      sample: 86400
    cpus:
      description: Number of CPUs.
      type: int
      sample: 2
    cpu_percent:
      description: Part of one second during which the CPUs were not idle, of all CPUs together.
      type: float
      sample: 3.5
    load:
      description: Load averages of the last 1, 5 and 15 minutes.
      type: list
      elements: float
      sample: [0.2, 0.1, 0.05]
    memory_mib:
      description: Memory in MiB.
      type: int
      sample: 1983
    memory_used_mib:
      description: Memory in MiB that programs cannot get without swapping. Caches do not count as used.
      type: int
      sample: 312
    disks:
      description: Mounted file systems on local storage.
      type: list
      elements: dict
      contains:
        mount:
          description: Mount point.
          type: str
          sample: /
        device:
          description: Device.
          type: str
          sample: /dev/vda1
        size:
          description: Size in bytes.
          type: int
          sample: 10501771264
        used:
          description: Used space in bytes.
          type: int
          sample: 1288490188
    addresses:
      description: IP addresses, without those of the loopback interface and link-local ones.
      type: list
      elements: dict
      contains:
        interface:
          description: Network interface.
          type: str
          sample: eth0
        address:
          description: IP address.
          type: str
          sample: 192.168.122.14
    services:
      description: Ports on which programs wait for connections or packets, sorted by protocol and port.
      type: list
      elements: dict
      contains:
        protocol:
          description: V(tcp) or V(udp).
          type: str
          sample: tcp
        address:
          description: Address, or null for all.
          type: str
        port:
          description: Port.
          type: int
          sample: 22
        process:
          description: Name of the program. Null on OpenBSD, with busybox, and without root for programs of other users.
          type: str
          sample: sshd
    named_services:
      description: The services in O(services).
      type: list
      elements: dict
      contains:
        name:
          description: Name.
          type: str
          sample: nginx
        running:
          description: Whether it runs. False also if the guest has no such service, null if it has no service manager.
          type: bool
          sample: true
"""

from ..module_utils._core.options.option import GUEST_STATUS
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(GUEST_STATUS)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
