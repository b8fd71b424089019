# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """Options that every ``<platform>_vm_info`` shares (the argument spec ``vm_info``)."""

    DOCUMENTATION = r"""
options:
  name:
    description: Names of machines to tell about; those that do not exist are left out. When left out, all machines.
    type: list
    elements: str
  id:
    description: The platform's own identifier of one machine; O(name) is then only compared, and another is refused.
    type: str
"""
