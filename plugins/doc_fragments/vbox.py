# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The way to VirtualBox (the argument spec ``vbox``)."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.virtualbox) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.virtualbox
options:
  executable:
    description:
      - Name or path of C(VBoxManage).
      - If it is a name and the environment variable E(POLYVIRT_VBOXMANAGE) is set, that name or path is used.
    type: str
    default: VBoxManage
requirements:
  - VirtualBox 6.1 or later on the host where the task runs, which is Linux, macOS or Solaris
notes:
  - VMs belong to the user who created them. A task sees the VMs of the user that it runs as. Use C(become) for those of
    other users.
  - No Python library and no web service of VirtualBox is needed.
"""
