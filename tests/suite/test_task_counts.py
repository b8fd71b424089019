# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many tasks Ansible starts for a playbook that has nothing to do, with a guest that answers SSH."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from pathlib import Path

import pytest

from suite.provisioning import variables_of_guest
from suite.ssh import Key

pytestmark = pytest.mark.full

MOST = 12
_CALLBACKS = Path(__file__).resolve().parent / "callback_plugins"
#: The bench runs a playbook more often.
_ROUNDS = int(os.environ.get("POLYVIRT_ROUNDS", "1"))


class Runs:
    """Runs a playbook, and counts what it does if it has nothing to do."""

    def __init__(self, folder, ansible_playbook, record_property):
        self.folder, self._ansible_playbook, self._record = folder, ansible_playbook, record_property

    def run(self, *words, **around):
        """The output of ansible-playbook, which must succeed, and the tasks that were started."""
        tasks = self.folder / "tasks"
        tasks.unlink(missing_ok=True)
        environment = {
            "ANSIBLE_CALLBACK_PLUGINS": str(_CALLBACKS),
            "ANSIBLE_CALLBACKS_ENABLED": "count_tasks",
            "POLYVIRT_TASKS": str(tasks),
            **around,
        }
        code, output = self._ansible_playbook(*words, environment=environment, folder=self.folder)
        assert code == 0, output
        return output, tasks.read_text(encoding="utf-8").splitlines()

    def again(self, playbook, *words, **around):
        """The output of the last of some runs, after the first one that creates the VM; few tasks are started."""
        self.run(*words, f"polyvirt.core.{playbook}", **around)
        seconds = []
        for _round in range(_ROUNDS):
            began = time.monotonic()
            output, tasks = self.run(*words, f"polyvirt.core.{playbook}", **around)
            seconds.append(time.monotonic() - began)
        self._record("playbook", playbook)
        self._record("tasks", len(tasks))
        self._record("seconds", " ".join(f"{one:.2f}" for one in seconds))
        assert 0 < len(tasks) <= MOST, "\n".join(tasks)
        return output


@pytest.fixture
def runs(qemu, tmp_path, ansible_playbook, record_property):
    qemu.clean()
    qemu.start_network()
    return Runs(tmp_path, ansible_playbook, record_property)


@pytest.mark.guest
def test_provision_with_nothing_to_do_starts_few_tasks(qemu, tmp_path, runs):
    Key(tmp_path)
    variables = {**variables_of_guest(qemu, tmp_path / "key"), "vm_name": f"{qemu.prefix}web"}
    output = runs.again("provision", "-e", json.dumps(variables))
    assert "changed=1" not in output
    assert "Log in: ssh" in output


def _leave(qemu, folder, runs, *names, **options):
    """Create VMs that expire at once, as the scenarios in their names do, or delete them."""
    given = {**qemu.options("vm"), "owner": "molecule", "expires": "0m", **options}
    given = {**given, **({} if "state" in options else qemu.creation)}
    machines = [{**given, "name": name} for name in names]
    tasks = [{"polyvirt.core.virsh_vm": {**one, "fleet": one["name"].rpartition("-")[0]}} for one in machines]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    (folder / "leave.yml").write_text(json.dumps([play]), encoding="utf-8")
    runs.run(folder / "leave.yml")


def test_molecule_create_of_existing_vms_starts_few_tasks(qemu, tmp_path, runs):
    variables = {**variables_of_guest(qemu, tmp_path / "key"), "vm_ssh_key_file": ""}
    for name in ("vm_known_hosts_folder", "ansible_become"):
        del variables[name]
    (tmp_path / "inventory").mkdir()
    hosts = {f"{qemu.prefix}web": variables}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    words = ["-i", tmp_path / "hosts.json", "-i", tmp_path / "inventory"]
    around = {"MOLECULE_EPHEMERAL_DIRECTORY": str(tmp_path)}
    scenario = hashlib.sha256(str(tmp_path).encode()).hexdigest()[:8]
    left, others = f"molecule-{scenario}-left", "molecule-00000000-left"
    try:
        _leave(qemu, tmp_path, runs, left, others)
        output = runs.again("molecule_create", *words, **around)
        assert {left, others}.intersection(qemu.all_names()) == {others}
        # A playbook starts few tasks although this VM of the scenario has not expired.
        _leave(qemu, tmp_path, runs, left, expires="2099-01-31")
        runs.run(*words, "polyvirt.core.molecule_create", **around)
        assert left in qemu.all_names()
    finally:
        _leave(qemu, tmp_path, runs, left, others, state="absent")
        runs.run(*words, "polyvirt.core.molecule_destroy", **around)
    # The expiry is extended. The removal of the snapshot is planned, and then it is replaced.
    assert re.findall(r"changed=[1-9]", output) == ["changed=3"]
