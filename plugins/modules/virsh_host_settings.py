#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_host_settings
short_description: Install libvirt and QEMU, and change settings of their host
version_added: 0.1.0
description:
  - Used by the role P(polyvirt.core.libvirt_host#role). It installs the packages of libvirt and QEMU, starts the
    daemons, adds users to the group C(libvirt), allows VMs in VMs (nested virtualization), and checks whether KVM
    works.
  - Everything that it adds is recorded on the host, in V(/var/lib/polyvirt/libvirt_host.json), before it is added.
    O(state=absent) removes what is recorded, and only that.
  - Options you omit are never changed.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.approval
attributes:
  action_group:
    description: Use C(group/polyvirt.core.virsh) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.virsh
  check_mode:
    support: full
    details: On a host without libvirt, networks, pools and KVM cannot be checked before its packages are installed.
  diff_mode:
    support: full
    details: Shows each setting that differs.
  platform:
    platforms: linux
options:
  state:
    description:
      - V(present) - the host is prepared.
      - V(absent) - what this module and the role added is removed. The module fails if the host has a VM, if others
        have created networks or pools, or if other packages need the installed ones.
    type: str
    choices: [present, absent]
    default: present
  packages:
    description: Packages to install in addition to those of libvirt and QEMU, such as V(swtpm).
    type: list
    elements: str
    default: []
  package_folder:
    description:
      - Directory on the host with package files, for a host without access to a mirror. If packages are missing, all
        package files of the directory are installed.
      - If omitted, packages are installed by name from the configured sources.
    type: path
  users:
    description: Users of the host who may use libvirt without root. They are added to the group C(libvirt).
    type: list
    elements: str
    default: []
  nested:
    description:
      - Whether VMs can run VMs themselves. It is stored in V(/etc/modprobe.d/polyvirt-kvm.conf), and takes effect after
        a restart of the host.
    type: bool
  require_kvm:
    description:
      - Whether the module fails if KVM does not work. Before packages are installed, V(/dev/kvm) must exist. Then QEMU
        executes a few instructions with KVM.
    type: bool
    default: false
  networks:
    description:
      - Names of networks that are created after this task. Those that do not exist yet are
        recorded, and deleted by O(state=absent).
    type: list
    elements: str
    default: []
  pools:
    description:
      - Names of storage pools that are created after this task. Those that do not exist yet are recorded.
        O(state=absent) removes their definitions, and never their volumes.
    type: list
    elements: str
    default: []
requirements:
  - Debian 12 or later, Ubuntu, Fedora, a distribution of the RHEL family, or Arch Linux. Only Debian is tested.
notes:
  - The task needs root on the host (C(become)).
seealso:
  - module: polyvirt.core.virsh_vm
  - module: polyvirt.core.virsh_network
  - module: polyvirt.core.virsh_pool
"""

EXAMPLES = r"""
- name: Prepare the host for VMs of libvirt
  become: true
  polyvirt.core.virsh_host_settings:
    users: [alice]
    require_kvm: true

- name: Remove libvirt if the first task installed it
  become: true
  polyvirt.core.virsh_host_settings:
    state: absent
"""

RETURN = r"""
reboot_required:
  description: Whether the host has to be restarted before O(nested) takes effect.
  returned: success
  type: bool
kept:
  description: Directories that O(state=absent) did not delete, because they contain disks of VMs.
  returned: success
  type: list
  elements: str
  sample: [/var/lib/libvirt/images]
pending:
  description: Always empty. Settings that wait for a restart; see RV(reboot_required).
  returned: success
  type: list
  elements: str
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
    package_manager:
      description: V(apt), V(dnf) or V(pacman).
      type: str
    installed:
      description: Whether all packages are installed.
      type: bool
    running:
      description: Whether libvirt answers.
      type: bool
    kvm:
      description: Whether KVM works. Null if this could not be tried, for example without QEMU or V(/dev/kvm).
      type: bool
    kvm_problem:
      description: Why KVM does not work, or null.
      type: str
    nested:
      description: Whether KVM now supports VMs in VMs. Null without KVM.
      type: bool
    users:
      description: Members of the group C(libvirt).
      type: list
      elements: str
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.hosts import host_module
from ..module_utils._hosts.libvirt.host_settings import OPTIONS, make_host

MODULE = host_module(OPTIONS, make_host)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
