#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: describe_vms
short_description: Write existing virtual machines as code
version_added: 1.0.0
description:
  - Reads all VMs of the sources of the inventory plugin P(polyvirt.core.vms#inventory), and writes files that describe
    them. In check mode, a task with such a description changes nothing as long as the VM is as described.
  - A file begins with a digest of its content. A file that was changed by hand is not overwritten; the result contains
    the difference. Set O(replace) to overwrite it.
  - Files of VMs that do not exist any more are not deleted.
  - Secrets are not described. Comments in the files list all settings that no task can contain.
  - Used by the playbook C(polyvirt.core.describe).
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
    support: none
  bypass_host_loop:
    support: full
  check_mode:
    support: full
    details: Writes nothing.
  connection:
    support: none
    details: Runs on the controller. The inventory sources have their own connections.
  delegation:
    support: none
  diff_mode:
    support: full
  platform:
    platforms: all
options:
  directory:
    description: Directory on the controller for the files. It is created if it does not exist.
    type: path
    required: true
  form:
    description:
      - V(machines) - a playbook for each source, with one task of M(polyvirt.core.vm). VMs of a fleet are a task of
        their own.
      - V(host_vars) - an inventory with a host for each VM, and a file of variables for each host, as the playbook
        C(polyvirt.core.provision_group) reads them. The group of the hosts is C(described). A VM of a fleet cannot be
        described in this form.
    type: str
    choices: [machines, host_vars]
    default: machines
  replace:
    description: Whether to overwrite files that were changed by hand.
    type: bool
    default: false
  sources:
    description:
      - Inventory files of P(polyvirt.core.vms#inventory), or directories with such files, that define the sources of
        the VMs.
      - If omitted, those of the inventory of this run. AWX needs it, because a job has only the hosts of the inventory.
    type: list
    elements: path
  timeout:
    description: Maximum number of seconds to read each source.
    type: int
    default: 600
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
  - module: polyvirt.core.vm
  - module: polyvirt.core.vm_info
"""

EXAMPLES = r"""
- name: Describe all VMs of the inventory
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Write one playbook for each hypervisor
      polyvirt.core.describe_vms:
        directory: vms
"""

RETURN = r"""
files:
  description: One entry for each file.
  returned: unless the options are wrong in form
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file.
      type: str
      sample: /srv/site/vms/kvm1.yml
    outcome:
      description:
        - V(written) - the file was written; in check mode, it would be. V(unchanged) - it describes the VMs already.
          V(kept) - it was changed by hand, and was not overwritten.
      type: str
      sample: written
    difference:
      description: The difference between a file that was kept and what would have been written, as lines.
      type: list
      elements: str
"""

from ..module_utils._core.options.option import DESCRIBE_VMS
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(DESCRIBE_VMS)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
