# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: answer_problems
short_description: Check the values of an answer file for an unattended installation
version_added: 1.0.0
description:
  - Used by the role P(polyvirt.core.unattended_install#role), which checks all values before it writes a file.
  - Reports values that an installer would reject or misread, and options that the installer does not have.
  - Warns of values that stop Windows Setup on some media only.
author:
  - polyvirt contributors (@polyvirt)
options:
  _input:
    description:
      - The options of the role without their prefix, such as C(hostname) and C(ssh_keys), and C(installer), the kind of
        the answer file.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Check the values
  ansible.builtin.assert:
    that: values | polyvirt.core.answer_problems | length == 0
    fail_msg: "{{ values | polyvirt.core.answer_problems | join(' ') }}"
"""

RETURN = r"""
_value:
  description: One sentence for each problem, which begins with the name of the value. None contains a secret.
  type: list
  elements: str
  sample: ["hostname: 'web_1' is invalid. Allowed: letters, digits and dashes (the domain is a separate value)."]
"""

from ..plugin_utils.installs.answer_values import checked


class FilterModule:
    """Filter plugin ``polyvirt.core.answer_problems``."""

    def filters(self):
        return {"answer_problems": checked}
