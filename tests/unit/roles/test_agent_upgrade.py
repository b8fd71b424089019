# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrades of an agent's packages, and the error message if the package manager fails.

The guest is this host. Stand-ins for apt-get and dpkg-query keep the version of one package in files.
"""

from __future__ import annotations

import os
import re

import pytest

DPKG_QUERY = '#!/bin/sh\n[ ! -e "$STATE/installed" ] || echo "ii "\n'
# Like apt-get: update copies the version of the repository; install -s prints the packages that would change.
APT_GET = """#!/bin/sh
echo "$*" >>"$STATE/calls"
case "$*" in
  *update*) cp "$STATE/repository" "$STATE/lists" ;;
  *--only-upgrade*|*install*)
    if [ -e "$STATE/broken" ]; then
      seq 1 60; echo "E: Unable to fetch some archives" >&2; echo "and more" >&2; exit 100
    fi
    case " $* " in
      *" -s "*) cmp -s "$STATE/lists" "$STATE/installed" || echo "Inst tool [1] (2 test)" ;;
      *) cp "$STATE/lists" "$STATE/installed" ;;
    esac ;;
esac
"""
PROFILE = {
    "name": "tool",
    "summary": "A tool",
    "families": {"debian": {"packages": ["tool"]}},
    "verify": [{"command": "true"}],
}


@pytest.fixture(name="state")
def _state(tmp_path):
    state = tmp_path / "state"
    programs = tmp_path / "programs"
    for folder in (state, programs):
        folder.mkdir()
    for name, text in (("apt-get", APT_GET), ("dpkg-query", DPKG_QUERY)):
        (programs / name).write_text(text, encoding="utf-8")
        (programs / name).chmod(0o755)
    for name in ("repository", "lists", "installed"):
        (state / name).write_text("1", encoding="utf-8")
    return state


@pytest.fixture(name="agent")
def _agent(agent_role, tmp_path, state):
    options = {
        "agent_profile_definition": PROFILE,
        "agent_family": "debian",
        "__agent_stamp_path": str(tmp_path / "notes" / "tool"),
    }
    path = f"{tmp_path / 'programs'}{os.pathsep}{os.environ['PATH']}"

    def agent(*arguments, **variables):
        """(exit code, output, number of changes) of the role."""
        environment = {"PATH": path, "STATE": str(state)}
        return agent_role({**options, **variables}, *arguments, environment=environment)

    return agent


def test_package_is_upgraded_only_with_permission(agent, state):
    assert agent()[0] == 0
    (state / "repository").write_text("2", encoding="utf-8")
    code, output, changes = agent()
    assert (code, changes, (state / "installed").read_text()) == (0, 0, "1"), output
    code, output, changes = agent(agent_upgrade=True)
    assert (code, changes, (state / "installed").read_text()) == (0, 1, "2"), output
    (state / "repository").write_text("3", encoding="utf-8")
    code, output, changes = agent(agent_version="latest")
    assert (code, changes, (state / "installed").read_text()) == (0, 1, "3"), output
    code, output, changes = agent(agent_version="latest")
    assert (code, changes) == (0, 0), output


def test_check_mode_reports_upgrade_and_changes_nothing(agent, state):
    agent()
    (state / "lists").write_text("2", encoding="utf-8")
    (state / "calls").unlink(missing_ok=True)
    code, output, changes = agent("--check", agent_upgrade=True)
    assert (code, changes, (state / "installed").read_text()) == (0, 1, "1"), output
    assert "update" not in (state / "calls").read_text(encoding="utf-8")


def test_failure_of_package_manager_begins_with_reason(agent, state):
    (state / "installed").unlink()
    (state / "broken").touch()
    code, output, _changes = agent()
    assert code != 0
    message = re.search(r'fatal: .*"msg": "([^"]*)"', output)[1]
    assert message.startswith("localhost: tool not installed: E: Unable to fetch some archives\\n")
    assert "\\n49\\n" not in message
    assert message.endswith("\\nand more")
