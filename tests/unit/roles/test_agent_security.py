# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role agent: secrets are neither shown nor in a command, only the trusted key is accepted. The guest is this host."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

SECRET = "correct-horse-battery"
KEYS = Path(__file__).parents[1] / "fixtures" / "openpgp"
#: The fingerprint of the key in one.asc, which is the first of the two keys in two.asc.
FINGERPRINT = "4D30E85BE34451E98ED6BB03ADFB420703AB451F"


@pytest.fixture(name="guest")
def _guest(tmp_path):
    guest = tmp_path / "guest"
    guest.mkdir()
    return guest


@pytest.fixture(name="agent")
def _agent(agent_role, tmp_path, guest):
    def agent(family, *arguments):
        """(exit code, output, number of changes) of the role with a profile of this one family."""
        profile = {
            "name": "tool",
            "summary": "A tool",
            "variables": {"password": SECRET},
            "secrets": ["password"],
            "families": {"default": family},
            "verify": [{"command": "true"}],
        }
        (tmp_path / "profile.yml").write_text(json.dumps(profile), encoding="utf-8")
        variables = {
            "agent_profile_path": str(tmp_path / "profile.yml"),
            "agent_family": "unknown",
            "__agent_stamp_path": str(guest / "stamps" / "tool"),
        }
        return agent_role(variables, *arguments)

    return agent


def file_with_secret(guest):
    content = "password={{ agent_values.password }}\n"
    return {"path": f"{guest}/etc/password", "mode": "0600", "content": content}


def test_secret_in_a_file_is_not_in_the_output(agent, guest):
    code, output, _changes = agent({"files": [file_with_secret(guest)]}, "-vvv", "--diff")
    assert code == 0, output
    assert (guest / "etc" / "password").read_text(encoding="utf-8") == f"password={SECRET}\n"
    assert SECRET not in output


def test_file_with_a_secret_in_any_spelling_is_rejected_if_others_can_read_it(agent, guest):
    spellings = [
        "agent_values.password | b64encode",
        "agent_values['password'] | b64encode",
        'agent_values [ "password" ] | b64encode',
        "agent_values.get('password') | b64encode",
        "agent_values | to_json | b64encode",
        "agent_variables | to_json | b64encode",
    ]
    open_files = {
        "b64": "{{ 'port' | b64encode }}",
        "plain": "{{ agent_values.port }}{{ agent_values['password_file'] }}",
    }
    contents = {**{f"secret{number}": f"{{{{ {text} }}}}" for number, text in enumerate(spellings)}, **open_files}
    files = [{"path": f"{guest}/{name}", "mode": "0644", "content": text} for name, text in contents.items()]
    code, output, changes = agent({"files": files}, "-e", '{"agent_variables": {"port": 1, "password_file": "/a"}}')
    assert (code, changes, list(guest.iterdir())) == (2, 0, []), output
    rejected = " ".join(f"{guest}/secret{number} (0644)" for number in range(len(spellings)))
    assert f"that all users of the guest can read: {rejected}. Use mode 0640" in " ".join(output.split())


@pytest.mark.parametrize("key", ["run", "unless"])
def test_secret_in_a_command_is_rejected(agent, guest, key):
    step = {"run": "true", "unless": "false", key: "echo {{ agent_values.password }}"}
    code, output, changes = agent({"files": [file_with_secret(guest)], "steps_after": [step]})
    assert (code, changes, list(guest.iterdir())) == (2, 0, []), output
    assert "uses a secret outside the content of a file" in " ".join(output.split())
    assert SECRET not in output


def test_permission_can_be_given_as_text(agent, guest):
    """With -e, and in an INI inventory, booleans are text."""
    unsigned = {"package_files": [{"name": "tool", "url": "http://127.0.0.1:1/tool.deb"}]}
    for value, message in (("false", "installs unsigned software"), ("true", "does not know the package manager")):
        code, output, changes = agent(unsigned, "-e", f"agent_allow_unsigned={value}", "-e", "agent_upgrade=false")
        assert (code, changes, list(guest.iterdir())) == (2, 0, []), output
        assert message in " ".join(output.split())


def test_check_mode_reports_commands_and_does_not_run_them(agent, guest):
    created = guest / "created"
    step = {"run": f"touch {created}", "unless": f"test -e {created}"}
    steps = {"steps_before": [step], "steps_after": [step]}
    _code, _output, planned = agent(steps, "--check")
    assert list(guest.iterdir()) == []
    code, output, _changes = agent(steps)
    assert code == 0, output
    assert created.exists()
    assert planned > agent(steps, "--check")[2] == 0


@pytest.mark.parametrize("file", ["one.asc", "two.asc"])
def test_only_the_trusted_key_may_be_in_the_file(agent, guest, file):
    path = guest / "keys" / "vendor.asc"
    key = {"url": f"file://{KEYS / file}", "path": str(path), "fingerprint": FINGERPRINT}
    repository = {"path": f"{guest}/repository", "signed": True, "content": f"signed-by {path}\n"}
    code, output, _changes = agent({"key": key, "repository": repository})
    is_accepted = file == "one.asc"
    assert (code == 0, path.exists(), (guest / "repository").exists()) == (is_accepted,) * 3, output
