# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: cloud_init_report
short_description: Read what cloud-init reports in a guest
version_added: 1.0.0
description:
  - Reads the output of C(cloud-init status --format json), of all versions of cloud-init. The result follows from the
    output; exit codes differ between distributions.
  - Used by the playbooks C(polyvirt.core.provision) and C(polyvirt.core.molecule_create).
author:
  - polyvirt contributors (@polyvirt)
positional: rc, label, warn
options:
  _input:
    description: Standard output of the command. That of C(cloud-init status --long) is accepted, too.
    type: str
    required: true
  rc:
    description: Exit code of the command. V(124) - it was ended by C(timeout). V(127) - the guest has no cloud-init.
    type: int
    default: 0
  label:
    description: Name of the guest, with which the texts begin.
    type: str
    default: the guest
  warn:
    description: Whether to show the warning too, unless cloud-init is still running.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Ask cloud-init
  ansible.builtin.raw: cloud-init status --format json
  register: asked
  changed_when: false
  failed_when: false

- name: Fail if a stage of cloud-init failed
  ansible.builtin.assert:
    that: report.problem == ''
    fail_msg: "{{ report.problem }}"
  vars:
    report: "{{ asked.stdout | polyvirt.core.cloud_init_report(asked.rc, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: What cloud-init reports.
  type: dict
  contains:
    state:
      description:
        - V(running), V(done), V(degraded) (done, with problems from which it has recovered) or V(failed).
        - V(disabled) - it has not run. V(missing) - the guest does not have it. V(unreadable) - the output is unknown.
      type: str
      sample: failed
    problem:
      description: The stage that failed and its errors, as one sentence. Empty if none failed.
      type: str
      sample: "web1: cloud-init failed in stage modules-final: ... See /var/log/cloud-init-output.log in the guest."
    warning:
      description: Problems from which cloud-init has recovered, or that it is still running. Empty if there are none.
      type: str
      sample: ""
"""

from ..plugin_utils.guests.cloud_init_report import report_of


class FilterModule:
    """Filter plugin ``polyvirt.core.cloud_init_report``."""

    def filters(self):
        return {"cloud_init_report": report_of}
