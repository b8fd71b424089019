# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """What all modules for WSL need."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.wsl) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.wsl
requirements:
  - Windows 10 (build 19041), Windows Server 2022 or later with WSL; the role C(polyvirt.core.wsl_host) installs it
notes:
  - The task needs a connection to the host, such as C(winrm), C(psrp), or C(ssh) with C(ansible_shell_type=powershell).
  - Distributions belong to a user of Windows. The task manages those of the user of the connection (or of C(become)),
    and never those of the local system.
  - The module runs on the controller only, through an action plugin. C(async) is not supported.
"""
