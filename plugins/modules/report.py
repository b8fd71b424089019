#!/usr/bin/python
# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Write a report about VMs from the results of tasks
version_added: 1.0.0
description:
  - Writes a report about all VMs of the results of earlier tasks - their state, what was changed, or would be changed
    in check mode, and errors. Results of check mode become a drift report.
  - Four formats are available. A page in HTML for people, JSON, JUnit XML for CI systems, and OpenMetrics text for
    Prometheus.
  - The files are written on the controller. In AWX they are deleted with the job, so a later task has to send them to
    another place. The playbook C(polyvirt.core.drift_report) does so.
  - On the command line, the callback plugin P(polyvirt.core.report#callback) writes the same report about a whole
    playbook.
author:
  - polyvirt contributors (@polyvirt)
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
  - ansible.builtin.action_common_attributes.conn
  - ansible.builtin.action_common_attributes.flow
attributes:
  action:
    support: full
  async:
    support: none
  become:
    support: none
  bypass_host_loop:
    support: none
  check_mode:
    support: full
    details: Nothing is written. To write a report about a run in check mode, set C(check_mode) to V(false) for this
      task, and O(check) to V(true).
  connection:
    support: none
    details: Runs on the controller.
  delegation:
    support: none
  diff_mode:
    support: full
    details: Shows the former and the new text of the files.
  platform:
    platforms: all
options:
  results:
    description: Results of tasks of this collection. Modules that change VMs, and info modules.
    type: list
    elements: dict
    required: true
    suboptions:
      host:
        description: Host that the result is about. If omitted, the host of this task.
        type: str
      task:
        description: Name of the task, which the report shows.
        type: str
      result:
        description:
          - What the task has registered. The result of a loop has a result for each item.
          - A result with C(failed) or C(unreachable) is an error in the report.
        type: raw
        required: true
  folder:
    description: Directory on the controller for the files. It is created if it does not exist.
    type: path
    required: true
  formats:
    description:
      - Formats of the report. V(html) is the page C(report.html), V(json) is C(report.json), V(junit) is JUnit XML in
        C(report.xml), V(openmetrics) is OpenMetrics text in C(report.prom).
    type: list
    elements: str
    choices: [html, json, junit, openmetrics]
    default: [html, json]
  title:
    description: Title of the report.
    type: str
    default: Virtual machines
  playbook:
    description: Name of the playbook, which the report shows.
    type: str
  check:
    description:
      - Whether the results are those of check mode, so that changes are drift. If omitted, whether this task runs in
        check mode.
    type: bool
  time:
    description:
      - Time of the results with its zone, such as V(2026-11-25T20:40:00Z). If omitted, the current time.
      - The report shows the time. With the same results and the same time, the files are unchanged.
    type: str
notes:
  - Results contain no secrets, so a report has none. Values of C(native) are left out.
seealso:
  - plugin: polyvirt.core.report
    plugin_type: callback
    description: Writes the same report about a whole playbook.
  - module: polyvirt.core.vm_info
"""

EXAMPLES = r"""
- name: Check the VMs
  polyvirt.core.vm:
    name: [web1, web2]
    state: started
    memory: 4G
  check_mode: true
  register: checked

- name: Write what differs
  polyvirt.core.report:
    results:
      - result: "{{ checked }}"
    check: true
    folder: /srv/www/drift
    title: Drift of the web servers
"""

RETURN = r"""
files:
  description: Paths of the files.
  returned: success
  type: list
  elements: str
  sample: [/srv/www/drift/report.html, /srv/www/drift/report.json]
summary:
  description: Numbers of VMs.
  returned: success
  type: dict
  contains:
    vms:
      description: All VMs.
      type: int
      sample: 40
    failed:
      description: VMs for which a task failed.
      type: int
      sample: 3
    drift:
      description: VMs that check mode would change.
      type: int
      sample: 6
    changed:
      description: VMs that were changed.
      type: int
      sample: 0
    ok:
      description: VMs that are as their tasks describe them.
      type: int
      sample: 31
    states:
      description: Number of VMs by power state; only states that occur.
      type: dict
      contains:
        running:
          description: VMs that run; the other states have keys of their names.
          type: int
      sample: {running: 36, stopped: 4}
    tasks:
      description: Number of tasks without a VM by their status; only those that occur.
      type: dict
      contains:
        failed:
          description: Tasks that failed before they read their VMs.
          type: int
        drift:
          description: Changes of hosts and images that check mode would make.
          type: int
        changed:
          description: Changes of hosts and images.
          type: int
      sample: {failed: 1}
"""

from ..module_utils._core.options.option import REPORT
from ..module_utils._front.any_platform import on_controller
from ..module_utils._front.declaration import run_module

MODULE = on_controller(REPORT)


def main():
    run_module(MODULE)


if __name__ == "__main__":
    main()
