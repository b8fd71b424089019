# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What every ``<platform>_vm_info`` reads (the argument spec ``facets``)."""

    DOCUMENTATION = r"""
options:
  facets:
    description:
      - What to read of each VM. Anything else may be null or empty in the result.
      - V(power) is always read. On platforms that report settings for one VM at a time, V(power) alone is much faster
        for many VMs.
    type: list
    elements: str
    choices: [power, config, addresses, snapshots]
    default: [power, config, addresses, snapshots]
"""
