# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The way to a project of Vagrant (the argument spec ``vagrant``)."""

    DOCUMENTATION = r"""
attributes:
  action_group:
    description: Use C(group/polyvirt.core.vagrant) or C(group/polyvirt.core.all) in C(module_defaults) to set
      defaults for this module.
    support: full
    membership:
      - polyvirt.core.all
      - polyvirt.core.vagrant
options:
  project_dir:
    description:
      - Absolute path of the project directory. The names of VMs are unique in it.
      - It is created with its first VM. If it was created this way, it is deleted with its last VM.
    type: path
    required: true
  vagrantfile:
    description:
      - File name of the project's Vagrantfile, without a path.
      - If omitted, V(Vagrantfile.polyvirt), a file in the same directory as your own Vagrantfile; with
        O(managed=false), V(Vagrantfile) or else V(vagrantfile).
    type: str
  managed:
    description:
      - Whether the file O(vagrantfile) belongs to this collection. It is then written again at each change. If the file
        exists and this collection did not write it, the task fails and does not overwrite it.
      - With V(false), no file of the project is written. VMs are started, stopped, suspended,
        restored and deleted, and options that describe a VM are rejected.
    type: bool
    default: true
  executable:
    description:
      - Name or path of C(vagrant).
      - If it is a name and the environment variable E(POLYVIRT_VAGRANT) is set, that name or path is used.
    type: str
    default: vagrant
requirements:
  - Vagrant 2.2 or later on the host where the task runs, with the plugin of the provider
  - C(virsh) for VMs of libvirt, C(VBoxManage) for VMs of VirtualBox; without them, every state is read with Vagrant
    itself, which takes a second or two each time
notes:
  - Vagrant stores its boxes and keys in the home directory of the task's user (C(VAGRANT_HOME)). Its environment
    variables, such as C(VAGRANT_DEFAULT_PROVIDER) and C(VAGRANT_DOTFILE_PATH), can be set in the C(environment) of the
    task.
  - Vagrant is free software up to 2.4.2. Since 2.4.3 it has the Business Source License.
"""
