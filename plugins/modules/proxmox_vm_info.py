#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_vm_info
short_description: Tell about Proxmox VE and its virtual machines
version_added: 0.1.0
description:
  - Tells whether a Proxmox VE cluster can be used, and what virtual machines it has, on all its nodes.
  - Machines that the user or token may not see (C(VM.Audit)) are not there for it.
  - Never fails because the cluster does not answer or is too old, or because the library is missing; RV(host) then
    says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.facets
  - polyvirt.core.proxmox
attributes:
  check_mode:
    support: full
    details: It only looks.
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    platforms: posix
seealso:
  - module: polyvirt.core.proxmox_vm
"""

EXAMPLES = r"""
- name: Look at all machines
  polyvirt.core.proxmox_vm_info:
  register: cluster

- name: Addresses of those that run
  ansible.builtin.debug:
    msg: "{{ item.name }}: {{ item.addresses | map(attribute='address') | join(', ') }}"
  loop: "{{ cluster.vms | selectattr('state', 'eq', 'running') }}"
  loop_control:
    label: "{{ item.name }}"

- name: Machines of one node
  ansible.builtin.debug:
    msg: "{{ cluster.vms | selectattr('settings.node', 'eq', 'pve1') | map(attribute='name') }}"
"""

RETURN = r"""
host:
  description: Whether and how the cluster can be used.
  returned: success
  type: dict
  contains:
    available:
      description: Whether something that may be Proxmox VE is there.
      type: bool
    configured:
      description: Whether it answers and can be used.
      type: bool
    version:
      description: Version of Proxmox VE, or null.
      type: str
      sample: 9.1.2
    message:
      description: A sentence for people; what to do if it cannot be used.
      type: str
    why:
      description:
        - Null, or why it cannot be used - missing (the library), not_responding, too_old (before 7.0, or the library).
      type: str
    capabilities:
      description: What this platform can do (states, stop_modes, verbs, options), or null.
      type: dict
vms:
  description:
    - The machines named that exist, or all, templates among them.
    - The entries are those of M(polyvirt.core.proxmox_vm), without what a task did.
  returned: success
  type: list
  elements: dict
"""

from ..module_utils._drivers.proxmox.connecting import make_info_driver
from ..module_utils._front import info_module, run_module
from ..module_utils._lifecycle.options import PROXMOX

MODULE = info_module(PROXMOX, make_info_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
