# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The few options of ``proxmox_vm`` alone (the argument spec ``proxmox_vm``)."""

    DOCUMENTATION = r"""
options:
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
  vmid:
    description:
      - The number that a new machine gets. When left out, the next that is free. It is one machine's, so it goes with a
        single O(name).
      - An existing machine keeps its number; another one is refused. O(id) is the way to name a machine by it.
    type: int
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
  cloudinit:
    description:
      - What cloud-init is told by Proxmox VE at each start. It is compared, changed at any time, and the guest reads
        it at its next start. A machine without a drive for it gets one.
    type: dict
    suboptions:
      user:
        description: The user whose keys and password these are; empty for the image's own.
        type: str
      ssh_keys:
        description: Public keys that may log in, each the whole line of a C(.pub) file. The list is complete.
        type: list
        elements: str
      ip_config:
        description:
          - Addresses by card, each as Proxmox VE takes it, such as V(ip=dhcp) or V(ip=10.0.0.5/24,gw=10.0.0.1). The
            list is complete; an empty entry says nothing about its card. An address has its prefix length, and a
            gateway goes with an address.
          - A fixed address is one machine's, and refused with several names.
        type: list
        elements: str
      nameservers:
        description: Addresses of DNS servers. The list is complete; when it is empty, the node's own are told.
        type: list
        elements: str
      search_domain:
        description: Search domain of DNS; empty for the node's own.
        type: str
  cloudinit_password:
    description:
      - Password of the user that cloud-init makes. It cannot be read back, so it is used only when the machine is
        made.
    type: str
  iso_checksum:
    description:
      - Checksum of an O(iso) that is uploaded or downloaded, such as V(sha256:9f86d0...). What does not fit is not
        stored.
      - A medium that is on the storage already is taken as it is.
    type: str
"""
