# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long role vm waits for SSH, and its messages."""

from __future__ import annotations

import shutil
import sys

import pytest
import yaml

pytestmark = pytest.mark.full

#: {case: (variables of the role and the result of the check for /dev/kvm, expected timeout in seconds)}
CASES = {
    "kvm": ({"__vm_kvm": {"stat": {"exists": True}}}, 300),
    "no kvm": ({"__vm_kvm": {"stat": {"exists": False}}}, 900),
    "emulation requested": ({"vm_module_options": {"virt_type": "qemu"}}, 900),
    "kvm requested": ({"vm_module_options": {"virt_type": "kvm"}, "__vm_kvm": {"skipped": True}}, 300),
    "virtualbox": ({"vm_platform": "virtualbox", "__vm_kvm": {"skipped": True}}, 300),
    "timeout set": ({"vm_timeout": 20, "vm_module_options": {"virt_type": "qemu"}}, 20),
}


def test_emulated_vm_has_a_longer_timeout(play, checkout, tmp_path):
    defaults = yaml.safe_load((checkout / "roles" / "vm" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    usual = {**defaults, "vm_platform": "libvirt"}
    hosts = {name: {**usual, **variables, "case_expected": seconds} for name, (variables, seconds) in CASES.items()}
    check = {"ansible.builtin.assert": {"that": "__vm_wait_timeout | int == case_expected"}}
    code, output = play(hosts, check, vars_files=[str(checkout / "roles" / "vm" / "vars" / "main.yml")])
    assert code == 0, output


def test_long_wait_is_announced_before_it_begins(play):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    # A VM of libvirt's test driver: it runs, and has no SSH server.
    variables = {
        "vm_name": "test",
        "vm_timeout": 1,
        "vm_module_options": {"uri": "test:///default"},
        "ansible_python_interpreter": sys.executable,
    }
    code, output = play({"one": variables}, {"ansible.builtin.include_role": {"name": "polyvirt.core.vm"}})
    assert code != 0
    announced, _announcement, after = output.partition("this waits until SSH answers, for 1 s at most: test")
    assert announced.rpartition("TASK")[2] == " [polyvirt.core.vm : Call the module of the platform; then "
    assert "fatal" in after


def test_login_that_is_not_accepted_is_reported_with_its_reason(play, checkout, tmp_path):
    # Port 9 of this host has no SSH server.
    ssh = {"host": "127.0.0.1", "port": 9, "user": None, "scope": "lan"}
    web, db = (
        {"name": name, "id": name, "failed": False, "msg": "", "steps": [], "ssh": ssh} for name in ("web", "db")
    )
    login = {"user": "admin", "timeout": 3, "state": "started", "key_path": "", "groups": []}
    variables = {
        "__vm_logins": [
            {**login, "name": "web", "has_cloud_init": True},
            {**login, "name": "db", "has_cloud_init": False},
        ],
        "__vm_module_result": {"vms": [web, {**db, "id": None}]},
        "vm_known_hosts_folder": str(tmp_path),
    }
    files = [checkout / "roles" / "vm" / "tasks" / name for name in ("login.yml", "results.yml")]
    login, results = ({"ansible.builtin.import_tasks": str(file)} for file in files)
    shown = {"ansible.builtin.debug": {"msg": "{{ vm_failed.web }} {{ vm_failed | list }} {{ vm_hosts | list }}"}}
    more = {"vars_files": [str(checkout / "roles" / "vm" / "vars" / "main.yml")]}
    code, output = play({"one": {}}, {"block": [login], "always": [results, shown], "vars": variables}, **more)
    assert code != 0
    assert "web: SSH as admin at 127.0.0.1 did not work within 3 s: ssh: connect to host 127.0.0.1 port 9:" in output
    assert "Try it with: ssh -p 9 -o UserKnownHostsFile" in output
    assert "['web'] ['db']" in output
