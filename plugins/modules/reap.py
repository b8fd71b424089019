#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: reap
short_description: Delete or stop the VMs that have expired, and delete expired snapshots
version_added: 1.0.0
description:
  - Deletes or stops the VMs of all sources of an inventory that have expired. C(expires) of the modules for VMs sets
    when a VM expires.
  - Also deletes the snapshots that have expired, of all other VMs, unless O(action=stop). C(expires) of the modules for
    snapshots sets when a snapshot expires. What follows is true of snapshots too.
  - A VM is changed only if it has an ownership record of its own. Which controller has created it does not matter. A VM
    that was copied without this collection never expires. A snapshot is deleted only if its own expiry was stored with
    it for this VM.
  - The expiry of each VM is read again immediately before it is changed. A VM of which somebody has extended the expiry
    in the meantime is kept.
  - Nothing is changed on a host with a clock that differs by more than five minutes from that of the controller, nor is
    a VM that was created in the future.
  - A source that cannot be read, and a VM that cannot be changed, do not keep the others from being changed. The task
    fails at its end.
  - If a run is interrupted, the next one does the rest. Two runs at the same time end like one.
  - Used by the playbook C(polyvirt.core.reap).
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
    description:
      - V(delete) - delete the VM with the files that were created for it, and expired snapshots of other VMs. V(stop) -
        shut the VM down; no snapshot is deleted.
    type: str
    choices: [delete, stop]
    default: delete
  grace:
    description: How long after its expiry a VM is changed, such as V(0m), V(12h) or V(3d).
    type: str
    default: 0m
  owner:
    description: Only VMs of this owner, and their snapshots.
    type: str
  pools:
    description:
      - Only VMs in these pools are ended on Proxmox VE; if omitted, none. All others that have expired are listed as
        kept, with a warning. Other platforms, and snapshots, do not need it.
      - On Proxmox VE, the ownership record is in the notes of a VM, which an account with C(VM.Config.Options) may
        write. It needs more privileges to put a VM into a pool.
    type: list
    elements: str
  sources:
    description:
      - Inventory files of P(polyvirt.core.vms#inventory), or directories with such files, that define the sources of
        the VMs.
      - If omitted, those of the inventory of this run. AWX needs it, because a job has only the hosts of the inventory.
    type: list
    elements: path
  stop_mode:
    description:
      - How a running VM is stopped, as O(polyvirt.core.vm#module:stop_mode). If omitted, as its platform does by
        default.
      - On most platforms, a guest that ignores the request to shut down keeps its VM. V(graceful_then_force) ends it
        too.
    type: str
    choices: [graceful, force, graceful_then_force]
  timeout:
    description: Maximum number of seconds for each VM, and for reading each source.
    type: int
    default: 1800
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
  - module: polyvirt.core.vm
"""

EXAMPLES = r"""
- name: Delete the VMs that expired more than a day ago
  hosts: localhost
  gather_facts: false
  tasks:
    - name: Delete them
      polyvirt.core.reap:
        grace: 1d
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
vms:
  description: One entry for each VM and each snapshot that expired at least O(grace) ago, source by source.
  returned: unless the task failed before it has read the sources
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: ci-4711
    id:
      description: ID of the VM on its platform.
      type: str
      sample: 6f0b2f5e-6f2f-4c3e-9c3b-0a8f4f0b6a10
    platform:
      description: Platform of the VM.
      type: str
      sample: libvirt
    source:
      description: Name of the inventory source.
      type: str
      sample: libvirt-hv1
    snapshot:
      description: Name of the snapshot that has expired; null if the VM itself has.
      type: str
    owner:
      description: Who is responsible for the VM; null if nobody.
      type: str
      sample: ci
    expires:
      description: When the VM or the snapshot expired, in ISO 8601 and UTC.
      type: str
      sample: "2027-01-31T18:00:00Z"
    outcome:
      description:
        - V(deleted), V(stopped), V(failed), or V(kept) for a VM that is as requested already, of which the expiry was
          extended in the meantime, or that is in none of the O(pools). In check mode, what would be done.
      type: str
      sample: deleted
    msg:
      description: Why it could not be changed, or why it is kept because of O(pools); else empty.
      type: str
    kept:
      description: Files that were not deleted with the VM, as in the result of the modules for VMs.
      type: list
      elements: dict
      contains:
        path:
          description: Path of the file.
          type: str
        reason:
          description: Why it was not deleted.
          type: str
unread:
  description: Names of the sources that could not be read.
  returned: unless the task failed before it has read the sources
  type: list
  elements: str
"""

from ..module_utils._core.options.option import REAP
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(REAP, can_change=True)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
