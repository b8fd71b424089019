#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_snapshot_info
short_description: List and compare snapshots of Proxmox VE VMs
version_added: 1.0.0
description:
  - Returns the snapshots of the VMs of a Proxmox VE cluster, as a tree.
  - Returns which settings differ between two snapshots, or between a snapshot and the VM as it is now.
  - If the cluster does not answer, RV(host) contains the reason, and the task warns or fails (see O(required)).
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
    details: Only reads, so check mode makes no difference.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
notes:
  - Only settings are compared, not the files on disks.
seealso:
  - module: polyvirt.core.proxmox_snapshot
  - module: polyvirt.core.proxmox_vm_info
"""

EXAMPLES = r"""
- name: Read the snapshots of all VMs
  polyvirt.core.proxmox_snapshot_info:
  register: result

- name: Show VMs without snapshots
  ansible.builtin.debug:
    msg: "{{ result.vms | rejectattr('snapshots') | map(attribute='name') }}"

- name: Show which settings have changed since a snapshot
  polyvirt.core.proxmox_snapshot_info:
    name: web1
    compare:
      from: before-upgrade
"""

RETURN = r"""
# begin generated: returns
host:
  description: Whether and how Proxmox VE can be used here.
  type: dict
  returned: success
  contains:
    available:
      description: Whether a server answers that may be Proxmox VE.
      type: bool
    configured:
      description: Whether Proxmox VE answers and can be used.
      type: bool
    version:
      description: Version of Proxmox VE, or null.
      type: str
      sample: 9.1.2
    message:
      description: Explanation of these values, and what to do if Proxmox VE cannot be used.
      type: str
    why:
      description: Null, or why it cannot be used - missing (the library), not_responding, too_old (before 7.0,
        or the library).
      type: str
    capabilities:
      description: Features of this platform, or null.
      type: dict
      contains:
        states:
          description: Power states that VMs can have.
          type: list
          elements: str
        stop_modes:
          description: Supported values of C(stop_mode).
          type: list
          elements: str
        verbs:
          description: Supported actions.
          type: list
          elements: str
        options:
          description: Supported options.
          type: list
          elements: str
        console:
          description: How to get the console of a VM, or a log of it.
          type: str
        live_migration:
          description: Whether a task can move a running VM to another host.
          type: bool
        moving:
          description: How a VM moves to another host.
          type: str
vms:
  description: The named VMs that exist, or all, including templates.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: ID of the VM (vmid) as a string; null for a VM that does not exist (yet).
      type: str
      sample: '105'
    snapshots:
      description: Snapshots of the VM, each before its children. Empty if the task does not read snapshots.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: before-upgrade
        id:
          description: Always null; snapshots are identified by name.
          type: str
        parent:
          description: Name of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Always empty; Proxmox VE has only one kind of snapshots.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970.
          type: int
          sample: 1795172368
        expires:
          description: When it expires, in ISO 8601 and UTC; null if it does not.
          type: str
        current:
          description: Whether the disks are based on it. It does not contain data that was written since.
          type: bool
        unfinished:
          description: Why the snapshot cannot be used (it is being created or deleted, or this was interrupted);
            empty if it can.
          type: str
    leftovers:
      description: Always empty; images contain no snapshots that Proxmox VE does not know.
      type: list
      elements: dict
      contains:
        file:
          description: Path of the image.
          type: str
        snapshot:
          description: Name of the snapshot in it.
          type: str
    differences:
      description: Settings that differ between the two points.
      type: list
      elements: dict
      contains:
        path:
          description: Path of the setting.
          type: str
          sample: memory
        before:
          description: Value at the first point; null if it was not set.
          type: raw
        after:
          description: Value at the second point; null if it was not set.
          type: raw
      returned: with O(compare)
# end generated
"""

from ..module_utils._drivers.proxmox.observe import make_observer
from ..module_utils._drivers.proxmox.options import CONNECTION, PROXMOX
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import snapshot_info_module

MODULE = snapshot_info_module(PROXMOX, CONNECTION, make_observer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
