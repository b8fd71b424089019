# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Where ``vm_backup`` stores backups, on each platform."""

    DOCUMENTATION = r"""
options:
  directory:
    description:
      - Absolute path of the directory for backups on the hypervisor (libvirt).
    type: path
  storage:
    description:
      - Storage of the cluster for backups (Proxmox VE).
    type: str
"""
