#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vbox_vm_info
short_description: Tell about VirtualBox and its virtual machines
version_added: 0.1.0
description:
  - Tells whether VirtualBox can be used on this host, and what machines the task's user has.
  - Two C(VBoxManage) processes tell of all machines; those that run are asked for more, some at a time.
  - Never fails because VirtualBox is missing or too old; RV(host) then says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.facets
  - polyvirt.core.vbox
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
  - module: polyvirt.core.vbox_vm
"""

EXAMPLES = r"""
- name: Look at all machines
  polyvirt.core.vbox_vm_info:
  register: virtualbox

- name: Names of those that run
  ansible.builtin.debug:
    msg: "{{ virtualbox.vms | selectattr('state', 'eq', 'running') | map(attribute='name') }}"

- name: Machines of another user
  polyvirt.core.vbox_vm_info:
  become: true
  become_user: jenkins
"""

RETURN = r"""
host:
  description: Whether and how VirtualBox can be used here.
  returned: success
  type: dict
  contains:
    available:
      description: Whether its tools are installed.
      type: bool
    configured:
      description: Whether it answers and can be used.
      type: bool
    version:
      description: Version of VirtualBox, or null.
      type: str
      sample: 7.2.22
    message:
      description: A sentence for people; what to do if it cannot be used.
      type: str
    why:
      description: Null, or why it cannot be used - missing, not_on_path, not_responding, too_old (before 6.1).
      type: str
    capabilities:
      description: What this platform can do (states, stop_modes, verbs, options), or null.
      type: dict
vms:
  description:
    - The machines named that exist, or all.
    - The entries are those of M(polyvirt.core.vbox_vm), without what a task did. Addresses are asked of every source.
  returned: success
  type: list
  elements: dict
"""

from ..module_utils._drivers.vbox.driver import make_driver
from ..module_utils._front import info_module, run_module
from ..module_utils._lifecycle.options import VBOX

MODULE = info_module(VBOX, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
