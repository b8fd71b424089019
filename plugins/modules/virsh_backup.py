#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_backup
short_description: Create, verify, restore and delete backups of libvirt VMs
version_added: 1.0.0
description:
  - Creates backups of libvirt VMs (QEMU, KVM) in a directory of the hypervisor, and restores them.
  - Running VMs are backed up while they run, with all disks of one point in time. Nothing is written to the VM or its
    disks.
  - A backup counts only if it is complete. Retention follows only a successful task, and never deletes the last
    complete backup.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
  - polyvirt.core.backup
  - polyvirt.core.call_timeout
  - polyvirt.core.virsh
  - polyvirt.core.virsh_backup
attributes:
  check_mode:
    support: full
    details:
      - Reads and plans like a normal run, and reports the same C(changed) and C(diff), but writes nothing.
      - Of existing backups, only the names and sizes of files are compared.
  diff_mode:
    support: full
  platform:
    platforms: posix
requirements:
  - libvirt 7.6 or later for backups of running VMs
  - C(qemu-img), for the disks of stopped VMs and for restores (package qemu-utils or qemu-img)
notes:
  - Digests detect damage by accident. Whoever can write to the directory can change a backup together with its digests.
    So a directory that other users can write to needs O(allow_shared_directory).
seealso:
  - module: polyvirt.core.vm_backup_info
  - module: polyvirt.core.virsh_snapshot
"""

EXAMPLES = r"""
- name: Create a backup every day, and keep seven days and four weeks
  polyvirt.core.virsh_backup:
    name: [web1, db1]
    directory: /srv/backups
    max_age: 20h
    keep_daily: 7
    keep_weekly: 4

- name: Restore the newest backup as another VM
  polyvirt.core.virsh_backup:
    name: web1
    directory: /srv/backups
    state: restored
    backup: newest
    new_name: web1-restored

- name: Replace a VM by its backup
  polyvirt.core.virsh_backup:
    name: web1
    directory: /srv/backups
    state: restored
    backup: 20270131T020000Z-3f078c8c
    replace: true
"""

RETURN = r"""
# begin generated: returns
vms:
  description:
    - One entry for each VM, in order; in check mode, as it would be after the task.
    - Has all keys of the entries of M(polyvirt.core.virsh_vm).
  returned: unless the options are wrong in form, or libvirt cannot be reached
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
          description: Always null; libvirt identifies snapshots by name.
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
          description: V(internal) or V(external).
          type: str
          sample: internal
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
          description: Always empty for libvirt.
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
    backups:
      description: All backups of the VM there, oldest first.
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
    kept:
      description: Files that were not deleted with the VM.
      type: list
      elements: dict
      contains:
        path:
          description: File.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
      sample:
        - path: /srv/iso/debian.iso
          reason: an ISO image is never deleted
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

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._drivers.virsh.options import BACKUP, BACKUP_LACKS, LIBVIRT
from ..module_utils._front.changes import backup_module
from ..module_utils._front.declaration import run_module

MODULE = backup_module(LIBVIRT, BACKUP, BACKUP_LACKS, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
