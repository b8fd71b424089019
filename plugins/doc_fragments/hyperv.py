# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What all modules for Hyper-V need."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.hyperv) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.hyperv
requirements:
  - Windows 10, Windows Server 2016 or later with the Hyper-V role and its PowerShell module
notes:
  - The task needs a connection to the host, such as C(winrm), C(psrp), or C(ssh) with C(ansible_shell_type=powershell),
    as a user of the group Administrators or Hyper-V Administrators.
  - The module runs on the controller only, through an action plugin. C(async) is not supported.
"""
