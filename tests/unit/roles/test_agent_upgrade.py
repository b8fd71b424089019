# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent's packages: upgrades, and a package manager that fails or was interrupted.

The guest is this host. Stand-ins for apt-get, dpkg and dpkg-query keep the version of one package in files.
"""

from __future__ import annotations

import os
import re

import pytest

pytestmark = pytest.mark.full

DPKG_QUERY = '#!/bin/sh\ncase "$*" in *missing) exit 1 ;; esac\n[ ! -e "$STATE/installed" ] || echo "ii "\n'
DPKG = '#!/bin/sh\necho "dpkg $*" >>"$STATE/calls"\nrm -f "$STATE/interrupted"\n'
# Like apt-get: update copies the version of the repository; install -s prints the packages that would change.
APT_GET = """#!/bin/sh
echo "$* http_proxy=$http_proxy" >>"$STATE/calls"
if [ -e "$STATE/interrupted" ]; then
  echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem." >&2; exit 100
fi
case "$*" in
  *update*)
    cp "$STATE/repository" "$STATE/lists"
    if [ -e "$STATE/other broken" ]; then echo "E: The other repository has no Release file" >&2; exit 100; fi ;;
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
    for name, text in (("apt-get", APT_GET), ("dpkg", DPKG), ("dpkg-query", DPKG_QUERY)):
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


@pytest.mark.parametrize("obstacle", ["interrupted", "other broken"])
def test_package_is_installed_despite_an_obstacle(agent, state, obstacle):
    """An interrupted dpkg is completed, and a broken repository of another program is not needed."""
    (state / "installed").unlink()
    (state / obstacle).touch()
    code, output, _changes = agent()
    assert (code, (state / "installed").exists()) == (0, True), output


@pytest.mark.parametrize("kind", ["content", "line"])
@pytest.mark.parametrize("is_installed", [False, True])
def test_repository_that_does_not_work_is_removed_again(agent, state, tmp_path, kind, is_installed):
    """But not if a package of the agent is installed: the repository has worked once."""
    file, line = tmp_path / "repository.list", "deb https://example.org stable main"
    text = f"{line}\n" if kind == "content" else line
    repository = {"path": str(file), "signed": True, kind: text}
    packages = ["tool", "missing"]
    profile = {**PROFILE, "families": {"debian": {"packages": packages, "repository": repository}}}
    if not is_installed:
        (state / "installed").unlink()
    (state / "broken").touch()
    code, output, _changes = agent(agent_profile_definition=profile)
    assert code != 0
    assert (line in file.read_text() if file.exists() else False) is is_installed
    assert (f"The repository {file} was removed again" in output) is not is_installed


def test_proxy_is_used_for_packages_and_python(agent, state):
    (state / "installed").unlink()
    proxy = "http://proxy.example.org:3128/?a=1&b"
    for code, variables in ((0, {}), (2, {"__agent_guest_python": ""})):
        (state / "calls").unlink(missing_ok=True)
        done, output, _changes = agent(agent_proxy=proxy, **variables)
        calls = [line for line in (state / "calls").read_text(encoding="utf-8").splitlines() if "dpkg" not in line]
        assert (done, len(calls)) == (code, 2), output
        assert all(line.endswith(f" http_proxy={proxy}") for line in calls)
