#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperv_snapshot_info
short_description: List and compare checkpoints of Hyper-V VMs
version_added: 1.0.0
description:
  - Returns the checkpoints of Hyper-V VMs, as a tree.
  - Returns which settings differ between two checkpoints, or between a checkpoint and the VM as it is now.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.snapshot_info
  - polyvirt.core.hyperv
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: windows
notes:
  - Only settings are compared that Hyper-V reports of a checkpoint.
seealso:
  - module: polyvirt.core.hyperv_snapshot
  - module: polyvirt.core.hyperv_vm_info
"""

EXAMPLES = r"""
- name: Read the checkpoints of all VMs
  polyvirt.core.hyperv_snapshot_info:
  register: result

- name: Show which settings have changed since a checkpoint
  polyvirt.core.hyperv_snapshot_info:
    name: web1
    compare:
      from: before-upgrade
"""

RETURN = r"""
# begin generated: returns
host:
  description: Whether and how Hyper-V can be used here.
  type: dict
  returned: success
  contains:
    available:
      description: Whether Hyper-V is installed.
      type: bool
    configured:
      description: Whether Hyper-V answers and can be used.
      type: bool
    version:
      description: Version of Windows, or null.
      type: str
      sample: 10.0.20348
    message:
      description: Explanation of these values, and what to do if Hyper-V cannot be used.
      type: str
    why:
      description: Null, or why Hyper-V cannot be used - missing, not_responding, too_old (PowerShell 7 has no native
        module), wrong_system (no Windows host).
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
  description: The named VMs that exist, or all.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: UUID; null for a VM that does not exist (yet).
      type: str
      sample: 7d0a5ee4-4b3c-4a0e-b1e6-8c7a2a3f10a5
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
          description: ID of the checkpoint; null in check mode for a new one.
          type: str
          sample: 1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d
        parent:
          description: ID of the parent checkpoint, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: V(automatic) for a checkpoint that Hyper-V took at a start, else empty.
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
          description: Always empty for Hyper-V.
          type: str
    leftovers:
      description: Always empty; Hyper-V stores no checkpoints in its images.
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

from ..module_utils._drivers.hyperv.observe import make_observer
from ..module_utils._drivers.hyperv.options import HYPERV
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import snapshot_info_module

MODULE = snapshot_info_module(HYPERV, {}, make_observer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
