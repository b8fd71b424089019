#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_pool_info
short_description: List libvirt storage pools
version_added: 1.0.0
description:
  - Returns the storage pools of libvirt with their settings, sizes, volumes, and the running VMs that use them.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.virsh
attributes:
  check_mode:
    support: full
    details: Only reads.
  diff_mode:
    support: N/A
    details: Changes nothing.
  platform:
    platforms: posix
options:
  name:
    description: Name of a pool. If omitted, all pools are returned.
    type: str
seealso:
  - module: polyvirt.core.virsh_pool
"""

EXAMPLES = r"""
- name: Read all storage pools
  polyvirt.core.virsh_pool_info:
  register: libvirt
"""

RETURN = r"""
pools:
  description: The pools, by name. Each has the options of P(polyvirt.core.virsh_pool#module) that are set, and the keys
    below.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the pool.
      type: str
    state:
      description: V(active) or V(inactive).
      type: str
    autostart:
      description: Whether it starts with the host.
      type: bool
    uuid:
      description: UUID of the pool.
      type: str
    persistent:
      description: Whether the pool has a stored definition.
      type: bool
    restart_required:
      description: Whether the stored definition takes effect only when the pool is started again.
      type: bool
    in_use:
      description: Running VMs that use the pool.
      type: list
      elements: str
    volumes:
      description: Paths of the volumes, as libvirt has read them last.
      type: list
      elements: str
    capacity:
      description: Size in bytes; null if the pool is inactive.
      type: int
    allocation:
      description: Used bytes; null if the pool is inactive.
      type: int
    available:
      description: Free bytes; null if the pool is inactive.
      type: int
"""

from ..module_utils._front.declaration import Declaration, run_module
from ..module_utils._hosts.libvirt.pool_host import INFO_OPTIONS, report

MODULE = Declaration(INFO_OPTIONS, report)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
