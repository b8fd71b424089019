#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_snapshot_info
short_description: Tell about snapshots of Proxmox VE machines, and compare them
version_added: 0.1.0
description:
  - Tells what snapshots virtual machines of a Proxmox VE cluster have, as a tree.
  - Tells which settings differ between a snapshot and another, or the machine as it is now.
  - Never fails because the cluster does not answer; RV(host) then says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.snapshot_info
  - polyvirt.core.proxmox
attributes:
  check_mode:
    support: full
    details: It only looks, and so does the same in a check.
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    platforms: posix
notes:
  - The files in its disks cannot be compared here, so O(compare.content) is refused.
seealso:
  - module: polyvirt.core.proxmox_snapshot
  - module: polyvirt.core.proxmox_vm_info
"""

EXAMPLES = r"""
- name: Look at the snapshots of all machines
  polyvirt.core.proxmox_snapshot_info:
  register: found

- name: Machines without any
  ansible.builtin.debug:
    msg: "{{ found.vms | rejectattr('snapshots') | map(attribute='name') }}"

- name: What has changed in its settings since
  polyvirt.core.proxmox_snapshot_info:
    name: web1
    compare:
      from: before-upgrade
"""

RETURN = r"""
host:
  description: Whether and how the cluster can be used, as M(polyvirt.core.proxmox_vm_info) tells.
  returned: success
  type: dict
vms:
  description: The machines named that exist, or all.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine.
      type: str
      sample: web1
    id:
      description: Its number (vmid).
      type: str
    snapshots:
      description: Its snapshots in the order of their tree, with the keys that M(polyvirt.core.proxmox_snapshot) tells.
      type: list
      elements: dict
    leftovers:
      description: Always empty; no image holds a snapshot that Proxmox VE does not know.
      type: list
      elements: dict
    differences:
      description: Every setting that is not the same at the two points.
      returned: with O(compare)
      type: list
      elements: dict
      contains:
        path:
          description: The setting.
          type: str
          sample: networks.0.source
        before:
          description: Its value at the first point, null where it was not set.
          type: raw
        after:
          description: Its value at the second point, null where it was not set.
          type: raw
"""

from ..module_utils._drivers.proxmox.connecting import make_info_driver
from ..module_utils._front import run_module, snapshot_info_module
from ..module_utils._lifecycle.options import PROXMOX

MODULE = snapshot_info_module(PROXMOX, make_info_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
