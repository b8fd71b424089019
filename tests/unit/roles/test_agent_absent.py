# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State absent removes all files that the role has written, and no others. The guest is this host."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.full

LINE = "https://mirror.example.org/community"


def profile(folder):
    """A profile with files only. Without ``private_key`` the agent creates its key itself, as Salt does."""
    key = {
        "path": f"{folder}/pki/key",
        "mode": "0600",
        "when": "{{ agent_values.private_key != '' }}",
        "content": "{{ agent_values.private_key }}\n",
    }
    configuration = {"path": f"{folder}/etc/{{{{ agent_values.id }}}}.conf", "mode": "0644", "content": "a\n"}
    return {
        "name": "of_files",
        "summary": "Files",
        "variables": {"private_key": "", "id": "one", "ending": "true"},
        "secrets": ["private_key"],
        "families": {
            "default": {
                "repository": {"path": f"{folder}/repository", "signed": True, "content": "r\n"},
                "files": [configuration, key],
                "steps_after": [{"run": "{{ agent_values.ending }}", "unless": "false"}],
            }
        },
        "verify": [{"command": "true"}],
    }


@pytest.fixture(name="guest")
def _guest(tmp_path):
    guest = tmp_path / "guest"
    (guest / "pki").mkdir(parents=True)
    return guest


@pytest.fixture(name="agent")
def _agent(agent_role, tmp_path, guest):
    path = tmp_path / "profile.yml"
    path.write_text(json.dumps(profile(guest)), encoding="utf-8")
    options = {
        "agent_profile_path": str(path),
        "agent_family": "unknown",
        "__agent_stamp_path": str(guest / "notes" / "of_files"),
    }

    def agent(state, *arguments, **values):
        """(exit code, output, number of changes) of the role; a value of ``options`` replaces that option."""
        own = {name: values.pop(name) for name in options.keys() & values.keys()}
        return agent_role({**options, **own, "agent_state": state, "agent_variables": values}, *arguments)

    return agent


def files(guest):
    return sorted(str(path.relative_to(guest)) for path in guest.rglob("*") if path.is_file())


def test_files_written_with_earlier_values_are_removed(agent, guest):
    code, output, _changes = agent("present", private_key="made before", id="two")
    assert code == 0, output
    assert files(guest) == ["etc/two.conf", "notes/of_files.paths", "pki/key", "repository"]
    code, output, _changes = agent("present")
    assert code == 0, output
    assert {"etc/one.conf", "etc/two.conf", "pki/key"} < set(files(guest))
    # The record is sorted: otherwise a run with the same paths could change it.
    record = (guest / "notes" / "of_files.paths").read_text(encoding="utf-8").splitlines()
    assert record == sorted(record)
    code, output, _changes = agent("absent")
    assert code == 0, output
    assert files(guest) == []
    assert agent("absent")[2] == 0


def test_key_created_by_the_agent_is_not_removed(agent, guest):
    (guest / "pki" / "key").touch()
    code, output, _changes = agent("present")
    assert code == 0, output
    code, output, _changes = agent("absent", private_key="made before")
    assert code == 0, output
    assert files(guest) == ["pki/key"]


def test_files_of_a_failed_run_are_removed(agent, guest):
    code, output, _changes = agent("present", private_key="made before", ending="false")
    assert code != 0
    assert "pki/key" in files(guest), output
    code, output, _changes = agent("absent")
    assert code == 0, output
    assert files(guest) == []


def test_check_mode_on_a_new_guest_writes_nothing(agent, guest):
    code, output, _changes = agent("present", "--check", private_key="made before")
    assert code == 0, output
    assert files(guest) == []


@pytest.mark.parametrize("existed", [True, False])
def test_line_of_a_repository_is_removed_if_the_role_has_added_it(agent, guest, tmp_path, existed):
    changed = profile(guest)
    repositories = guest / "repositories"
    changed["families"]["default"]["repository"] = {"path": str(repositories), "signed": True, "line": LINE}
    (tmp_path / "profile.yml").write_text(json.dumps(changed), encoding="utf-8")
    before = ["https://mirror.example.org/main", *([LINE] if existed else [])]
    repositories.write_text("\n".join(before) + "\n", encoding="utf-8")
    for _run in range(2):
        code, output, changes = agent("present")
        assert code == 0, output
    assert (changes, LINE in repositories.read_text(encoding="utf-8").splitlines()) == (1, True), output
    code, output, _changes = agent("absent")
    assert code == 0, output
    assert repositories.read_text(encoding="utf-8").splitlines() == before
    assert files(guest) == ["repositories"]


def test_line_of_a_repository_remains_for_another_profile(agent, guest, tmp_path):
    repositories = guest / "repositories"
    repositories.write_text("https://mirror.example.org/main\n", encoding="utf-8")
    chosen = {}
    for name in ("first", "second"):
        described = profile(guest / name)
        described["families"]["default"]["repository"] = {"path": str(repositories), "signed": True, "line": LINE}
        path = tmp_path / f"{name}.yml"
        path.write_text(json.dumps({**described, "name": name}), encoding="utf-8")
        (guest / name / "pki").mkdir(parents=True)
        stamp = str(guest / "notes" / name)
        chosen[name] = {"agent_profile_path": str(path), "__agent_stamp_path": stamp}
        code, output, _changes = agent("present", **chosen[name])
        assert code == 0, output
    for name, remains in (("first", True), ("second", False)):
        code, output, _changes = agent("absent", **chosen[name])
        assert code == 0, output
        assert (LINE in repositories.read_text(encoding="utf-8")) is remains
