# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential type for hypervisors over SSH, as AWX injects it. tests/unit/awx has the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from suite.by_ansible import ansible_playbook, run_ansible
from suite.sshd import sshd
from unit.awx.guide import TYPES, data
from unit.awx.injector import inject

pytestmark = pytest.mark.full

#: The VM of libvirt's test driver.
_VM = "test"


@pytest.fixture
def reached(tmp_path):
    """(values of the credential, variables of the host that have no place in a credential) for an SSH server."""
    with sshd(tmp_path) as play:
        variables = dict(play["vars"])
        key = Path(variables.pop("ansible_ssh_private_key_file")).read_text(encoding="utf-8")
        yield {"ssh_user": play["remote_user"], "ssh_private_key": key.rstrip("\n")}, variables


def test_job_uses_the_host_of_the_guide_with_the_credential(reached, tmp_path):
    values, variables = reached
    injected = inject(TYPES["libvirt_ssh"], values, tmp_path)
    group = data("# hosts.yml")["all"]["children"]["libvirt_hosts"]
    group["vars"].update(variables)
    hosts = tmp_path / "hosts.yml"
    hosts.write_text(yaml.safe_dump({"all": {"children": {"libvirt_hosts": group}}}), encoding="utf-8")
    tasks = [
        {"polyvirt.core.virsh_vm_info": {"uri": "test:///default", "facets": ["list"]}, "register": "found"},
        {"ansible.builtin.assert": {"that": f"found.vms | map(attribute='name') == ['{_VM}']"}},
    ]
    play = {"hosts": "libvirt_hosts", "connection": "ssh", "gather_facts": False, "tasks": tasks}
    ansible_playbook(tmp_path, play, ["-i", str(hosts), *injected.words], injected.environment)


def test_inventory_of_the_guide_is_imported_with_the_credential(reached, tmp_path):
    values, variables = reached
    injected = inject(TYPES["libvirt_ssh"], values, tmp_path, is_inventory_update=True)
    assert injected.words == []
    described = data("# awx.polyvirt.yml")
    (source,) = described["sources"]
    source["host"].update(variables)
    source["options"] = {"uri": "test:///default"}
    path = tmp_path / "awx.polyvirt.yml"
    path.write_text(yaml.safe_dump(described), encoding="utf-8")
    environment = {**injected.environment, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"}
    done = run_ansible(tmp_path, "ansible-inventory", ["--list", "--export", "-i", path], environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["production"]["hosts"] == [_VM]
