# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: play_hosts
short_description: Hosts of a play, or an error if there are none
version_added: 1.0.0
description:
  - Returns the pattern of the hosts of a play. If it matches no host of the inventory, or none of C(--limit), the run
    ends with an error. Ansible itself skips such a play, and the run succeeds although nothing was done.
  - With O(missing), returns what the inventory lacks. A run can go on with the other hosts, and fail at its end.
  - The playbooks of this collection use it, such as C(polyvirt.core.backup).
author:
  - polyvirt contributors (@polyvirt)
options:
  _terms:
    description: A pattern of hosts.
    type: list
    elements: str
    required: true
  option:
    description: Name of the variable with the pattern, for messages.
    type: str
    default: hosts
  missing:
    description:
      - Return a list of texts about parts of the pattern and of C(--limit) that match no host, about sources of
        P(polyvirt.core.vms#inventory) that could not be read, and about inventory files that could not be read.
      - A source with C(required=false) in the inventory file is not listed.
    type: bool
    default: false
seealso:
  - plugin: polyvirt.core.vms
    plugin_type: inventory
"""

EXAMPLES = r"""
- name: Patch the hosts, and fail if one of them is not in the inventory
  hosts: "{{ lookup('polyvirt.core.play_hosts', patch_hosts, option='patch_hosts') }}"
  tasks:
    - name: Patch
      ansible.builtin.import_role:
        name: patch

    - name: Fail if the inventory is incomplete
      ansible.builtin.assert:
        that: not_listed | length == 0
        fail_msg: "{{ not_listed | join(' ') }}"
      run_once: true
      vars:
        not_listed: "{{ query('polyvirt.core.play_hosts', patch_hosts, option='patch_hosts', missing=true) }}"
"""

RETURN = r"""
_raw:
  description: The pattern, or with O(missing) the texts.
  type: list
  elements: str
"""

from ansible.plugins.lookup import LookupBase

from ..plugin_utils.inventory.missing import check_hosts, missing


class LookupModule(LookupBase):
    """Lookup plugin ``polyvirt.core.play_hosts``."""

    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        where = (self._loader, variables, self.get_option("option"), ",".join(terms))
        if self.get_option("missing"):
            return missing(*where)
        check_hosts(*where)
        return terms
