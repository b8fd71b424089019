#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_vm_info
short_description: Tell about libvirt and its virtual machines
version_added: 0.1.0
description:
  - Tells whether libvirt can be used on this host, and what machines it has.
  - Two C(virsh) processes suffice for up to about a hundred running machines; each further hundred takes one more.
  - Never fails because libvirt is missing; RV(host) then says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.facets
  - polyvirt.core.virsh
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
  - module: polyvirt.core.virsh_vm
"""

EXAMPLES = r"""
- name: Look at all machines
  polyvirt.core.virsh_vm_info:
  register: libvirt

- name: Names of those that run
  ansible.builtin.debug:
    msg: "{{ libvirt.vms | selectattr('state', 'eq', 'running') | map(attribute='name') }}"
"""

RETURN = r"""
host:
  description: Whether and how libvirt can be used here.
  returned: success
  type: dict
  contains:
    available:
      description: Whether its tools are installed.
      type: bool
    configured:
      description: Whether it answers.
      type: bool
    version:
      description: Version of the libvirt library, or null.
      type: str
      sample: 9.0.0
    message:
      description: A sentence for people; what to do if it cannot be used.
      type: str
    why:
      description: Null, or why it cannot be used. V(not_on_path) - no such command is found (it may not be installed).
        V(missing) - the file named by O(executable) is not there. V(not_responding) - libvirt does not answer.
      type: str
    capabilities:
      description: What this platform can do (states, stop_modes, verbs, options), or null.
      type: dict
vms:
  description:
    - The machines named that exist, or all.
    - The entries are those of M(polyvirt.core.virsh_vm), without what a task did. Addresses are asked of every source.
  returned: success
  type: list
  elements: dict
"""

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._front import info_module, run_module
from ..module_utils._lifecycle.options import VIRSH

MODULE = info_module(VIRSH, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
