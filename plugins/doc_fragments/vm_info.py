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
  required:
    description:
      - What happens if the platform does not answer, because it is not installed, not running or not reachable.
      - By default, the task warns, and returns no VMs. RV(host) contains the reason and what to do.
      - With V(true), the task fails.
      - With V(false), the task does not warn. Set it if the platform can be missing on this host.
    type: bool
"""
