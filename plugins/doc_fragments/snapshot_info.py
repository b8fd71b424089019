# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_snapshot_info`` has beside those of ``vm_info`` (the spec ``snapshot_info``)."""

    DOCUMENTATION = r"""
options:
  compare:
    description:
      - Two points of one machine's history to compare. Exactly one machine must be named then, and it must exist.
    type: dict
    suboptions:
      from:
        description: Name or id of the snapshot to begin with.
        type: str
        required: true
      to:
        description: Name or id of another one; the machine as it is now, when left out.
        type: str
      content:
        description:
          - Whether the files in its disks are compared too, not only its settings. This takes minutes.
          - Nothing is written to the disks. Room for copies may be needed beside them for a while; it is looked for
            first, and the copies are gone at the end.
        type: bool
        default: false
      text:
        description:
          - Whether it is also told what changed within text files.
          - Files may hold passwords and keys, and results are shown and logged; set C(no_log) on such a task.
        type: bool
        default: false
"""
