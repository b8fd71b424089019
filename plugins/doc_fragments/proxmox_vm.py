# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The few options of ``proxmox_vm`` alone (the argument spec ``proxmox_vm``)."""

    DOCUMENTATION = r"""
options:
  id:
    description:
      - Number (vmid) of the VM, such as V(105). Needs a single O(name).
      - If no VM has this number and O(name) does not exist either, the VM is created with it. If omitted, a new VM gets
        the next free number.
      - If both O(name) and O(id) are set, they must belong to the same VM; VMs are not renamed, and their numbers do
        not change.
    type: str
    aliases: [vmid]
  node:
    description:
      - The node that the machine is on. An existing one is moved there, a running one while it runs.
      - V(auto) leaves an existing one where it is, and puts a new one on the node with the most memory left that has
        the O(storage), the O(image), the O(iso) and the bridges. How much that is, is told only to who has
        C(Sys.Audit) on the nodes.
      - Local disks with snapshots are not moved by Proxmox VE while the machine runs, and while it is off only on some
        storages (ZFS, qcow2 files). Nor are linked clones on a storage that is not shared.
      - A new machine that is no clone gets V(auto) when the option is left out. A clone stays with its source then, and
        with V(auto) too.
    type: str
  pool:
    description: The pool that the machine is in; empty for none.
    type: str
  storage:
    description:
      - Storage on which new disks are made, and full clones. An ISO image goes there too, if it takes any.
      - A disk that exists is not moved there; the task fails if one that it lists is on another storage and has no
        storage of its own in O(disks).
      - When left out, V(local-lvm), V(local-zfs) or V(local) where the node has it for disks, else the one with the
        most room; disks of a clone stay where their source's are.
      - Disks that are there already stay where they are.
    type: str
  bridge:
    description: The bridge (or the VNet) of a card whose O(networks[].source) is not given.
    type: str
    default: vmbr0
  template:
    description:
      - Whether it is a template, of which linked clones are made. A machine becomes one while it is off, so one
        that is on needs O(state=stopped); a template stays one.
    type: bool
  protection:
    description: Whether the machine and its disks are protected against being removed.
    type: bool
  iso_checksum:
    description:
      - Checksum of an O(iso) that is uploaded or downloaded, such as V(sha256:9f86d0...). What does not fit is not
        stored.
      - A medium that is on the storage already is taken as it is.
    type: str
"""
