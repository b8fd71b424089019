# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks for platforms that do not answer, by ansible-playbook on a host that has none of them."""

from __future__ import annotations

import json

import pytest

#: Options with which a platform cannot answer on this host.
NOWHERE = {
    "libvirt": {"executable": "/nowhere/virsh"},
    "virtualbox": {"executable": "/nowhere/VBoxManage"},
    "vagrant": {"executable": "/nowhere/vagrant", "project_dir": "/nowhere"},
    "proxmox": {"api_host": "127.0.0.1", "api_port": 1, "api_user": "a@pve", "api_password": "xyzzy-1"},
    "vmd": {"executable": "/nowhere/vmctl"},
    "hyperv": {},
    "wsl": {},
}
NO_WINDOWS = "is not a Windows host"


@pytest.fixture(name="play")
def _play(ansible_playbook, tmp_path):
    def play(*tasks):
        named = [{"name": f"task {number}", **task} for number, task in enumerate(tasks)]
        keep = {"ansible.builtin.copy": {"dest": str(tmp_path / "results"), "content": "{{ results | to_json }}"}}
        results = [f"{{{{ result_{number} }}}}" for number, _task in enumerate(tasks)]
        registered = [{**task, "register": f"result_{number}"} for number, task in enumerate(named)]
        whole = [*registered, {**keep, "vars": {"results": results}}]
        content = [{"hosts": "all", "gather_facts": False, "ignore_errors": True, "tasks": whole}]
        (tmp_path / "play.yml").write_text(json.dumps(content), encoding="utf-8")
        code, output = ansible_playbook(
            "-i", "web,", "-c", "local", "-e", "ansible_python_interpreter=auto_silent", tmp_path / "play.yml"
        )
        assert code == 0, output
        return json.loads((tmp_path / "results").read_text(encoding="utf-8")), output

    return play


def _info(platform, **more):
    return {"polyvirt.core.vm_info": {"platform": platform, "options": NOWHERE[platform], **more}}


def test_every_platform_warns_alike(play):
    results, output = play(*map(_info, NOWHERE), _info("libvirt", required=False), _info("libvirt", required=True))
    *warned, quiet, failed = results
    for platform, result in zip(NOWHERE, warned, strict=True):
        assert (result["vms"], result["host"]["configured"]) == ([], False)
        (warning,) = result["warnings"]
        message = result["host"]["message"]
        assert warning.startswith(f"{platform} does not answer, so its VMs are not listed: {message}")
        assert f"{platform} does not answer" in " ".join(output.split())
    assert (quiet.get("warnings", []), quiet["host"]["configured"]) == ([], False)
    assert failed["failed"]
    assert failed["msg"].startswith("libvirt does not answer: /nowhere/virsh")


def test_windows_modules_on_another_system_name_the_inventory_lines(play):
    become = {"become": True, "become_method": "ansible.builtin.sudo"}
    tasks = [
        {"polyvirt.core.hyperv_vm": {"name": "a", "state": "started"}, **become},
        {"polyvirt.core.wsl_distro": {"name": "a", "state": "started"}},
        {"polyvirt.core.wsl_host_settings": {}},
        {"polyvirt.core.hyperv_snapshot": {"name": "a", "snapshot": "b"}},
        {"polyvirt.core.hyperv_vm_info": {"required": True}},
    ]
    results, _output = play(*tasks, {"polyvirt.core.wsl_distro_info": {}})
    *failed, warned = results
    for result in failed:
        assert result["failed"]
        assert f"web {NO_WINDOWS}: ansible_connection: local has" in result["msg"]
        assert all(line in result["msg"] for line in ("ansible_connection: winrm", "ansible_shell_type: powershell"))
        assert "broke off" not in result["msg"]
    assert NO_WINDOWS in warned["host"]["message"]
    assert warned["host"]["why"] == "wrong_system"
