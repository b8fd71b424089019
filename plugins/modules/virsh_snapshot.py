#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_snapshot
short_description: Take, restore and remove snapshots of libvirt machines
version_added: 0.1.0
description:
  - Takes, restores and removes snapshots of machines of libvirt (QEMU, KVM), through C(virsh).
  - A restore puts the machine's settings back too, not only its disks. Disks and files that were made for it since
    still count as its own.
  - What libvirt would do wrong is refused beforehand; for instance restoring a snapshot whose content is gone, or
    removing an external one while internal ones lie in its files.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.snapshot
  - polyvirt.core.call_timeout
  - polyvirt.core.virsh
  - polyvirt.core.virsh_snapshot
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  include_memory:
    description:
      - An internal snapshot of a running machine always holds its memory. An external one does so only with V(true).
notes:
  - Internal snapshots need disks in qcow2. With UEFI firmware they can be taken only while the machine is off.
  - External snapshots can be restored with libvirt 9.9 and later only; earlier versions can take and remove them, and
    machines can be cloned from them.
seealso:
  - module: polyvirt.core.virsh_snapshot_info
  - module: polyvirt.core.virsh_vm
"""

EXAMPLES = r"""
- name: A point to come back to
  polyvirt.core.virsh_snapshot:
    name: web1
    snapshot: before-upgrade
    description: Debian 12, as it was installed

- name: Back to it, and wait until it answers
  polyvirt.core.virsh_snapshot:
    name: web1
    snapshot: before-upgrade
    state: restored
    wait_for: ssh

- name: One each night, of which the last seven stay
  polyvirt.core.virsh_snapshot:
    name: [web1, web2]
    snapshot: "nightly-{{ now().strftime('%Y-%m-%d') }}"
    keep_last: 7

- name: Away with it and all that were taken on top of it
  polyvirt.core.virsh_snapshot:
    name: web1
    snapshot: before-upgrade
    state: absent
    children: true
"""

RETURN = r"""
vms:
  description:
    - One entry for each machine asked, in order; in check mode as it would be. Its keys are those of
      M(polyvirt.core.virsh_vm).
  returned: unless the options are wrong in form, or libvirt cannot be reached
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
          description: Always null; libvirt knows snapshots by name.
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
          description: V(internal) or V(external).
          type: str
          sample: internal
        created:
          description: When it was taken, in seconds since 1970.
          type: int
          sample: 1795172368
        current:
          description: Whether the disks went on from it. What was written since is not in it.
          type: bool
        unfinished:
          description: Always empty here; elsewhere why it cannot be used.
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

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._front import run_module, snapshot_module
from ..module_utils._lifecycle.options import VIRSH, VIRSH_SNAPSHOT

MODULE = snapshot_module({**VIRSH, **VIRSH_SNAPSHOT}, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
