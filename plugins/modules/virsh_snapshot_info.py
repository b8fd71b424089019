#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_snapshot_info
short_description: Tell about snapshots of libvirt machines, and compare them
version_added: 0.1.0
description:
  - Tells what snapshots machines of libvirt have, and which ones an image holds that libvirt does not know.
  - Tells what differs between a snapshot and another, or the machine as it is now - its settings, and the files in its
    disks where that is asked.
  - Never fails because libvirt is missing; RV(host) then says why.
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
    details: It only looks, and so does the same in a check.
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    platforms: posix
requirements:
  - C(qemu-img) for RV(vms[].leftovers) and for O(compare.content)
  - C(virt-diff) for O(compare.content) (package guestfs-tools), and a kernel in C(/boot) of the host
notes:
  - Files can be compared only of disks with an operating system that libguestfs knows.
  - The disks of a machine that runs cannot be read as they are now, for they are being written. Its snapshots can.
  - Of a suspended machine, and in a snapshot of one that ran, files are as the guest had written them to its disk. What
    it held only in memory is not seen.
  - The size that a disk had when a snapshot was taken is not known, so sizes are never told as different.
  - While files are compared, copies of what internal snapshots hold lie beside the disks, in a folder that only the
    task's user can enter. A run that was killed may leave it; the next one removes it.
seealso:
  - module: polyvirt.core.virsh_snapshot
  - module: polyvirt.core.virsh_vm_info
"""

EXAMPLES = r"""
- name: Look at the snapshots of all machines
  polyvirt.core.virsh_snapshot_info:
  register: found

- name: Machines without any
  ansible.builtin.debug:
    msg: "{{ found.vms | rejectattr('snapshots') | map(attribute='name') }}"

- name: What has changed in its settings since
  polyvirt.core.virsh_snapshot_info:
    name: web1
    compare:
      from: before-upgrade

- name: Which files an upgrade has changed
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
      description: A sentence about this; what to do if libvirt cannot be used.
      type: str
    why:
      description: Null, or why libvirt cannot be used. V(not_on_path) - the command is not found, and may not be
        installed. V(missing) - the file named by O(executable) does not exist. V(not_responding) - libvirt does
        not answer.
      type: str
    capabilities:
      description: What this platform can do, or null.
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
      description: Snapshots of the VM, each before its children. Empty in a task that does not read snapshots.
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
        current:
          description: Whether the disks are based on it. It does not contain what was written since.
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
      description: Every setting that is not the same at the two points.
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
      returned: with O(compare)
    content:
      description: Every file that is not the same at the two points.
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
              description: Mode.
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
          description: The file at the second point; null for a removed file, and for a changed file, of which only
            RV(vms[].content[].before) is known.
          type: dict
          contains:
            type:
              description: Type, as C(ls -l) shows it.
              type: str
              sample: '-'
            mode:
              description: Mode.
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

from ..module_utils._drivers.virsh.options import CONNECTION, LIBVIRT
from ..module_utils._drivers.virsh.reader import make_reader
from ..module_utils._front.declaration import run_module
from ..module_utils._front.info import snapshot_info_module

MODULE = snapshot_info_module(LIBVIRT, CONNECTION, make_reader)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
