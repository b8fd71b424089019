# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What provision_group and teardown_group check before the first change: in check mode, on libvirt's test driver."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.full


@pytest.fixture(name="play")
def _play(ansible_playbook, tmp_path):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= test\n", encoding="utf-8")
    usual = {
        "ansible_connection": "local",
        "ansible_become": False,
        "vm_ssh_key_file": str(tmp_path / "key"),
        "vm_ssh_authorized_keys": [],
        "vm_module_options": {"uri": "test:///default", "storage_path": str(tmp_path)},
        "vm_disk_size": "1G",
    }

    def play(hosts, group="web", playbook="provision_group"):
        """Run a playbook in check mode for a group of ``hosts``: {name: variables}. Return (exit code, output)."""
        inventory = tmp_path / "hosts.json"
        children = {"web": {"hosts": hosts}, "other": {"hosts": {"kvm1": {}}}}
        inventory.write_text(json.dumps({"all": {"vars": usual, "children": children}}), encoding="utf-8")
        code, output = ansible_playbook(
            "-i", inventory, f"polyvirt.core.{playbook}", "--check", "-e", f"provision_group={group}"
        )
        return code, " ".join(output.split())

    return play


#: What provision_group checks of each VM with the tasks of provision; test_provision.py has all errors.
#: {what is wrong: (variables of the second VM, part of the error)}
WRONG = {
    "misspelt option": ({"vm_memroy": "2G"}, "vm_memroy is not an option of role polyvirt.core.vm"),
    "agent": ({"agent_profile": "zabbix_agent2"}, "two: profile zabbix_agent2 cannot be installed: it requires server"),
    "hypervisor": ({"provision_hypervisor": "kvm9"}, "their hypervisors are localhost, kvm9"),
    "two of one name": ({"vm_name": "one"}, "The VM one of localhost is described by several hosts: one, two."),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_wrong_option_stops_all(play, case):
    variables, reason = WRONG[case]
    code, output = play({"one": {}, "two": variables})
    assert code != 0
    assert reason in output
    assert "PLAY [Create the VMs]" not in output


@pytest.mark.parametrize("case", sorted(WRONG.keys() - {"agent"}))
def test_nothing_is_removed_if_one_option_is_wrong(play, case):
    """The agent's options have no effect on a VM that is removed."""
    variables, reason = WRONG[case]
    code, output = play({"one": {}, "two": variables}, playbook="teardown_group")
    assert code != 0
    assert reason in output
    assert "PLAY [Remove the VMs]" not in output


def test_vms_that_do_not_exist_need_no_removal(play):
    code, output = play({"one": {}, "two": {"vm_state": "started"}}, playbook="teardown_group")
    assert (code, "changed=1" in output, "changed=2" in output) == (0, False, False), output


@pytest.mark.parametrize("playbook", ["provision_group", "teardown_group"])
def test_group_without_hosts_is_rejected(play, playbook):
    code, output = play({"one": {}}, group="wbe", playbook=playbook)
    assert code != 0
    assert "provision_group is wbe, which matches 0 hosts of the inventory." in output


def test_vms_of_one_name_on_two_hypervisors_are_two_vms(play):
    code, output = play({"one": {}, "two": {"vm_name": "one", "provision_hypervisor": "kvm1"}})
    assert code == 0, output
    assert output.count('"one running - none"') == 2


def test_rejected_vm_is_reported_with_its_reason(play):
    """The module rejects the second VM, and then creates none of its hypervisor."""
    code, output = play({"one": {}, "two": {"vm_image": "/nowhere/image.qcow2"}})
    assert code != 0
    assert '"one failed - -"' in output
    _plays, _title, reasons = output.rpartition("PLAY [Report the VMs that failed]")
    assert reasons.count("two: image.source: /nowhere/image.qcow2 does not exist on the host") >= 2
