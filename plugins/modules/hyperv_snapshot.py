#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperv_snapshot
short_description: Take, restore and delete checkpoints of Hyper-V VMs
version_added: 1.0.0
description:
  - Takes, restores and deletes checkpoints of VMs of Microsoft Hyper-V.
  - A restore brings back the disks and settings of the VM, and its memory if the checkpoint contains it. The tags of
    the VM are not changed.
  - After a checkpoint is deleted, Hyper-V merges its files in the background.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.snapshot
  - polyvirt.core.call_timeout
  - polyvirt.core.hyperv
attributes:
  check_mode:
    support: full
    details: Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: windows
options:
  snapshot:
    description:
      - Name of the checkpoint. An existing one can also be selected by its ID, for example if two have the same name.
  include_memory:
    description:
      - Whether a new checkpoint of a running VM contains its memory. The checkpoint type of the VM decides this
        (O(polyvirt.core.hyperv_vm#module:checkpoint_type)); any other value is rejected.
seealso:
  - module: polyvirt.core.hyperv_snapshot_info
  - module: polyvirt.core.hyperv_vm
"""

EXAMPLES = r"""
- name: Take a checkpoint
  polyvirt.core.hyperv_snapshot:
    name: web1
    snapshot: before-upgrade

- name: Restore the checkpoint, and keep the power state of the VM
  polyvirt.core.hyperv_snapshot:
    name: web1
    snapshot: before-upgrade
    state: restored
    power: keep

- name: Delete a checkpoint and its children
  polyvirt.core.hyperv_snapshot:
    name: web1
    snapshot: before-upgrade
    state: absent
    children: true
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each VM, in order; in check mode, as it would be after the task.
    - Has all keys of the entries of M(polyvirt.core.hyperv_vm).
  returned: unless the options are wrong in form, or Hyper-V cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    state:
      description: Power state - absent, stopped, running, paused, suspended, failed or unknown.
      type: str
      sample: running
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
    changed:
      description: Whether this VM was changed.
      type: bool
    failed:
      description: Whether the task failed for this VM.
      type: bool
    msg:
      description: Why it failed; empty if it did not.
      type: str
    steps:
      description: Steps of the task, in order.
      type: list
      elements: dict
      contains:
        verb:
          description: Action, such as V(fetch), V(create), V(configure), V(start) or V(stop).
          type: str
        changes:
          description: Changes to settings that are part of the step.
          type: list
          elements: dict
          contains:
            path:
              description: Path of the setting.
              type: str
              sample: disks.vda.size
            before:
              description: Value before; null if it was not set.
              type: raw
            after:
              description: Value after; null if it is removed.
              type: raw
            cost:
              description: V(live) - takes effect immediately. V(next_boot) - at the next start. V(power_off) -
                the VM must be stopped. V(destructive) - the VM must be created again.
              type: str
        cost:
          description: The highest cost of its changes.
          type: str
        also:
          description: Effects on anything other than this VM.
          type: list
          elements: str
        done:
          description: Whether the step was completed; in check mode, whether it would be. If the task stopped the
            VM and then failed, later steps bring the VM back to its previous power state.
          type: bool
        note:
          description: Further information, such as how the guest was stopped.
          type: str
      sample:
        - verb: start
          changes: []
          cost: live
          also: []
          done: true
          note: ''
    not_compared:
      description: Options that are used only for a new snapshot, and had no effect on the existing one.
      type: list
      elements: str
      sample:
        - description
    plan:
      description: Digest of what the task does to this VM; empty if nothing is to be done, null if the task was
        rejected.
      type: str
      sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
    deleted:
      description: Files that the task deletes, in check mode too. If a step failed, some of them may exist still.
      type: list
      elements: str
      sample:
        - /var/lib/libvirt/images/web1-vda.qcow2
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  type: str
  returned: unless the options are wrong in form
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Differences before and after the task. One entry for each VM that was changed, or would be in check
    mode.
  type: list
  elements: dict
  contains:
    before_header:
      description: Name of the VM.
      type: str
      sample: web1
    after_header:
      description: Name of the VM.
      type: str
      sample: web1
    before:
      description: Settings before, only those that differ.
      type: dict
      sample:
        memory: 2G
    after:
      description: Settings after, only those that differ.
      type: dict
      sample:
        memory: 4G
  returned: unless the options are wrong in form
# end generated
"""

from ..module_utils._drivers.hyperv.driver import make_driver
from ..module_utils._drivers.hyperv.options import HYPERV
from ..module_utils._front.changes import snapshot_module
from ..module_utils._front.declaration import run_module

MODULE = snapshot_module(HYPERV, {}, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
