# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The options of ``virsh_snapshot`` alone (the argument spec ``virsh_snapshot``)."""

    DOCUMENTATION = r"""
options:
  kind:
    description:
      - How a new snapshot is stored. V(internal) is stored inside the qcow2 images. V(external) freezes the files of
        the disks; the VM continues in new files on top of them.
      - If omitted, the kind of the VM's other snapshots, else V(internal). A VM cannot have both kinds.
    type: str
    choices: [internal, external]
"""
