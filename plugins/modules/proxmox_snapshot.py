#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: proxmox_snapshot
short_description: Take, restore and remove snapshots of Proxmox VE machines
version_added: 0.1.0
description:
  - Takes, restores and removes snapshots of virtual machines of a Proxmox VE cluster, through its API.
  - A restore puts the machine's disks and settings back, and its memory where the snapshot holds any. Its notes stay as
    they are.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.snapshot
  - polyvirt.core.call_timeout
  - polyvirt.core.proxmox
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  snapshot:
    description:
      - Name of the snapshot, of 2 to 40 letters, figures, C(_) and C(-), a letter first.
  include_memory:
    description:
      - Whether a new snapshot of a running machine holds its memory. It does when this is left out; without it a
        restore ends with the machine off.
notes:
  - A machine that runs is cut off by a restore. What is hibernated is locked, and has no snapshot taken or removed.
  - On ZFS only the latest snapshot can be restored; Proxmox VE itself refuses the others.
seealso:
  - module: polyvirt.core.proxmox_snapshot_info
  - module: polyvirt.core.proxmox_vm
"""

EXAMPLES = r"""
- name: A point to come back to
  polyvirt.core.proxmox_snapshot:
    name: web1
    snapshot: before-upgrade
    description: Debian 12, as it was installed

- name: Back to it, and wait until it answers
  polyvirt.core.proxmox_snapshot:
    name: web1
    snapshot: before-upgrade
    state: restored
    wait_for: ssh

- name: One each night, of which the last seven stay
  polyvirt.core.proxmox_snapshot:
    name: [web1, web2]
    snapshot: "nightly-{{ now().strftime('%Y-%m-%d') }}"
    include_memory: false
    keep_last: 7

- name: Away with it and all that were taken on top of it
  polyvirt.core.proxmox_snapshot:
    name: web1
    snapshot: before-upgrade
    state: absent
    children: true
"""

RETURN = r"""
vms:
  description:
    - One entry for each machine asked, in order; in check mode as it would be. Its keys are those of
      M(polyvirt.core.proxmox_vm).
  returned: unless the options are wrong in form, or Proxmox VE cannot be used
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine.
      type: str
      sample: web1
    state:
      description: Its power.
      type: str
      sample: running
    snapshots:
      description: Its snapshots in the order of their tree, each before those that were taken on top of it.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: before-upgrade
        id:
          description: Always null; a snapshot is known by its name.
          type: str
        parent:
          description: Name of the snapshot that it was taken on top of, or null.
          type: str
        state:
          description: The power in which a restore ends.
          type: str
          sample: running
        description:
          description: Its text for people.
          type: str
        kind:
          description: Always empty; Proxmox VE has one kind of snapshots.
          type: str
        created:
          description: When it was taken, in seconds since 1970.
          type: int
          sample: 1795172368
        current:
          description: Whether the disks went on from it. What was written since is not in it.
          type: bool
        unfinished:
          description: Why it cannot be used (it is being taken or removed, or that was cut off); empty if it can.
          type: str
    changed:
      description: Whether this machine was changed.
      type: bool
    failed:
      description: Whether the task failed for this machine.
      type: bool
    msg:
      description: Why it failed; empty if it did not.
      type: str
    steps:
      description: What was to be done, in order (verb, changes, cost, also, done, note).
      type: list
      elements: dict
    not_compared:
      description: Options that matter only when a snapshot is taken, and so had no effect on one that exists.
      type: list
      elements: str
      sample: [description]
"""

from ..module_utils._drivers.proxmox.connecting import make_driver
from ..module_utils._front import run_module, snapshot_module
from ..module_utils._lifecycle.options import PROXMOX

MODULE = snapshot_module(PROXMOX, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
