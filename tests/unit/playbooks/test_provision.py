# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""provision and install_agent check all options before the first change, in check mode as in a run."""

from __future__ import annotations

import json
import shutil

import pytest

pytestmark = pytest.mark.full

# Some guests are hosts of the inventory before their VM exists, with variables of their own.
INVENTORY = """[hypervisors]
one
[guests]
known agent_profile=zabbix_agent2
other
[mixed]
known
complete agent_profile=prometheus_node_exporter
[stopped]
test ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1
[all:vars]
ansible_connection=local
ansible_become=false
"""


@pytest.fixture(name="play")
def _play(ansible_playbook, tmp_path):
    assert shutil.which("virsh"), "These tests run real virsh: install libvirt-clients."
    inventory = tmp_path / "hosts"
    inventory.write_text(INVENTORY, encoding="utf-8")
    (tmp_path / "key.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAAUE= test\n", encoding="utf-8")
    (tmp_path / "guest").mkdir()
    usual = {
        "vm_name": "web",
        "provision_hypervisor": "one",
        "vm_ssh_key_file": str(tmp_path / "key"),
        "vm_module_options": {"uri": "test:///default"},
        "guest_image_path": str(tmp_path / "guest" / "image.qcow2"),
        "guest_image_source": "debian",
    }

    def play(playbook, *options, **variables):
        """Run a playbook of this collection in the folder of the test; return (exit code, output in one line)."""
        variables = {**usual, **variables} if playbook == "provision" else variables
        code, output = ansible_playbook(
            "-i", inventory, f"polyvirt.core.{playbook}", *options, "-e", json.dumps(variables), folder=tmp_path
        )
        return code, " ".join(output.split())

    return play


#: A test driver's node with the VM "test", which is stopped.
NODE = """<node><domain type='test' xmlns:testdriver='http://libvirt.org/schemas/domain/test/1.0'>
<name>test</name><uuid>11111111-2222-3333-4444-555555555555</uuid><memory>65536</memory><vcpu>1</vcpu>
<os><type>hvm</type></os><testdriver:runstate>5</testdriver:runstate></domain></node>"""
WRONG = {
    "unknown profile": ({"agent_profile": "prometheus"}, "web: profile prometheus ("),
    "required value": (
        {"agent_profile": "zabbix_agent2"},
        "web: profile zabbix_agent2 cannot be installed: it requires",
    ),
    "required secret": (
        {"agent_profile": "telegraf"},
        "it requires outputs; set it in agent_variables (a secret: use a vault file)",
    ),
    "undefined secret": (
        {"agent_profile": "telegraf", "agent_variables": {"outputs": "{{ vault_outputs }}"}},
        "'vault_outputs' is undefined",
    ),
    "unsigned software": (
        {"agent_profile": "sysmanage_agent", "agent_variables": {"server_url": "https://a"}},
        "set agent_allow_unsigned to true. Nothing was changed.",
    ),
    "version": (
        {"agent_profile": "prometheus_node_exporter", "agent_version": "1.2"},
        "web: agent_version is 1.2, but profile prometheus_node_exporter has no value version",
    ),
    "script": ({"guest_scripts": [{"name": "one"}]}, "web: guest_scripts: one must have a name"),
    "distribution": ({"unattended_install_distribution": "debian-31"}, "The catalogue has no 'debian-31'"),
    "installer": (
        {"unattended_install_distribution": "openbsd-7.9"},
        "the installer of OpenBSD cannot be started without a user on libvirt",
    ),
    "missing key": ({"vm_ssh_key_file": "/nowhere/key"}, "the controller has no file /nowhere/key.pub"),
    "unknown platform": ({"vm_platform": "xen"}, "vm_platform"),
    "image without an address": ({"guest_image_source": "url"}, "guest_image_url is empty"),
    "option of the VM": ({"vm_memory": "lots"}, "memory: 'lots' is not a size"),
    "misspelt option": ({"vm_memroy": "2G"}, "vm_memroy is not an option of role polyvirt.core.vm; did you mean vm_"),
    "misspelt profile": ({"agent_profle": "telegraf"}, "did you mean agent_profile?"),
}


@pytest.mark.parametrize("name", WRONG)
def test_check_mode_rejects_wrong_options(play, tmp_path, name):
    variables, reason = WRONG[name]
    code, output = play("provision", "--check", **variables)
    assert code != 0
    assert reason in output
    assert "changed=0" in output
    assert "changed=1" not in output
    assert list((tmp_path / "guest").iterdir()) == []


def test_run_rejects_wrong_options_before_the_image_is_created(play, tmp_path):
    code, output = play("provision", agent_profile="zabbix_agent2")
    assert code != 0
    assert "it requires server" in output
    assert "Create the image" not in output
    assert list((tmp_path / "guest").iterdir()) == []


def test_variables_of_a_known_guest_are_checked(play):
    code, output = play("provision", "--check", vm_name="known")
    assert code != 0
    assert "known: profile zabbix_agent2 cannot be installed: it requires server" in output


def test_check_mode_reports_what_a_run_would_do(play):
    code, output = play("provision", "--check", vm_name="other", agent_profile="prometheus_node_exporter")
    assert code == 0, output
    assert "other does not exist yet. A run without check mode creates it and installs the agent prometh" in output
    # The guest is a host of the inventory, and there is nothing to connect to.
    assert "Wait until cloud-init is done" not in output


def test_guest_of_a_stopped_vm_is_not_connected_to(ansible_playbook, play, tmp_path):
    (tmp_path / "node.xml").write_text(NODE, encoding="utf-8")
    options = {"uri": f"test://{tmp_path}/node.xml"}
    variables = {"vm_name": "test", "vm_state": "stopped", "vm_module_options": options}
    code, output = ansible_playbook(
        "-i", tmp_path / "hosts", "polyvirt.core.provision", "-e", json.dumps(variables), "-e", "ansible_become=false"
    )
    assert (code, "changed=0" in output, "UNREACHABLE" in output) == (0, True, False), output


def test_install_agent_checks_all_guests_before_the_first_change(play):
    code, output = play("install_agent", agent_target="mixed")
    assert code != 0
    assert "known: profile zabbix_agent2 cannot be installed: it requires server" in output
    assert "PLAY [Install the agent]" not in output


@pytest.mark.parametrize("path", ["own.yml", "./own.yml", "{folder}/own.yml", "~/own.yml"])
def test_path_of_a_profile_is_relative_to_the_current_folder(play, tmp_path, monkeypatch, ansible_environment, path):
    monkeypatch.setitem(ansible_environment, "HOME", str(tmp_path))
    (tmp_path / "own.yml").write_text(
        "{name: own, summary: Own, required: [a], verify: [{port: 1}], families: {default: {}}}", encoding="utf-8"
    )
    code, output = play(
        "install_agent", "--check", agent_target="other", agent_profile_path=path.format(folder=tmp_path)
    )
    assert code != 0
    assert "other: profile own cannot be installed: it requires a" in output
