# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program of Ansible in a fork of a prepared process behaves as in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from platforms import warm
from suite import warm_ansible


def _output(command, **environment):
    around = {**os.environ, **environment}
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("name", ["PYTHONHASHSEED", "LD_PRELOAD", "LC_ALL", "LANGUAGE"])
def test_variable_that_only_a_start_reads_starts_a_process(name):
    command = warm_ansible.program("ansible-config", "dump", environment={**os.environ, name: "other"})
    assert command == [str(Path(sys.executable).with_name("ansible-config")), "dump"]


def test_fork_has_the_settings_of_its_caller(tmp_path):
    configuration = tmp_path / "ansible.cfg"
    configuration.write_text("[defaults]\ntimeout = 77\n", encoding="utf-8")
    environment = {"ANSIBLE_CONFIG": str(configuration), "ANSIBLE_FORKS": "7"}
    words = ("dump", "--only-changed", "--type", "base", "--format", "json")
    command = warm_ansible.program("ansible-config", *words, environment={**os.environ, **environment})
    assert command[0] == sys.executable
    found = {one.get("name"): one.get("value") for one in json.loads(_output(command, **environment))}
    assert (found["DEFAULT_FORKS"], found["DEFAULT_TIMEOUT"]) == (7, 77)


def test_fork_has_the_time_zone_of_its_caller():
    socket = warm.new_server(dict(os.environ), "timeit")
    words = ("-n", "1", "-r", "1", "-s", "import time; print(time.strftime('zone %Z'))", "pass")
    for zone in ("UTC", "AAA5"):
        command = warm.command(socket, "timeit", *words)
        assert f"zone {zone[:3]}\n" in _output(command, TZ=zone)


def test_settings_that_are_used_often_have_a_process_of_their_own(tmp_path):
    """Its forks read the variables of groups, too: Ansible enables their plugin when it loads the first one."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.json").write_text('{"known": "of all"}', encoding="utf-8")
    (tmp_path / "hosts").write_text("one ansible_connection=local\n", encoding="utf-8")
    task = {"ansible.builtin.debug": {"msg": "{{ known }}"}}
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "one", "gather_facts": False, "tasks": [task]}]))
    environment = {"ANSIBLE_CONFIG": str(warm_ansible.folder() / "empty.cfg"), "ANSIBLE_FORKS": "3"}
    words = ("ansible-playbook", "-i", tmp_path / "hosts", tmp_path / "play.json")
    commands = [warm_ansible.program(*words, environment={**os.environ, **environment}) for _time in range(3)]
    assert ["suite.warm_playbook" in command for command in commands] == [False, False, True]
    assert ['"msg": "of all"' in _output(command, **environment) for command in commands[1:]] == [True, True]
