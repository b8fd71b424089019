#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_snapshot_info
short_description: Tell about snapshots of Vagrant's machines, and compare them
version_added: 0.1.0
description:
  - Tells what snapshots the machines of a project have, as a tree where the provider tells one.
  - Tells which settings differ between a snapshot that M(polyvirt.core.vagrant_snapshot) took and another, or the
    machine as it is described now.
  - Never fails because Vagrant is missing; RV(host) then says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.snapshot_info
  - polyvirt.core.vagrant
attributes:
  check_mode:
    support: full
    details: It only looks, and so does the same in a check.
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    platforms: posix
notes:
  - The files in its disks cannot be compared here, so O(compare.content) is refused.
seealso:
  - module: polyvirt.core.vagrant_snapshot
  - module: polyvirt.core.vagrant_instance_info
"""

EXAMPLES = r"""
- name: Look at the snapshots of all machines of a project
  polyvirt.core.vagrant_snapshot_info:
    project_dir: /srv/vagrant/web
  register: found

- name: What has changed in its settings since
  polyvirt.core.vagrant_snapshot_info:
    project_dir: /srv/vagrant/web
    name: web1
    compare:
      from: clean
"""

RETURN = r"""
host:
  description: Whether and how Vagrant can be used here, as M(polyvirt.core.vagrant_instance_info) tells.
  returned: success
  type: dict
vms:
  description: The machines named that exist, or all.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the machine.
      type: str
      sample: web1
    id:
      description: The provider's id.
      type: str
    snapshots:
      description: Its snapshots in the order of their tree, with the keys that M(polyvirt.core.vagrant_snapshot) tells.
      type: list
      elements: dict
    leftovers:
      description: Always empty; a machine's disk goes with it.
      type: list
      elements: dict
    differences:
      description: Every setting that is not the same at the two points.
      returned: with O(compare)
      type: list
      elements: dict
      contains:
        path:
          description: The setting.
          type: str
          sample: memory
        before:
          description: Its value at the first point, null where it was not set.
          type: raw
        after:
          description: Its value at the second point, null where it was not set.
          type: raw
"""

from ..module_utils._drivers.vagrant.driver import make_driver
from ..module_utils._front import run_module, snapshot_info_module
from ..module_utils._lifecycle.options import VAGRANT

MODULE = snapshot_info_module(VAGRANT, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
