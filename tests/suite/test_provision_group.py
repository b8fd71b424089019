# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision_group: several VMs in one run. One that fails does not stop the others."""

from __future__ import annotations

import json
import re

import pytest

from suite.provisioning import variables_of_guest
from suite.ssh import Key

_PLAYBOOK = "polyvirt.core.provision_group"
_SCRIPT = {"name": "count", "script": "echo once >>/root/count\n"}
_FAILING = {"name": "fail", "script": "echo not today >&2\nexit 3\n"}
_CREATION = "TASK [polyvirt.core.vm : Call the module of the platform"


class Group:
    """The VMs of one group of an inventory; each guest runs scripts."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.key = Key(folder)
        self.usual = variables_of_guest(platform, folder / "key")
        self.names = [f"{platform.prefix}{word}" for word in ("one", "two", "three")]

    def run(self, *words, **variables):
        """(exit code, output, {host: its line of the recap}) with ``variables`` of single VMs ({word: variables})."""
        hosts = {
            name: {"guest_scripts": [_SCRIPT], **variables.get(name.removeprefix(self.platform.prefix), {})}
            for name in self.names
        }
        inventory = self.folder / "inventory.json"
        # JSON is YAML; the VMs are hosts that do not exist yet.
        inventory.write_text(json.dumps({"all": {"vars": self.usual, "children": {"web": {"hosts": hosts}}}}))
        code, output = self._ansible_playbook(
            "-i", inventory, _PLAYBOOK, "-e", "provision_group=web", *words, folder=self.folder
        )
        recap = output.rpartition("PLAY RECAP")[2]
        return code, output, dict(re.findall(r"^(\S+) +: (.*)$", recap, re.MULTILINE))

    def counts(self, output):
        """How often the script ran in each guest of the table."""
        addresses = dict(re.findall(r"Log in to (\S+): ssh .*root@([0-9.]+)", output))
        return {
            name: len(self.key.say(address, "touch /root/count; cat /root/count").split())
            for name, address in addresses.items()
        }


@pytest.fixture
def group(qemu, tmp_path, ansible_playbook):
    qemu.clean()
    qemu.start_network()
    return Group(qemu, tmp_path, ansible_playbook)


def _state_in_table(output, name):
    return re.search(rf'"{name} +(\w+)', output).group(1)


@pytest.mark.deep("tests/suite/test_provision_platforms.py, without guests")
def test_vms_are_created_by_one_task_and_a_failing_one_does_not_stop_the_others(group):
    one, _two, three = group.names
    code, output, recap = group.run("--check")
    assert (code, group.platform.all_names()) == (0, []), output
    # Without a kernel, the guest never answers.
    silent = {**group.usual["vm_module_options"], "native": {}}
    code, output, recap = group.run(
        two={"guest_scripts": [_FAILING]}, three={"vm_module_options": silent, "vm_timeout": 15}
    )
    assert code != 0, output
    assert output.count(_CREATION) == 1
    assert [_state_in_table(output, name) for name in group.names] == ["running", "failed", "failed"]
    assert ["failed=0" in recap[name] for name in group.names] == [True, False, False], output
    reasons = output.rpartition("PLAY [Report the VMs that failed]")[2]
    assert "not today" in reasons
    assert re.search(rf"{three}: .*15 s", reasons), output
    assert group.counts(output)[one] == 1
    group.platform.virsh("destroy", three)
    code, output, recap = group.run()
    assert code == 0, output
    assert group.counts(output) == dict.fromkeys(group.names, 1)
    code, output, recap = group.run()
    assert (code, {line.split()[1] for line in recap.values()}) == (0, {"changed=0"}), output
