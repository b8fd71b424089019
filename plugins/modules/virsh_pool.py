#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virsh_pool
short_description: Manage libvirt storage pools
version_added: 1.0.0
description:
  - Creates, changes, starts, stops, refreshes and removes a storage pool of libvirt. No XML is needed.
  - Options you omit are never changed. Options you set are enforced; if that is impossible, the task fails before its
    first change and says why.
  - The data of a pool are never deleted. C(virsh pool-delete) is not used.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - polyvirt.core.virsh
  - polyvirt.core.approval
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Shows each option that differs.
  platform:
    platforms: posix
options:
  name:
    description: Name of the pool. It cannot be changed. A name in the form of a UUID is rejected.
    type: str
    required: true
  state:
    description:
      - V(active) creates and starts the pool. V(present) creates it, and neither starts nor stops it. V(inactive)
        creates it and stops it.
      - V(refreshed) is V(active), and libvirt reads again which volumes the pool has. It always reports a change.
      - V(absent) stops the pool and removes its definition. Its data remain, see RV(kept).
      - V(inactive) and V(absent) fail while a running VM uses the pool. The error names the VMs.
    type: str
    choices: [active, present, inactive, refreshed, absent]
    default: active
  type:
    description:
      - V(dir) - a directory. V(fs) - a file system that is mounted. V(netfs) - an export of another host that is
        mounted. V(logical) - an existing volume group of LVM.
      - Required for a new pool. It cannot be changed. Omit it for existing pools of other types (disk, iscsi, scsi,
        mpath, ...), of which this module changes O(state), O(autostart) and O(path).
    type: str
    choices: [dir, fs, netfs, logical]
  path:
    description:
      - Directory of the pool, or where it is mounted. Required for a new pool, except of O(type=logical).
      - A missing directory is created. File systems, volume groups and partition tables are never created.
      - A directory that another pool has is rejected, also if a symbolic link leads to it.
    type: path
  device:
    description: Block device with the file system of O(type=fs).
    type: path
  host:
    description: Name or address of the server of O(type=netfs).
    type: str
  export:
    description: Exported directory of O(type=netfs).
    type: str
  volume_group:
    description: Name of the volume group of O(type=logical).
    type: str
  format:
    description: Format of the file system, such as V(ext4), V(nfs) or V(cifs). By default, libvirt detects it.
    type: str
  mode:
    description:
      - Mode of a directory that this module creates, such as V("0711"). If the directory exists with another mode, the
        task fails; O(owner) and O(group) likewise.
    type: str
  owner:
    description: User ID of the directory.
    type: int
  group:
    description: Group ID of the directory.
    type: int
  autostart:
    description: Whether libvirt starts the pool when the host starts.
    type: bool
  allow_restart:
    description: Permission to stop and start the pool if a change needs that. It is used only while no running VM uses
      the pool.
    type: bool
    default: false
seealso:
  - module: polyvirt.core.virsh_pool_info
  - module: polyvirt.core.virsh_vm
"""

EXAMPLES = r"""
- name: Create a pool in a directory
  polyvirt.core.virsh_pool:
    name: images
    type: dir
    path: /srv/images
    mode: "0711"
    autostart: true

- name: Use an existing volume group
  polyvirt.core.virsh_pool:
    name: fast
    type: logical
    volume_group: vg0

- name: Make libvirt read the files of a pool again
  polyvirt.core.virsh_pool:
    name: images
    state: refreshed
"""

RETURN = r"""
pool:
  description: The pool after the task, or as it would be in check mode; null if it does not exist. It has the options
    of the module that are set, and the keys below.
  returned: success
  type: dict
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
restart_required:
  description: Whether stored changes take effect only when the pool is started again.
  returned: success
  type: bool
in_use:
  description: Running VMs that use the pool.
  returned: success
  type: list
  elements: str
kept:
  description: With O(state=absent), the volumes that remain, or the path of a pool that was not running.
  returned: success
  type: list
  elements: str
pending:
  description: Changes that wait for a restart of the pool.
  returned: success
  type: list
  elements: str
  sample: [images.restart]
plan:
  description:
    - Digest of what the task does, or would do in check mode, for O(expect_plan). Empty if nothing is to be done.
    - Null if the task was rejected, or if its plan cannot be approved. A warning says why.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
diff:
  description: Each option that differs, before and after the task.
  returned: success
  type: dict
  contains:
    before:
      description: Values before the task.
      type: dict
    after:
      description: Values after the task.
      type: dict
"""

from ..module_utils._front.declaration import run_module
from ..module_utils._front.hosts import host_module
from ..module_utils._hosts.libvirt.pool_host import make_host
from ..module_utils._hosts.libvirt.pool_options import OPTIONS

MODULE = host_module(OPTIONS, make_host)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
