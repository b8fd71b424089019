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
      - Two points of the history of one VM to compare. Exactly one VM must be named then, and it must exist.
    type: dict
    suboptions:
      from:
        description:
          - Name or ID of the first snapshot.
        type: str
        required: true
      to:
        description:
          - Name or ID of another one. If omitted, the VM as it is now.
        type: str
      content:
        description:
          - Whether the files on its disks are compared too, not only its settings. This takes minutes.
          - Nothing is written to the disks. Space for copies may be needed beside them for a while; it is checked
            first, and the copies are removed at the end.
        type: bool
        default: false
      text:
        description:
          - Whether to also report what changed within text files.
          - Files may hold passwords and keys, and results are shown and logged; set C(no_log) on such a task.
        type: bool
        default: false
  # end generated
"""
