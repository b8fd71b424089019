#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: hyperv_host_settings
short_description: Install Hyper-V and change its settings on a Windows host
version_added: 1.0.0
description:
  - Used by the role P(polyvirt.core.hyperv_host#role). It installs Hyper-V with its PowerShell module, on servers as
    Windows features and on clients as optional features, and sets default paths and virtual switches.
  - Options you omit are never changed, and switches that are not listed remain.
  - Hyper-V can be used only after a restart of the host. Without O(reboot), settings that need Hyper-V are listed in
    RV(pending), and the next run after the restart applies them.
  - If the connection breaks off, the module waits for the host, reads it again, and continues.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
attributes:
  action_group:
    description: Use C(group/polyvirt.core.hyperv) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.hyperv
  check_mode:
    support: full
    details: For a host without Hyper-V, it assumes that Hyper-V starts without switches and with other paths.
  diff_mode:
    support: full
    details: Shows each setting that differs.
  platform:
    platforms: windows
options:
  management_tools:
    description: Whether to install the graphical tools of Hyper-V, too. With V(false), they are not changed.
    type: bool
    default: false
  vm_path:
    description: Default directory of new VMs. It is created if it does not exist.
    type: str
  disk_path:
    description: Default directory of new virtual disks. It is created if it does not exist.
    type: str
  switches:
    description: Virtual switches that must exist.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the switch. Upper and lower case are the same.
        type: str
        required: true
      type:
        description:
          - V(external) - connected to a network adapter of the host.
          - V(internal) - connects VMs with each other and with the host.
          - V(private) - connects VMs with each other only.
          - V(nat) - as V(internal), and the host translates addresses of the VMs (C(New-NetNat)). Windows supports
            one such network on a host, and assigns no addresses in it.
        type: str
        choices: [external, internal, private, nat]
        required: true
      adapter:
        description: Network adapter of an external switch, such as V(Ethernet), as C(Get-NetAdapter) names it.
        type: str
      allow_management_os:
        description:
          - Whether the host itself uses the adapter of an external switch, too.
          - If omitted, a new switch is shared with the host, and an existing one is not changed.
        type: bool
      address:
        description:
          - IPv4 address of the host on the switch, with its prefix length, such as V(10.60.0.1/24). VMs use it as their
            gateway. Required for V(type=nat), possible for V(type=internal).
        type: str
  allow_connection_loss:
    description:
      - Permission to create or change a switch on a network adapter that has an IPv4 address. Connections through it
        are interrupted, which may be the connection of Ansible; with C(allow_management_os=false) for good.
      - Also the permission to give another network to a switch with running VMs.
    type: bool
    default: false
  reboot:
    description: Permission to restart the host if Hyper-V needs that. The module then waits until it is ready again.
    type: bool
    default: false
  reboot_timeout:
    description: Seconds that a restart may take. Hyper-V restarts a server twice.
    type: int
    default: 1800
requirements:
  - Windows 10 or 11 (Pro, Enterprise or Education), or Windows Server 2016 or later
notes:
  - The task needs a connection to the host, such as C(winrm), C(psrp), or C(ssh) with C(ansible_shell_type=powershell),
    as a member of the group Administrators.
  - The module runs on the controller only, through an action plugin. C(async) is not supported.
seealso:
  - module: polyvirt.core.hyperv_vm
"""

EXAMPLES = r"""
- name: Install Hyper-V with a NAT network, and restart the host if that is needed
  polyvirt.core.hyperv_host_settings:
    disk_path: D:\Hyper-V\Disks
    switches:
      - {name: nat, type: nat, address: 10.60.0.1/24}
    reboot: true
"""

RETURN = r"""
reboot_required:
  description: Whether the host has to be restarted before Hyper-V can be used.
  returned: success
  type: bool
rebooted:
  description: Whether the module has restarted the host.
  returned: success
  type: bool
pending:
  description: Settings that are made by the next run after a restart.
  returned: success
  type: list
  elements: str
  sample: [disk_path, switches.nat]
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Each setting that differs, before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: Values before the task.
      type: dict
    after:
      description: Values after the task.
      type: dict
host:
  description: The host as it was read last.
  returned: success
  type: dict
  contains:
    product:
      description: V(server) or V(client).
      type: str
    features:
      description: State of each feature - V(enabled), V(pending) (after a restart), V(disabled) or V(unknown).
      type: dict
      sample:
        Hyper-V: enabled
    usable:
      description: Whether Hyper-V answers.
      type: bool
    hypervisor_running:
      description: Whether the host runs on a hypervisor, its own or that of a VM.
      type: bool
    vm_path:
      description: Default directory of new VMs, or null.
      type: str
    disk_path:
      description: Default directory of new virtual disks, or null.
      type: str
    switches:
      description: Names of the virtual switches.
      type: list
      elements: str
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.hosts import host_module
from ..module_utils._hosts.windows.hyperv_settings import OPTIONS, make_host

MODULE = host_module(OPTIONS, make_host)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
