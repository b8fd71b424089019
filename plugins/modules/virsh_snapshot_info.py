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
  - polyvirt.core.snapshot_info
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
host:
  description: Whether and how libvirt can be used here, as M(polyvirt.core.virsh_vm_info) tells.
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
      description: Its UUID.
      type: str
    snapshots:
      description: Its snapshots in the order of their tree, with the keys that M(polyvirt.core.virsh_snapshot) tells.
      type: list
      elements: dict
    leftovers:
      description:
        - Snapshots that an image of the machine holds and libvirt does not know, such as an earlier machine left them.
        - Null where it cannot be told (machines of another host, no qemu-img, an image that cannot be read).
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
      returned: with O(compare)
      type: list
      elements: dict
      contains:
        path:
          description: The setting.
          type: str
          sample: networks.0.source
        before:
          description: Its value at the first point, null where it was not set.
          type: raw
        after:
          description: Its value at the second point, null where it was not set.
          type: raw
    content:
      description: Every file that is not the same at the two points.
      returned: with O(compare.content)
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
          description:
            - What it was - type (as C(ls -l) shows it), mode, size, and target of a link. Null of an added one.
          type: dict
          sample: {type: "-", mode: "0644", size: 187, target: null}
        after:
          description:
            - The same at the second point. Null of a removed one, and of one whose content changed, for then only
              RV(vms[].content[].before) is known.
          type: dict
        text:
          description: What changed in a text file, as C(diff -u) tells; empty for all others.
          returned: with O(compare.text)
          type: str
"""

from ..module_utils._drivers.virsh.driver import make_driver
from ..module_utils._front import run_module, snapshot_info_module
from ..module_utils._lifecycle.options import VIRSH

MODULE = snapshot_info_module(VIRSH, make_driver)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
