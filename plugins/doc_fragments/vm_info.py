# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_vm_info`` shares (the argument spec ``vm_info``)."""

    DOCUMENTATION = r"""
options:
  name:
    description:
      - Names of the VMs to read. Names that do not exist are ignored. If omitted, all VMs.
    type: list
    elements: str
  id:
    description:
      - ID of one VM on the platform. If O(name) is set too, the names are compared; the task fails if they differ.
    type: str
"""
