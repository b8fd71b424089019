# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same file of variables on every platform; only the connection to the platform differs.

Guests of doubles have no SSH server, so the VMs remain stopped; test_provision_group.py has the steps in guests.
"""

from __future__ import annotations

import json
import re

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import STOPPED

from platforms.known import PLATFORMS
from suite.by_ansible import run_for
from suite.test_role_vm import inventory_of

pytestmark = pytest.mark.full

NAMES = ["pvc-same-web", "pvc-same-db"]
#: The fastest platform on this host.
FULL = ("vmm",)
_DEEP = pytest.mark.deep("tests/suite/test_role_vm.py; the playbook only passes its variables on")
_OTHERS = [pytest.param(name, marks=_DEEP) for name in PLATFORMS if name not in FULL]
#: The file.
SAME = {"vm_state": "stopped", "vm_stop_mode": "force", "vm_description": "of one file", "vm_tags": ["same"]}


def _reach(platform):
    """The options of the connection, and the source of the smallest VM."""
    return {
        "vm_platform": platform.traits().platform,
        "vm_module_options": {**platform.options("vm"), **platform.creation},
        "ansible_become": False,
    }


@pytest.mark.parametrize("platform_name", [*FULL, *_OTHERS], indirect=True, scope="session")
def test_same_variables_create_and_remove_vms_on_every_platform(platform, shim, tmp_path):
    platform.clean()
    shim.forget()
    (tmp_path / "same.json").write_text(
        json.dumps({**SAME, "vm_known_hosts_folder": str(tmp_path / "known_hosts")}), encoding="utf-8"
    )
    vms = {name: {"provision_hypervisor": "hypervisor"} for name in NAMES}
    with inventory_of(platform, tmp_path, web={"hosts": vms, "vars": _reach(platform)}) as inventory:

        def run(*words, playbook="provision_group"):
            given = ["-i", inventory, f"polyvirt.core.{playbook}", "-e", "provision_group=web", "-e", "@same.json"]
            return run_for(platform, shim, tmp_path, [*given, *words])

        with platform.hurried():
            code, changed, output = run("--check")
            assert (code, changed, platform.truth(NAMES)) == (0, True, dict.fromkeys(NAMES)), output
            code, changed, output = run()
            assert (code, changed) == (0, True), output
            assert [vm["power"] for vm in platform.truth(NAMES).values()] == [STOPPED, STOPPED]
            assert all(re.search(rf'"{name} +stopped', output) for name in NAMES), output
            code, changed, output = run()
            assert (code, changed) == (0, False), output
            created = platform.truth(NAMES)
            code, changed, output = run("--check", playbook="teardown_group")
            assert (code, changed, platform.truth(NAMES)) == (0, True, created), output
            code, changed, output = run(playbook="teardown_group")
            assert (code, changed, platform.truth(NAMES)) == (0, True, dict.fromkeys(NAMES)), output
            code, changed, output = run(playbook="teardown_group")
            assert (code, changed) == (0, False), output
