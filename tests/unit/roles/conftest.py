# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that run a role by ansible-playbook on this host."""

from __future__ import annotations

import json
import re
import sys

import pytest


@pytest.fixture(name="play")
def _play(ansible_playbook, tmp_path):
    def play(hosts, *tasks, arguments=(), **more):
        """(exit code, output in one line) of one play for hosts with variables."""
        book = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": list(tasks), **more}
        (tmp_path / "play.yml").write_text(json.dumps([book]), encoding="utf-8")
        (tmp_path / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
        code, output = ansible_playbook("-i", tmp_path / "inventory.yml", tmp_path / "play.yml", *arguments)
        return code, " ".join(output.split())

    return play


@pytest.fixture(name="agent_role")
def _agent_role(ansible_playbook, tmp_path):
    book = tmp_path / "play.yml"
    play = {"hosts": "localhost", "gather_facts": False, "roles": ["polyvirt.core.agent"]}
    book.write_text(json.dumps([play]), encoding="utf-8")

    def agent_role(variables, *arguments, **more):
        """(exit code, output, number of changes) of role agent; the guest is this host."""
        variables = {"ansible_python_interpreter": sys.executable, **variables}
        code, output = ansible_playbook(
            "-i", "localhost,", "-c", "local", book, "-e", json.dumps(variables), *arguments, **more
        )
        return code, output, int(re.search(r"changed=(\d+)", output)[1])

    return agent_role
