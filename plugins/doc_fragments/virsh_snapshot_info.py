# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options of ``virsh_snapshot_info`` beside those of ``vm_info``."""

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
      content:
        description:
          - Whether to compare the files on the disks as well as the settings. This takes minutes.
          - Nothing is written to the disks. Copies may need free space in the same directory, which is checked
            first. The copies are deleted at the end.
        type: bool
        default: false
      text:
        description:
          - Whether to report the changes within text files, too.
          - Files can contain passwords and keys, and results are shown and logged. Set C(no_log) on such a task.
        type: bool
        default: false
  # end generated
"""
