# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ready-made machines of docs/content.md: their commands as users run them, on the platform of each.

No guest of them can run here, so the VMs remain stopped.
"""

from __future__ import annotations

import json

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from collection_path import CHECKOUT
from suite.by_ansible import run_for
from suite.test_role_vm import inventory_of

NAME = "pvc-content"
_DEEP = pytest.mark.deep("libvirt-development and wsl-ubuntu-dev: the same path through the playbook")
#: (platform of the suite, preset).
MACHINES = [
    ("libvirt_qemu", "libvirt-development"),
    pytest.param("virtualbox_double", "virtualbox-development", marks=_DEEP),
    pytest.param("virtualbox_double", "virtualbox-ubuntu-desktop", marks=_DEEP),
    pytest.param("virtualbox_double", "virtualbox-alpine", marks=_DEEP),
    pytest.param("vagrant", "vagrant-development", marks=_DEEP),
    pytest.param("proxmox", "proxmox-development", marks=_DEEP),
    ("wsl", "wsl-ubuntu-dev"),
]
#: What this host or a double does not have.
INSTEAD = {"libvirt_qemu": {"virt_type": "qemu"}}


def _variables(platform, preset, described, folder):
    # Without an image, the VM has the empty disk of the preset: no image of the catalogue can be downloaded here.
    options = {"image": None, **platform.options("vm"), **platform.creation, **INSTEAD.get(platform.name, {})}
    left = {name: value for name, value in options.items() if name == "image" or name not in described["vm"]}
    return {
        "vm_name": NAME,
        "vm_preset": preset,
        "vm_state": "stopped",
        "vm_stop_mode": "force",
        "vm_module_options": left,
        "vm_known_hosts_folder": str(folder / "known_hosts"),
        "provision_hypervisor": "hypervisor",
        "ansible_become": False,
    }


@pytest.mark.full
@pytest.mark.parametrize(("platform_name", "preset"), MACHINES, indirect=["platform_name"], scope="session")
def test_machine_is_created_by_its_command(platform, preset, shim, tmp_path):
    platform.clean()
    shim.forget()
    described = yaml.safe_load((CHECKOUT / "templates" / "presets" / f"{preset}.yml").read_text(encoding="utf-8"))
    variables = json.dumps(_variables(platform, preset, described, tmp_path))
    with inventory_of(platform, tmp_path) as inventory, platform.hurried():

        def run(playbook, *words):
            given = ["-i", inventory, f"polyvirt.core.{playbook}", "-e", variables, *words]
            return run_for(platform, shim, tmp_path, given)

        for words, is_changed in ((["--check"], True), ([], True), ([], False), (["--check"], False)):
            code, changed, output = run("provision", *words)
            assert (code, changed) == (0, is_changed), output
        (vm,) = platform.truth([NAME]).values()
        assert vm["power"] == STOPPED
        assert vm.get("cpus") in (None, described["vm"].get("cpus", vm.get("cpus")))
        code, changed, output = run("teardown")
        assert (code, changed, platform.truth([NAME])) == (0, True, {NAME: None}), output
