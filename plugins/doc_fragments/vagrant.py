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
      - The project's folder, as an absolute path. Machines are known by their names in it.
      - It is made with its first machine, and one that was made so goes with its last.
    type: path
    required: true
  vagrantfile:
    description:
      - Name of the project's Vagrantfile, without a path.
      - When left out, V(Vagrantfile.polyvirt), which stands beside your own; with O(managed=false), V(Vagrantfile).
    type: str
  managed:
    description:
      - Whether the file O(vagrantfile) is this collection's own. It is then written anew for each change, and a file of
        that name which it did not write is refused, never overwritten.
      - V(false) takes the project as it is. Nothing is written into it; machines are started, stopped, suspended,
        restored and removed, and every option that describes one is refused.
    type: bool
    default: true
  executable:
    description: Name or path of C(vagrant).
    type: str
    default: vagrant
requirements:
  - Vagrant 2.2 or later on the host where the task runs, with the plugin of the provider
  - C(virsh) for machines of libvirt, C(VBoxManage) for those of VirtualBox; without these all is asked of Vagrant
    itself, which takes a second or two each time
notes:
  - Vagrant keeps its boxes and keys in the home of the task's user (C(VAGRANT_HOME)). Its environment variables, such
    as C(VAGRANT_DEFAULT_PROVIDER) and C(VAGRANT_DOTFILE_PATH), are honoured when the task sets them in C(environment).
  - Vagrant is free software up to 2.4.2. From 2.4.3 on it is under the Business Source License.
"""
