#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_snapshot_info
short_description: List and compare snapshots of Vagrant VMs
version_added: 1.0.0
description:
  - Returns the snapshots of the VMs of a project, as a tree if the provider reports one.
  - Returns which settings differ between two snapshots that M(polyvirt.core.vagrant_snapshot) took, or between such a
    snapshot and the VM as it is defined now.
  - If Vagrant is missing, RV(host) contains the reason, and the task warns or fails (see O(required)).
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
    details: Only reads, so check mode makes no difference.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
notes:
  - Only settings are compared, not the files on disks.
seealso:
  - module: polyvirt.core.vagrant_snapshot
  - module: polyvirt.core.vagrant_instance_info
"""

EXAMPLES = r"""
- name: Read the snapshots of all VMs of a project
  polyvirt.core.vagrant_snapshot_info:
    project_dir: /srv/vagrant/web
  register: result

- name: Show which settings have changed since a snapshot
  polyvirt.core.vagrant_snapshot_info:
    project_dir: /srv/vagrant/web
    name: web1
    compare:
      from: clean
"""

RETURN = r"""
# begin generated: returns
host:
  description: Whether and how Vagrant can be used here.
  type: dict
  returned: success
  contains:
    available:
      description: Whether Vagrant is installed.
      type: bool
    configured:
      description: Whether Vagrant answers and can be used.
      type: bool
    version:
      description: Always null; only a start of Vagrant would report it.
      type: str
    message:
      description: Explanation of these values, and what to do if Vagrant cannot be used.
      type: str
    why:
      description: Null, or why Vagrant cannot be used - missing, not_on_path, not_responding.
      type: str
    capabilities:
      description: Features of this platform with the providers of these VMs, or null.
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
  description: The named VMs that exist, or all of the project.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM in its project.
      type: str
      sample: web1
    id:
      description: ID of the VM at its provider; null for a VM that was never started or does not exist.
      type: str
      sample: 6639f314-eef5-42c0-a9fc-a87378faddd2
    snapshots:
      description: Snapshots of the VM, each before its children. Empty if the task does not read snapshots.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the snapshot.
          type: str
          sample: clean
        id:
          description: UUID of the snapshot with VirtualBox, else null.
          type: str
        parent:
          description: Name or UUID of the parent snapshot, or null.
          type: str
        state:
          description: Power state in which a restore ends.
          type: str
          sample: running
        description:
          description: Free-text description.
          type: str
        kind:
          description: Always empty.
          type: str
        created:
          description: Time of the snapshot in seconds since 1970; null if not reported.
          type: int
          sample: 1795172368
        expires:
          description: When it expires, in ISO 8601 and UTC; null if it does not.
          type: str
        current:
          description: Whether the disks are based on it. It does not contain data that was written since.
          type: bool
        unfinished:
          description: Always empty for Vagrant.
          type: str
    leftovers:
      description: Always empty; the disk is deleted with its VM.
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

from ..module_utils._drivers.vagrant.observe import make_observer
from ..module_utils._drivers.vagrant.options import CONNECTION, VAGRANT
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import snapshot_info_module

MODULE = snapshot_info_module(VAGRANT, CONNECTION, make_observer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
