#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vagrant_instance_info
short_description: Tell about a project of Vagrant and its machines
version_added: 0.1.0
description:
  - Tells whether Vagrant is installed on this host, and what machines a project has.
  - Machines of libvirt and VirtualBox are asked of C(virsh) and C(VBoxManage). Vagrant itself is started at most once,
    on a copy of what it keeps about the project, because looking with it writes.
  - Never fails because Vagrant is missing; RV(host) then says why.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.vm_info
  - polyvirt.core.facets
  - polyvirt.core.vagrant
attributes:
  check_mode:
    support: full
    details: It only looks.
  diff_mode:
    support: N/A
    details: It changes nothing.
  platform:
    platforms: posix
seealso:
  - module: polyvirt.core.vagrant_instance
"""

EXAMPLES = r"""
- name: Look at all machines of a project
  polyvirt.core.vagrant_instance_info:
    project_dir: /srv/vagrant/web
  register: project

- name: Those that answer by SSH
  ansible.builtin.debug:
    msg: "{{ project.vms | selectattr('healthy') | map(attribute='name') }}"

- name: Machines of somebody's own Vagrantfile
  polyvirt.core.vagrant_instance_info:
    project_dir: /home/anna/shop
    managed: false
"""

RETURN = r"""
host:
  description: Whether and how Vagrant can be used here.
  returned: success
  type: dict
  contains:
    available:
      description: Whether it is installed.
      type: bool
    configured:
      description: Whether it can be used.
      type: bool
    version:
      description: Always null here, for only a start of Vagrant would tell.
      type: str
    message:
      description: A sentence for people; what to do if it cannot be used.
      type: str
    why:
      description: Null, or why it cannot be used - missing, not_on_path, not_responding.
      type: str
    capabilities:
      description:
        - What this platform can do with the providers of these machines (states, stop_modes, verbs, options), or null.
      type: dict
vms:
  description:
    - The machines named that exist, or all of the project.
    - The entries are those of M(polyvirt.core.vagrant_instance), without what a task did.
  returned: success
  type: list
  elements: dict
  contains:
    healthy:
      description: Whether it runs and an SSH server greets at the place that C(ssh) tells.
      type: bool
"""

from ..module_utils._drivers.vagrant.driver import make_driver
from ..module_utils._front import info_module, run_module
from ..module_utils._lifecycle.options import VAGRANT

MODULE = info_module(VAGRANT, make_driver, with_health=True)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
