# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``proxmox_backup`` alone."""

    DOCUMENTATION = r"""
options:
  storage:
    description:
      - Storage of the cluster for backups, such as V(local) or a Proxmox Backup Server. It needs the content Backup.
    type: str
    required: true
  disk_storage:
    description:
      - Storage for the disks of a restored VM. By default, each disk is on the storage that it had in the backup.
      - Used with O(state=restored).
    type: str
  pool:
    description:
      - Pool of a VM that is created from a backup. By default, that of the VM in the backup, if it exists.
      - A VM that is replaced keeps its pool. Used with O(state=restored).
    type: str
"""
