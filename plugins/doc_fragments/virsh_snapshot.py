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
      - How a new snapshot is kept. V(internal) lies within the qcow2 images. V(external) freezes the files of the
        disks; the machine goes on in new files on top of them.
      - When left out, the kind of the machine's other snapshots, else V(internal). The kinds do not mix.
    type: str
    choices: [internal, external]
"""
