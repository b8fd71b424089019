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
    hosts = {"localhost": {"vm_name": "web1", "vm_ssh_authorized_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= me"}}
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


_DESCRIBE = {"ansible.builtin.include_role": {"name": "polyvirt.core.vm", "tasks_from": "describe"}}


def test_preset_sets_what_no_variable_sets(play):
    desktop = {"vm_name": "desk", "vm_preset": "virtualbox-ubuntu-desktop"}
    own = {
        "vm_cpus": 8,
        "vm_image": "/images/own.vdi",
        "vm_module_options": {"native": {"vrde": True}, "port_forwards": []},
    }
    clone = {"vm_clone": "golden", "vm_state": "stopped"}
    gone = {"vm_state": "absent"}
    hosts = {name: {**desktop, **more} for name, more in (("a", {}), ("b", own), ("c", clone), ("d", gone))}
    tests = {
        "a": [
            "it.platform == 'virtualbox'",
            "[it.cpus, it.memory, it.image.source] == [2, '4G', 'ubuntu-24.04']",
            "it.port_forwards == [{'name': 'ssh', 'host_port': 2222, 'guest_port': 22}]",
            "it.display.video_memory == '128M'",
            "[it.options.native.accelerate3d, it.options.native['clipboard-mode']] == [true, 'bidirectional']",
            "'scripts' not in it and 'cloud_init' not in it",
        ],
        "b": [
            "[it.cpus, it.memory, it.image.source] == [8, '4G', '/images/own.vdi']",
            "'port_forwards' not in it and it.options.port_forwards == []",
            "[it.options.native.accelerate3d, it.options.native.vrde] == [true, true]",
        ],
        "c": ["it.clone.source == 'golden' and 'image' not in it and it.cpus == 2"],
        "d": ["it.platform == 'virtualbox' and 'cpus' not in it and 'image' not in it and it.options == {}"],
    }
    checks = [
        {"ansible.builtin.assert": {"that": that}, "vars": {"it": "{{ vm_machine.arguments }}"},
         "when": f"inventory_hostname == '{name}'"}
        for name, that in tests.items()
    ]  # fmt: skip
    code, output = play(hosts, _DESCRIBE, *checks)
    assert code == 0, output


def test_preset_of_wsl_has_its_scripts_in_cloud_init(play):
    hosts = {
        "localhost": {
            "vm_name": "dev", "vm_preset": "wsl-ubuntu-dev", "vm_user": "anna", "vm_user_data": {"packages": ["jq"]},
        }
    }  # fmt: skip
    that = [
        "it.image == 'Ubuntu-24.04' and it.options.default_user == 'anna' and it.cloud_init.user == 'anna'",
        "it.cloud_init.user_data.packages == ['jq'] and 'docker' in it.cloud_init.user_data.runcmd[0][3]",
        "it.options.systemd is true",
    ]
    check = {"ansible.builtin.assert": {"that": that}, "vars": {"it": "{{ vm_machine.arguments }}"}}
    code, output = play(hosts, _DESCRIBE, check)
    assert code == 0, output


def test_preset_is_for_its_platform_and_for_one_vm(play):
    desktop = {"vm_preset": "virtualbox-alpine"}
    hosts = {
        "a": {"vm_name": "web1", "vm_platform": "libvirt", **desktop},
        "b": {"vm_machines": [{"name": "web1"}, {"name": "web2"}], **desktop},
        "c": {"vm_name": "web1", "vm_preset": "libvirt-develpment"},
    }
    code, output = play(hosts, _DESCRIBE)
    assert code
    assert "vm_preset is virtualbox-alpine, which is for one VM on virtualbox, but vm_platform is libvirt." in output
    assert "but vm_machines lists several." in output
    assert "There is no preset 'libvirt-develpment'. Did you mean libvirt-development? There are: " in output
