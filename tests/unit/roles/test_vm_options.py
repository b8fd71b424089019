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


def test_empty_image_is_the_one_that_the_play_has_created(play):
    role = {"name": "polyvirt.core.vm", "tasks_from": "describe"}
    created = {"guest_image_result": {"path": "/images/new.qcow2"}}
    hosts = {
        "localhost": {"vm_name": "web1", "vm_image": "", **created},
        "null": {"vm_name": "web2", "vm_image": None, "vm_memory": None, "vm_description": None, **created},
        "clone": {"vm_name": "web3", "vm_image": "", "vm_clone": "golden", **created},
    }
    image = "(vm_machine.arguments.image | default({})).source | default('none')"
    code, output = play(
        hosts,
        {"ansible.builtin.include_role": role},
        {"ansible.builtin.debug": {"msg": f"{{{{ inventory_hostname }}}}={{{{ {image} }}}}"}},
    )
    assert code == 0, output
    assert "localhost=/images/new.qcow2" in output
    assert "null=/images/new.qcow2" in output
    assert "clone=none" in output
