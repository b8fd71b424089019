# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision, killed between any two tasks: the next run completes it, and does nothing twice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from suite import depth
from suite.ssh import Key

_CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
_PLAYBOOK = "polyvirt.core.provision"
_DAILY = 2
_NEVER = 0


class Provision:
    """The playbook with a fast guest; each guest has one script that counts how often it ran."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.key = Key(folder)
        self.name = f"{platform.prefix}provision"

    def run(self, kill_after=_NEVER):
        """(exit code, output, names of the tasks that had a result)."""
        names = self.folder / "names"
        names.unlink(missing_ok=True)
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
            "POLYVIRT_KILL_AFTER": str(kill_after),
            "POLYVIRT_KILL_NAMES": str(names),
        }
        words = [_PLAYBOOK, "-e", json.dumps(self._variables())]
        code, output = self._ansible_playbook(*words, environment=environment, folder=self.folder)
        return code, output, names.read_text(encoding="utf-8").splitlines()

    def _variables(self):
        guest = self.platform.guest
        (network,) = guest["networks"]
        return {
            "vm_name": self.name,
            "vm_user": "root",
            "vm_ssh_key_file": str(self.folder / "key"),
            "vm_known_hosts_folder": str(self.folder / "known_hosts"),
            "vm_image": guest["image"]["source"],
            "vm_image_linked": True,
            "vm_cpus": guest["cpus"],
            "vm_memory": guest["memory"],
            "vm_network_type": network["type"],
            "vm_network_source": network["source"],
            "vm_module_options": {**self.platform.options("vm"), "native": guest["native"]},
            "guest_scripts": [{"name": "count", "script": "echo once >>/root/count\n"}],
            # The guest has no sudo, and its user is root.
            "ansible_become": False,
        }

    def forget(self):
        """Removes the VM."""
        self.platform.clean()
        self.platform.start_network()

    def count_of_script(self, output):
        """How often the script ran, in the guest that the report names."""
        address = re.search(r"root@([0-9.]+)", output).group(1)
        return len(self.key.say(address, "cat /root/count").split())


@pytest.fixture
def provision(qemu, tmp_path, ansible_playbook):
    found = Provision(qemu, tmp_path, ansible_playbook)
    found.forget()
    return found


def test_killed_run_is_completed(provision, request):
    code, output, names = provision.run()
    assert code == 0, output
    assert "Log in: ssh" in output
    code, output, _names = provision.run()
    assert (code, "changed=0" in output, "changed=1" in output) == (0, True, False), output
    # Before the VM is created, nothing can be left behind.
    first = next(place for place, name in enumerate(names) if "Create the VM" in name)
    for place in depth.share(request.config, range(first + 1, len(names)), _DAILY):
        provision.forget()
        code, output, done = provision.run(kill_after=place)
        assert (code < 0, len(done)) == (True, place), output
        code, output, _names = provision.run()
        assert code == 0, f"killed after {done[-1]}: {output}"
        assert provision.count_of_script(output) == 1, f"killed after {done[-1]}"
        assert "changed=0" in provision.run()[1], f"killed after {done[-1]}"
