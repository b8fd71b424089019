#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vm_snapshot
short_description: Take, restore and delete snapshots on any platform
version_added: 1.0.0
description:
  - Takes, restores and deletes snapshots of VMs with the same options on every platform. O(platform) selects the module
    that does it, such as M(polyvirt.core.virsh_snapshot).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - polyvirt.core.approval
  - polyvirt.core.call_timeout
  - polyvirt.core.vm
  - polyvirt.core.snapshot
attributes:
  action:
    support: full
  async:
    support: partial
    details: As the module of the platform.
  become:
    support: full
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
  connection:
    support: full
    details: The connection of the task is that to the host of the hypervisor, as with the module of the platform.
  delegation:
    support: full
  diff_mode:
    support: full
  platform:
    platforms: all
seealso:
  - module: polyvirt.core.vm
"""

EXAMPLES = r"""
- name: Take a snapshot on the platform of the variable vm_platform
  polyvirt.core.vm_snapshot:
    name: web1
    snapshot: before-upgrade

- name: Restore it
  polyvirt.core.vm_snapshot:
    name: web1
    snapshot: before-upgrade
    state: restored
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each VM, in order; in check mode, as it would be after the task.
    - Has all keys of the entries of M(polyvirt.core.vm).
  returned: unless the options are wrong in form, or the platform cannot be used
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
          description: ID of the snapshot; null if the platform identifies snapshots by name.
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
          description: Kind of the snapshot in the terms of the platform, or empty.
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
          description: Why the snapshot cannot be used; empty if it can.
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

from ..module_utils._core.options.option import SNAPSHOT
from ..module_utils._front.any_platform import changing_declaration
from ..module_utils._front.declaration import run_module

MODULE = changing_declaration(SNAPSHOT)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
