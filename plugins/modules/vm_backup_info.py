#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_backup_info
short_description: List backups of VMs and the age of the newest one of each VM
version_added: 1.0.0
description:
  - Lists the backups in a directory (libvirt) or on a storage (Proxmox VE), also those of VMs that no longer exist.
  - Damaged and incomplete backups are listed with the reason, and do not count as the newest one.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_backup
attributes:
  action_group:
    description: Use C(group/polyvirt.core.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
options:
  platform:
    description: Platform of the backups.
    type: str
    choices: [libvirt, proxmox]
    required: true
  name:
    description: Names that the VMs had. If omitted, the backups of all VMs are listed.
    type: list
    elements: str
  verify:
    description: Whether the files of the backups are read and compared with their digests.
    type: bool
    default: false
  api_host:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: str
  api_port:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: int
  api_user:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: str
  api_password:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: str
  api_token_id:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: str
  api_token_secret:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: str
  verify_ssl:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: bool
    aliases: [validate_certs]
  ca_path:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: path
  api_timeout:
    description: As with M(polyvirt.core.proxmox_backup), for V(proxmox).
    type: int
  controller_time:
    description: Set by the action plugin of the module only. A value in a task has no effect.
    type: int
seealso:
  - module: polyvirt.core.vm_backup
"""

EXAMPLES = r"""
- name: Read the backups in a directory
  polyvirt.core.vm_backup_info:
    platform: libvirt
    directory: /srv/backups
  register: result

- name: Fail if a VM has no backup from the last two days
  ansible.builtin.assert:
    that: result.vms | selectattr('age') | selectattr('age', 'lt', 172800) | map(attribute='name') is superset(['web1'])
"""

RETURN = r"""
backups:
  description: The backups, oldest first.
  type: list
  elements: dict
  contains:
    id:
      description: ID of the backup.
      type: str
      sample: 20270131T020000Z-3f078c8c
    vm:
      description: Name of the VM at that time.
      type: str
      sample: web1
    birth:
      description: What identifies the VM, also if another one gets its name or ID.
      type: str
    start:
      description: When it was started, in ISO 8601 and UTC.
      type: str
      sample: '2027-01-31T02:00:00Z'
    consistency:
      description: V(crash), V(filesystem) or V(stopped).
      type: str
      sample: filesystem
    state:
      description: Power state of the VM at that time.
      type: str
      sample: running
    host:
      description: Name of the host that created it.
      type: str
    size:
      description: Size in bytes.
      type: int
    excluded:
      description: Slots of disks that it does not contain.
      type: list
      elements: str
    protected:
      description: Whether it is protected from deletion.
      type: bool
    unfinished:
      description: Why it is not complete; empty if it is.
      type: str
    damaged:
      description: What is wrong with its files; empty if nothing is known.
      type: str
    age:
      description: Seconds since its start.
      type: int
  returned: success
vms:
  description: One entry for each VM that has backups, by name.
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    birth:
      description: What identifies the VM.
      type: str
    newest:
      description: ID of the newest backup that counts, or null.
      type: str
    age:
      description: Seconds since its start, or null.
      type: int
    count:
      description: Number of its backups.
      type: int
  returned: success
"""

from ..module_utils._front.backup_list import backup_info_module
from ..module_utils._front.declaration import run_module

MODULE = backup_info_module()


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
