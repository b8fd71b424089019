#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_snapshot_info
short_description: List and compare snapshots of libvirt VMs
version_added: 1.0.0
description:
  - Returns the snapshots of libvirt VMs, and those in their images that libvirt does not know.
  - Returns the differences between two snapshots, or between a snapshot and the VM as it is now - settings, and if
    requested, the files on the disks.
  - If libvirt is missing, RV(host) contains the reason, and the task warns or fails (see O(required)).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.virsh_snapshot_info
  - polyvirt.core.virsh
attributes:
  check_mode:
    support: full
    details: Only reads, so check mode makes no difference.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
requirements:
  - C(qemu-img) for RV(vms[].leftovers) and for O(compare.content)
  - C(virt-diff) for O(compare.content) (package guestfs-tools), and a kernel in C(/boot) of the host
notes:
  - Files can be compared only on disks with an operating system that libguestfs knows.
  - The current disks of a running VM cannot be compared, because they are being written. Its snapshots can.
  - For a suspended VM, and for a snapshot of a running VM, files are compared as the guest had written them to its
    disk. Data that was only in its memory is not included.
  - The size of a disk at the time of a snapshot is not known, so sizes are never reported as different.
  - While files are compared, copies of the content of internal snapshots are stored next to the disks, in a directory
    that only the task's user can enter. If a run is killed, this directory may remain; the next run deletes it.
seealso:
  - module: polyvirt.core.virsh_snapshot
  - module: polyvirt.core.virsh_vm_info
"""

EXAMPLES = r"""
- name: Read the snapshots of all VMs
  polyvirt.core.virsh_snapshot_info:
  register: result

- name: Show VMs without snapshots
  ansible.builtin.debug:
    msg: "{{ result.vms | rejectattr('snapshots') | map(attribute='name') }}"

- name: Show which settings have changed since a snapshot
  polyvirt.core.virsh_snapshot_info:
    name: web1
    compare:
      from: before-upgrade

- name: Show which files an upgrade has changed
  polyvirt.core.virsh_snapshot_info:
    name: web1
    compare:
      from: before-upgrade
      to: after-upgrade
      content: true
"""

RETURN = r"""
# begin generated: returns
host:
  description: Whether and how libvirt can be used here.
  type: dict
  returned: success
  contains:
    available:
      description: Whether libvirt is installed.
      type: bool
    configured:
      description: Whether libvirt answers and can be used.
      type: bool
    version:
      description: Version of the libvirt library, or null.
      type: str
      sample: 9.0.0
    message:
      description: Explanation of these values, and what to do if libvirt cannot be used.
      type: str
    why:
      description: Null, or why libvirt cannot be used. V(not_on_path) - the command is not on PATH, and may not
        be installed. V(missing) - the file named by O(executable) does not exist. V(not_responding) - libvirt does
        not answer.
      type: str
    capabilities:
      description: Features of this platform, or null.
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
  description: The named VMs that exist, or all.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the VM.
      type: str
      sample: web1
    id:
      description: UUID; null for a VM that does not exist (yet).
      type: str
      sample: 3f078c8c-2819-40bf-b3cd-6a6ef2079e51
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
    leftovers:
      description:
        - Snapshots in an image of the VM that libvirt does not know, for instance those of an earlier VM.
        - Null if they cannot be read (VMs of another host, no qemu-img, an image that cannot be read).
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
    content:
      description: Files that differ between the two points.
      type: list
      elements: dict
      contains:
        change:
          description: V(added), V(removed) or V(changed).
          type: str
          sample: changed
        path:
          description: Path of the file in the guest.
          type: str
          sample: /etc/hosts
        before:
          description: The file at the first point; null for a new file.
          type: dict
          contains:
            type:
              description: Type, as C(ls -l) shows it.
              type: str
              sample: '-'
            mode:
              description: Permissions.
              type: str
              sample: '0644'
            size:
              description: Size in bytes.
              type: int
              sample: 187
            target:
              description: Target of a link, else null.
              type: str
        after:
          description: The file at the second point; null for a removed file. Also null for a changed file if only
            RV(vms[].content[].before) is known.
          type: dict
          contains:
            type:
              description: Type, as C(ls -l) shows it.
              type: str
              sample: '-'
            mode:
              description: Permissions.
              type: str
              sample: '0644'
            size:
              description: Size in bytes.
              type: int
              sample: 187
            target:
              description: Target of a link, else null.
              type: str
        text:
          description: Changes in a text file, as C(diff -u) prints them; else empty.
          type: str
          returned: with O(compare.text)
      returned: with O(compare.content)
# end generated
"""

from ..module_utils._drivers.virsh.observe import make_observer
from ..module_utils._drivers.virsh.options import CONNECTION, LIBVIRT
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import snapshot_info_module

MODULE = snapshot_info_module(LIBVIRT, CONNECTION, make_observer)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
