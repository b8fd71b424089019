# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The connection to libvirt (the argument spec ``virsh``)."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.libvirt) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.libvirt
options:
  uri:
    description:
      - Connection to libvirt, such as V(qemu:///system), V(qemu:///session) or V(test:///default).
      - With the URI of another host, anything that needs files (disks, images, ISO images, cloud-init seed ISOs) is not
        possible. Run the task on that host instead.
      - If omitted, the environment variable E(LIBVIRT_DEFAULT_URI), else V(qemu:///system).
    type: str
  executable:
    description:
      - Name or path of C(virsh).
      - If it is a name and the environment variable E(POLYVIRT_VIRSH) is set, that name or path is used.
    type: str
    default: virsh
requirements:
  - C(virsh) 5.6 or later on the host where the task runs (package libvirt-clients or libvirt-client)
notes:
  - No Python library is needed on the target.
"""
