#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vbox_snapshot
short_description: Take, restore and remove snapshots of VirtualBox machines
version_added: 0.1.0
description:
  - Takes, restores and removes snapshots of machines of Oracle VirtualBox, through C(VBoxManage).
  - A restore puts the machine's disks and settings back, and its memory where the snapshot holds any. Its name, its
    description and its groups stay as they are.
  - What VirtualBox would do wrong or half is refused beforehand; for instance removing a snapshot that linked clones
    stand on.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.snapshot
  - polyvirt.core.call_timeout
  - polyvirt.core.vbox
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
      - Name of the snapshot. An existing one can also be named by its UUID, which is the way to name one of two
        snapshots that have the same name.
  include_memory:
    description:
      - A snapshot of a running machine always holds its memory, so V(false) is refused for one.
notes:
  - A snapshot with more than one child cannot be removed alone. Remove its children first, or along with it
    (O(children=true)).
  - A machine that runs is cut off by a restore, for VirtualBox restores only while it is off.
seealso:
  - module: polyvirt.core.vbox_snapshot_info
  - module: polyvirt.core.vbox_vm
"""

EXAMPLES = r"""
- name: A point to come back to
  polyvirt.core.vbox_snapshot:
    name: web1
    snapshot: before-upgrade
    description: Debian 12, as it was installed

- name: Back to it, and wait until it answers
  polyvirt.core.vbox_snapshot:
    name: web1
    snapshot: before-upgrade
    state: restored
    wait_for: ssh

- name: One each night, of which the last seven stay
  polyvirt.core.vbox_snapshot:
    name: [web1, web2]
    snapshot: "nightly-{{ now().strftime('%Y-%m-%d') }}"
    keep_last: 7

- name: Away with it and all that were taken on top of it
  polyvirt.core.vbox_snapshot:
    name: web1
    snapshot: before-upgrade
    state: absent
    children: true
"""

RETURN = r"""
vms:
  description:
    - One entry for each machine asked, in order; in check mode as it would be. Its keys are those of
      M(polyvirt.core.vbox_vm).
  returned: unless the options are wrong in form, or VirtualBox cannot be used
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
          description: UUID of the snapshot; null in a check for one that is not taken yet.
          type: str
          sample: 1f2d7e0c-7b0c-4a6e-9d0b-3f0f6b1c2a4d
        parent:
          description: UUID of the snapshot that it was taken on top of, or null.
          type: str
        state:
          description: The power in which a restore ends.
          type: str
          sample: running
        description:
          description: Its text for people.
          type: str
        kind:
          description: Always empty; VirtualBox has one kind of snapshots.
          type: str
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

from ..module_utils._drivers.vbox.driver import make_driver
from ..module_utils._front import run_module, snapshot_module
from ..module_utils._lifecycle.options import VBOX

MODULE = snapshot_module(VBOX, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
