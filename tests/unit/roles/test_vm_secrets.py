# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm: passwords in the options of the module are not in the output, even if it is verbose."""

from __future__ import annotations

PASSWORD = "correct-horse-battery"


def test_facts_for_other_roles_are_not_shown(play):
    options = {"display": {"type": "vnc", "password": PASSWORD}, "api_password": PASSWORD}
    hosts = {"localhost": {"vm_name": "web1", "vm_module_options": options}}
    role = {"name": "polyvirt.core.vm"}
    code, output = play(
        hosts,
        {"ansible.builtin.include_role": {**role, "tasks_from": "install_options"}},
        {"ansible.builtin.include_role": {**role, "tasks_from": "describe"}},
        {"ansible.builtin.assert": {"that": "vm_machine.arguments.options == vm_module_options"}},
        arguments=["-vvv"],
    )
    assert code == 0, output
    assert PASSWORD not in output
