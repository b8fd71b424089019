# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The way to vmd (the argument spec ``vmm``)."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.vmd) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.vmd
options:
  executable:
    description:
      - Name or path of C(vmctl).
      - If it is a name and the environment variable E(POLYVIRT_VMCTL) is set, that name or path is used.
    type: str
    default: vmctl
  config_file:
    description: Configuration file of vmd. Set it if C(vmd_flags) names another one with C(-f).
    type: path
    default: /etc/vm.conf
requirements:
  - OpenBSD 7.4 or later on amd64, with vmd enabled and started (role P(polyvirt.core.vmm_host#role))
  - Python 3.9 or later on that host (C(pkg_add python3))
notes:
  - The task needs root on the host (C(become), for example with C(become_method=community.general.doas)).
  - VMs are identified by name, because vmd renumbers them when it starts.
"""
