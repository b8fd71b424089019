# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision, killed between any two tasks: the next run completes it, and does nothing twice."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from suite.by_ansible import has_changed
from suite.provisioning import variables_of_guest
from suite.ssh import Key

pytestmark = pytest.mark.full

_CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
_PLAYBOOK = "polyvirt.core.provision"
_CREATION = "polyvirt.core.vm : Call the module of the platform"
_NEVER = 0


class Provision:
    """The playbook with a fast guest; each guest has one script that counts how often it ran."""

    def __init__(self, platform, folder, ansible_playbook):
        self.platform, self.folder, self._ansible_playbook = platform, folder, ansible_playbook
        self.key = Key(folder)
        self.name = f"{platform.prefix}provision"

    def run(self, kill_after=_NEVER, kill_task=""):
        """(exit code, output, names of the tasks that had a result)."""
        names = self.folder / "names"
        names.unlink(missing_ok=True)
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "kill_after",
            "POLYVIRT_KILL_AFTER": str(kill_after),
            "POLYVIRT_KILL_TASK": kill_task,
            "POLYVIRT_KILL_NAMES": str(names),
        }
        words = [_PLAYBOOK, "-e", json.dumps(self._variables())]
        code, output = self._ansible_playbook(*words, environment=environment, folder=self.folder)
        return code, output, names.read_text(encoding="utf-8").splitlines()

    def _variables(self):
        return {
            **variables_of_guest(self.platform, self.folder / "key"),
            "vm_name": self.name,
            "guest_scripts": [{"name": "count", "script": "echo once >>/root/count\n"}],
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


def _is_unchanged(output):
    return "changed=0" in output and not has_changed(output)


def _assert_completed(provision, done):
    """The next run after one that was killed."""
    code, output, _names = provision.run()
    assert (code, "Log in: ssh" in output) == (0, True), f"killed after {done[-1]}: {output}"
    assert provision.count_of_script(output) == 1, f"killed after {done[-1]}"


def test_run_that_was_killed_after_the_creation_is_completed(provision):
    code, output, done = provision.run(kill_task=_CREATION)
    assert (code < 0, done[-1]) == (True, _CREATION), output
    _assert_completed(provision, done)


@pytest.mark.deep("test_run_that_was_killed_after_the_creation_is_completed")
def test_run_that_was_killed_after_any_task_is_completed(provision):
    code, output, names = provision.run()
    assert code == 0, output
    # Before the VM is created, nothing can be left behind.
    for place in range(names.index(_CREATION) + 1, len(names)):
        provision.forget()
        code, output, done = provision.run(kill_after=place)
        assert (code < 0, len(done)) == (True, place), output
        _assert_completed(provision, done)
    code, output, _names = provision.run()
    assert (code, _is_unchanged(output)) == (0, True), output
