# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role in ansible-playbook: it writes the files that the other tests judge, and rejects everything else."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.filter.password_hash_for import password_hash_for

from unit.roles.unattended_install.rendering import BCRYPT, DISTRIBUTIONS, FILES, HASH, KEY, STATIC, rendered, values

SAME = ("domain", "user", "ssh_keys", "timezone", "packages", "late_commands", "disk_layout", "network", "mirror")
MORE = {
    "hostname": "web1",
    "domain": "example.org",
    "timezone": "Europe/Berlin",
    "packages": ["rsync"],
    "late_commands": ["echo \"{{ '{{ 7 * 7 }}' }}\" 'a'", "true"],
    "disk_layout": [{"mount": "/", "size": "4G", "grow": True}],
    "network": {name: value for name, value in STATIC.items() if value},
}


def given_to(installer):
    """(options of the role, the values that they mean) for one installer."""
    options = {"hostname": "web1"} if installer == "windows" else dict(MORE, ssh_keys=[KEY])
    if installer == "windows":
        options["password"] = "secret"
    else:
        options["password_hash"] = BCRYPT if installer == "openbsd" else HASH
    if installer == "openbsd":
        options.update(site_set=True, mirror="https://mirror.example.org/pub/OpenBSD")
    meant = dict(options)
    if "late_commands" in meant:
        meant["late_commands"] = ["echo \"{{ 7 * 7 }}\" 'a'", "true"]
        meant["disk_layout"] = [{"mount": "/", "size": "4G", "grow": True, "filesystem": ""}]
        meant["network"] = STATIC
    return options, values(installer, **meant)


class Role:
    """Plays the role on this host."""

    def __init__(self, folder, ansible_playbook):
        self.folder, self.answers, self._play = folder, folder / "answers", ansible_playbook

    def __call__(self, *words, installer="preseed", tasks_from="main", **options):
        variables = {"distribution": DISTRIBUTIONS[installer], "directory": str(self.answers), **options}
        named = {f"unattended_install_{name}": value for name, value in variables.items()}
        role = {"name": "polyvirt.core.unattended_install", "tasks_from": tasks_from}
        shown = {"ansible.builtin.debug": {"msg": "RESULT={{ unattended_install_result | default({}) | to_json }}"}}
        tasks = [{"ansible.builtin.include_role": role}, shown]
        play = {"hosts": "localhost", "gather_facts": False, "vars": named, "tasks": tasks}
        path = self.folder / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        return self._play(path, *words)


@pytest.fixture(name="role")
def _role(tmp_path, ansible_playbook):
    return Role(tmp_path, ansible_playbook)


@pytest.mark.parametrize("installer", sorted(FILES))
def test_files_are_those_that_are_judged(installer, role):
    """Check mode predicts the run and writes nothing, and a second run changes nothing."""
    options, meant = given_to(installer)
    code, output = role("--check", "--diff", installer=installer, **options)
    assert code == 0, output
    assert "changed=2" in output
    assert not role.answers.exists()
    code, output = role("--diff", "-vvv", installer=installer, **options)
    assert code == 0, output
    assert "changed=2" in output
    assert {path.name: path.read_text() for path in role.answers.iterdir()} == rendered(meant)
    assert oct(role.answers.stat().st_mode)[-3:] == "700"
    assert {oct(path.stat().st_mode)[-3:] for path in role.answers.iterdir()} == {"600"}
    for secret in ("secret", options.get("password_hash", "secret")):
        assert secret not in output.replace("password_hash", "")
    code, output = role(installer=installer, **options)
    assert (code, "changed=0" in output) == (0, True), output


def test_password_becomes_a_hash_that_stays(role):
    code, output = role("-vvv", hostname="web1", password="a$b'c", installer="openbsd")
    assert code == 0, output
    expected = password_hash_for("a$b'c", "openbsd", seed="web1  ansible")
    assert f"\nPassword for user = {expected}\n" in (role.answers / "install.conf").read_text()
    assert "a$b'c" not in output
    assert expected not in output


def test_result(role):
    code, output = role(hostname="web1", ssh_keys=[KEY])
    assert code == 0, output
    text = re.search(r'"msg": "RESULT=(.*)"\n', output).group(1)
    assert json.loads(json.loads(f'"{text}"')) == {
        "distribution": "debian-13",
        "installer": "preseed",
        "directory": str(role.answers),
        "files": ["preseed.cfg"],
        "marker": "/etc/polyvirt-installed",
        "kernel_arguments": "auto=true priority=critical DEBIAN_FRONTEND=text console=ttyS0,115200n8",
    }


@pytest.mark.parametrize(
    ("installer", "options", "message"),
    [
        ("preseed", {"hostnam": "x"}, "unattended_install_hostnam is not an option of role"),
        ("preseed", {"hostname": "web_1"}, "unattended_install_hostname: 'web_1' is invalid. Allowed: letters, digits"),
        ("preseed", {"ssh_keys": []}, "unattended_install_ssh_keys: nobody could log in."),
        ("openbsd", {"password_hash": HASH}, "unattended_install_password_hash: is not a bcrypt hash"),
        ("windows", {"ssh_keys": []}, "unattended_install_password: is required for Windows"),
    ],
)
@pytest.mark.parametrize("tasks_from", ["main", "validate"])
def test_error_before_anything_is_written(role, installer, options, message, tasks_from):
    given = {"hostname": "web1", "ssh_keys": [KEY], **options}
    code, output = role(installer=installer, tasks_from=tasks_from, **given)
    assert code
    assert message in " ".join(output.split())
    assert "Nothing was changed." in output
    assert not role.answers.exists()
