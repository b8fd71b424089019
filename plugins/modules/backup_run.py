#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_run
short_description: Back up the VMs of inventory hosts, or test their backups by a restore drill
version_added: 1.0.0
description:
  - Runs M(polyvirt.core.vm_backup) for the VM of each host of the inventory, on the inventory source of the VM.
  - Variables of a host that begin with C(backup_) are the options of M(polyvirt.core.vm_backup), such as
    C(backup_directory), C(backup_storage), C(backup_max_age) and C(backup_keep_daily). C(backup_max_age) is V(20h) by
    default.
  - A VM that cannot be backed up does not keep the others from being backed up. The task fails at its end, and names
    each VM.
  - With O(action=drill), the newest complete backup of each VM is restored as a copy, one after another on each source.
    The copy loses its network interfaces before it is started, and is deleted at the end. Its name is
    C(polyvirt-drill-) and the ID of the backup, its fleet is C(polyvirt-drill), and it expires after a day.
  - If a drill is interrupted, the next one for the same VM deletes the copy. A VM that was not restored from the backup
    in its name is never deleted.
  - Used by the playbooks C(polyvirt.core.backup) and C(polyvirt.core.restore_drill).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - polyvirt.core.approval
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
    details: A drill is planned up to the restore. Whether the copy starts is known only after a run.
  connection:
    support: none
    details: Runs on the controller. The inventory sources have their own connections.
  delegation:
    support: none
  diff_mode:
    support: none
  platform:
    platforms: all
options:
  action:
    description: V(backup) - create and delete backups. V(drill) - restore the newest backup of each VM as a copy.
    type: str
    choices: [backup, drill]
    default: backup
  hosts:
    description: Hosts of the inventory P(polyvirt.core.vms#inventory). Each must be a VM.
    type: list
    elements: str
    required: true
  sources:
    description:
      - Inventory files of P(polyvirt.core.vms#inventory), or directories with such files, that define the sources of
        the VMs.
      - If omitted, those of the inventory of this run. AWX needs it, because a job has only the hosts of the inventory.
    type: list
    elements: path
  timeout:
    description: Maximum number of seconds for each step of one VM, such as its backup.
    type: int
    default: 21600
  wait_for:
    description:
      - What proves that the copy of a drill works. V(state) - it runs. V(cloud_init) - the guest agent answers, and
        cloud-init is done.
    type: str
    choices: [state, cloud_init]
    default: state
  console:
    description:
      - Regular expression that the console of the copy must also show, such as V(login:). Only on V(libvirt).
    type: str
  wait_timeout:
    description: Maximum number of seconds to wait for O(wait_for), and for O(console).
    type: int
    default: 600
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
  - module: polyvirt.core.vm_backup
"""

EXAMPLES = r"""
# The file group_vars/web.yml has backup_directory: /srv/backups
- name: Back up all web servers
  hosts: web
  gather_facts: false
  tasks:
    - name: Create backups that are not older than 20 hours
      polyvirt.core.backup_run:
        hosts: "{{ ansible_play_hosts_all }}"
        sources: [lab.polyvirt.yml]
"""

RETURN = r"""
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected.
  returned: always
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
failed_hosts:
  description: Hosts of the inventory whose VMs have failed.
  returned: unless the task failed before it has read the sources
  type: list
  elements: str
vms:
  description: One entry for each VM.
  returned: unless the task failed before it has read the sources
  type: list
  elements: dict
  contains:
    hosts:
      description: Hosts of the inventory that are this VM.
      type: list
      elements: str
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: ID of the VM on its platform.
      type: str
    platform:
      description: Platform of the VM.
      type: str
      sample: libvirt
    source:
      description: Name of the inventory source.
      type: str
      sample: libvirt-hv1
    outcome:
      description:
        - V(created) - a backup was created. V(changed) - only older ones were deleted, or the protection was changed.
          V(unchanged) - the newest one is as requested. V(failed) - RV(vms[].msg) says why.
        - Of a drill, V(passed), V(failed), or in check mode V(planned).
      type: str
      sample: created
    backup:
      description: ID of the newest complete backup, which a drill restores; null if there is none.
      type: str
      sample: 20270131T020000Z-3f078c8c
    start:
      description: When that backup was started, in ISO 8601 and UTC.
      type: str
      sample: '2027-01-31T02:00:00Z'
    consistency:
      description: Consistency of that backup - V(crash), V(filesystem) or V(stopped).
      type: str
    age:
      description: Age of the restored backup in seconds; null unless this is a drill.
      type: int
    seconds:
      description: Seconds from the begin of the restore until the copy fulfilled the conditions; null otherwise.
      type: int
      sample: 74
    msg:
      description: Why it failed; else empty.
      type: str
"""

from ..module_utils._core.options.backup import BACKUP_RUN
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(BACKUP_RUN, can_change=True)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
