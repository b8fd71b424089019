# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options of ``<platform>_snapshot_info`` beside those of ``vm_info``, where disks cannot be compared."""

    DOCUMENTATION = r"""
options:
  # begin generated: options
  compare:
    description:
      - Two states of one VM to compare. Needs exactly one VM, which must exist.
    type: dict
    suboptions:
      from:
        description:
          - Name or ID of the first snapshot.
        type: str
        required: true
      to:
        description:
          - Name or ID of the second snapshot. If omitted, the VM as it is now.
        type: str
  # end generated
"""
