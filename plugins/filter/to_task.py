# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: to_task
short_description: Write described VMs as tasks of a playbook
version_added: 1.0.0
description:
  - Turns the result of an info module with O(polyvirt.core.vm_info#module:describe=true) into the YAML of tasks, one
    for each VM. Comments name what a task cannot hold.
  - Every text is read again as it is. A text such as V(yes) or V(012) is quoted, and a text that looks like a Jinja
    template is marked with C(!unsafe).
author:
  - polyvirt contributors (@polyvirt)
options:
  _input:
    description: The result of an info module, its RV(polyvirt.core.vm_info#module:vms), or one entry of these.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Describe all VMs of this host
  polyvirt.core.vm_info:
    platform: libvirt
    describe: true
  register: found

- name: Write a file of tasks on the controller
  ansible.builtin.copy:
    content: "{{ found | polyvirt.core.to_task }}"
    dest: "{{ playbook_dir }}/vms-of-{{ inventory_hostname }}.yml"
    mode: "0644"
  delegate_to: localhost
"""

RETURN = r"""
_value:
  description: The tasks as YAML. VMs that do not exist are omitted.
  type: str
  sample: |
    # networks.0.mac: The platform or this collection chooses it for each new VM.
    - name: Keep web1 as it is
      polyvirt.core.vm:
        platform: libvirt
        name: web1
        state: started
        cpus: 2
        memory: 2G
"""

from ..plugin_utils.tasks.task_yaml import tasks_of


class FilterModule:
    """Filter plugin ``polyvirt.core.to_task``."""

    def filters(self):
        return {"to_task": tasks_of}
