#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guarded_run
short_description: Run a playbook, and restore the VMs of hosts on which it fails
version_added: 1.0.0
description:
  - Takes a snapshot of the VM behind each host, runs a playbook, and deletes the snapshots. If the playbook fails on a
    host, the VM of this host is restored first; if the playbook did not reach its end on the others, all VMs are.
  - The VMs are those of the inventory plugin P(polyvirt.core.vms#inventory). The connection to their platform is that
    of the inventory source. A host without such a VM, and a VM that cannot take a snapshot, are errors before anything
    is changed.
  - The playbook is run by another C(ansible-playbook), with the inventory, the limit, the extra variables, the vaults,
    the tags, C(--check) and C(--diff) of this one. Variables of the play and facts that tasks have set do not apply to
    it, except for C(polyvirt_approved_plans).
  - Passwords that Ansible asks for (C(--ask-pass), C(--ask-become-pass)) are rejected before anything is changed. Use
    files (C(--connection-password-file), C(--become-password-file)) or variables.
  - The plan of the run itself is the snapshots and the restore of these VMs, and the end of an interrupted run. The
    tasks of the playbook have plans of their own.
  - If the run is interrupted, the snapshots remain. The next run fails, reports them, and asks for O(finish).
  - Used by the playbook C(polyvirt.core.guarded).
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
  - polyvirt.core.approval
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: none
  bypass_host_loop:
    support: full
  check_mode:
    support: full
    details: The snapshots are planned, and the playbook is run in check mode. Nothing is changed.
  connection:
    support: none
    details: Runs on the controller. The inventory sources have their own connections.
  delegation:
    support: none
  diff_mode:
    support: full
    details: Is passed on to the playbook.
  platform:
    platforms: all
options:
  playbook:
    description:
      - Path of the playbook on the controller, relative to the current directory, or the name of a playbook in a
        collection.
      - Can be omitted with O(finish), to only finish an interrupted run.
    type: str
  hosts:
    description: Names of the inventory hosts with the VMs.
    type: list
    elements: str
    required: true
  restore:
    description:
      - Which VMs are restored if the playbook fails. V(failed) - those of hosts that failed or could not be reached.
        V(all) - all of them.
      - All VMs are restored if Ansible stopped the playbook on hosts that had not failed (C(any_errors_fatal),
        C(max_fail_percentage), C(run_once), batches and plays that were not started), or if it failed on a host without
        a snapshot, such as localhost. The same if the playbook was killed or ended by an error of Ansible itself,
        because it is unknown on which hosts it failed.
      - A VM that was running is started again if its platform restores it as stopped.
    type: str
    choices: [failed, all]
    default: failed
  finish:
    description:
      - What to do with VMs that have a snapshot of an interrupted run. V(restore) - restore it; all data written since
        then is lost. V(keep) - leave the VM as it is. Both delete the snapshot. After that, O(playbook) is run.
      - If omitted, such a VM is an error.
    type: str
    choices: [restore, keep]
  sources:
    description:
      - Inventory files of P(polyvirt.core.vms#inventory), or directories with such files, that define the sources of
        the VMs.
      - If omitted, those of the inventory of this run. AWX needs it, because a job has only the hosts of the inventory.
    type: list
    elements: path
  timeout:
    description: Maximum number of seconds for each step of one VM, such as taking its snapshot.
    type: int
    default: 1800
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
  - module: polyvirt.core.vm_snapshot
"""

EXAMPLES = r"""
- name: Update the web servers, and restore those that fail
  hosts: web
  gather_facts: false
  tasks:
    - name: Run the playbook
      polyvirt.core.guarded_run:
        playbook: patch.yml
        hosts: "{{ ansible_play_hosts_all }}"
"""

RETURN = r"""
plan:
  description:
    - Digest of what the run may do to the VMs, for O(expect_plan). It depends on the VMs that get a snapshot, on those
      that may be restored, on the playbook, and on what O(finish) does with snapshots of an interrupted run. The plans
      of the playbook's tasks are not part of it.
    - Null if the task was rejected or failed before the snapshots.
  returned: unless the options are wrong in form
  type: str
  sample: plan-bcdf-ghjk-lmnp-qrst-bcdf-ghjk-lmnp-qrst
run:
  description: ID of the run, which the names of its snapshots end with. The number of the AWX job, or the time in UTC.
  returned: unless the task failed before the playbook was run
  type: str
  sample: 20261125-170012-3f9a
exit_code:
  description: Exit code of the playbook.
  returned: if the playbook was run
  type: int
failed_hosts:
  description: Hosts on which the playbook failed, or that it could not reach.
  returned: if the playbook was run
  type: list
  elements: str
vms:
  description: One entry for each host.
  returned: unless the task failed before the playbook was run
  type: list
  elements: dict
  contains:
    host:
      description: Name of the host in the inventory.
      type: str
      sample: web1
    name:
      description: Name of the VM.
      type: str
      sample: web1
    source:
      description: Name of the inventory source.
      type: str
      sample: libvirt
    outcome:
      description:
        - V(kept) - the VM is as the playbook left it. V(restored) - it is as before the playbook. V(failed) - it could
          not be restored, or not be started again; the message says whether its snapshot still exists. V(unchanged) -
          no playbook was run, and no interrupted run was finished.
      type: str
      sample: kept
"""

from ..module_utils._core.options.option import GUARDED_RUN
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(GUARDED_RUN, can_change=True)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
