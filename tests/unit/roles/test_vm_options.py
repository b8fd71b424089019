# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm: values of another type than the role expects, which the argument spec accepts."""

from __future__ import annotations


def test_number_is_a_name(play):
    role = {"name": "polyvirt.core.vm", "tasks_from": "describe"}
    names = "[vm_machine.arguments.name[0], vm_machine.login.name, vm_machine.login.inventory_name]"
    code, output = play(
        {"localhost": {"vm_name": 101}},
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.assert": {"that": f"{names} == ['101', '101', '101']"}},
    )
    assert code == 0, output


def test_text_is_not_a_list(play):
    role = {"name": "polyvirt.core.vm", "tasks_from": "describe"}
    hosts = {"localhost": {"vm_name": "web1", "vm_ssh_authorized_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me"}}
    code, output = play(hosts, {"ansible.builtin.include_role": role})
    assert code == 2
    assert "web1: vm_ssh_authorized_keys: text is not a list. Write each entry on a separate line" in output
