#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_snapshot
short_description: Take, restore and remove snapshots of Vagrant's machines
version_added: 0.1.0
description:
  - Takes, restores and removes snapshots of the machines of a project.
  - Those of libvirt and VirtualBox are taken through C(virsh) and C(VBoxManage), so they can have a description and end
    in the power they were taken in; C(vagrant snapshot) shows and restores them just as well. For other providers
    C(vagrant snapshot) is called.
  - A restore brings back what the machine was described as when this module took the snapshot, too; else the machine's
    next start would make the settings new again.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.snapshot
  - polyvirt.core.call_timeout
  - polyvirt.core.vagrant
attributes:
  check_mode:
    support: full
    details: A check looks and plans like the real run, and reports the same C(changed) and C(diff), but writes nothing.
  diff_mode:
    support: full
  platform:
    platforms: posix
options:
  description:
    description: A text for people, kept with a new snapshot. Providers other than libvirt and VirtualBox keep none.
  include_memory:
    description: A snapshot of a machine that is on always holds its memory, so V(false) is refused for one.
notes:
  - A machine that was never started has nothing to take a snapshot of.
seealso:
  - module: polyvirt.core.vagrant_snapshot_info
  - module: polyvirt.core.vagrant_instance
"""

EXAMPLES = r"""
- name: A point to come back to
  polyvirt.core.vagrant_snapshot:
    project_dir: /srv/vagrant/web
    name: web1
    snapshot: clean

- name: Back to it, and wait until it answers
  polyvirt.core.vagrant_snapshot:
    project_dir: /srv/vagrant/web
    name: web1
    snapshot: clean
    state: restored
    wait_for: ssh

- name: Away with it
  polyvirt.core.vagrant_snapshot:
    project_dir: /srv/vagrant/web
    name: web1
    snapshot: clean
    state: absent
"""

RETURN = r"""
vms:
  description:
    - One entry for each machine asked, in order; in check mode as it would be. Its keys are those of
      M(polyvirt.core.vagrant_instance).
  returned: unless the options are wrong in form, or Vagrant cannot be used
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
          sample: clean
        id:
          description: Its UUID with VirtualBox, else null.
          type: str
        parent:
          description: Name, or UUID, of the snapshot that it was taken on top of, or null.
          type: str
        state:
          description: The power in which a restore ends.
          type: str
          sample: running
        description:
          description: Its text for people.
          type: str
        kind:
          description: Always empty.
          type: str
        created:
          description: When it was taken, in seconds since 1970; null where the provider does not tell.
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

from ..module_utils._drivers.vagrant.driver import make_driver
from ..module_utils._front import run_module, snapshot_module
from ..module_utils._lifecycle.options import VAGRANT

MODULE = snapshot_module(VAGRANT, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
