# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role vm: the name of a VM may consist of digits, which are a number in YAML without quotes."""

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
