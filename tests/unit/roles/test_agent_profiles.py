# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profiles of role agent are valid: checked with the template that the role uses for a user's profile."""

from __future__ import annotations

import re
import subprocess
from copy import deepcopy
from pathlib import Path

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles" / "agent"
PROFILES = sorted((ROLE / "profiles").glob("*.yml"))
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
TEMPLATE = jinja2.Environment(trim_blocks=True).from_string((ROLE / "templates" / "profile_errors.j2").read_text())

COMMANDS = (
    "run",
    "unless",
    "command",
    "start",
    "stop",
    "status",
    "python",
    "installed",
    "install",
    "install_file",
    "remove",
)

MINIMAL = {
    "name": "minimal",
    "summary": "One file",
    "families": {"default": {"files": [{"path": "/opt/a", "mode": "0644", "content": "x"}]}},
    "verify": [{"command": "test -e /opt/a"}],
}


def errors(profile):
    text = TEMPLATE.render(
        __agent_document_raw=profile,
        __agent_schema=VARIABLES["__agent_schema"],
        __agent_families=VARIABLES["__agent_families"],
    )
    return [line.strip() for line in text.splitlines() if line.strip()]


def commands(node, key=None):
    """Yield every shell command of a profile or of the family table."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield from commands(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from commands(value, key)
    elif key in COMMANDS:
        yield node


@pytest.fixture(params=PROFILES, ids=lambda path: path.stem)
def shipped(request):
    return request.param, yaml.safe_load(request.param.read_text())


def test_shipped_profile_is_valid_and_has_the_name_of_its_file(shipped):
    path, profile = shipped
    assert errors(profile) == []
    assert profile["name"] == path.stem


def test_secrets_of_a_shipped_profile_have_empty_defaults(shipped):
    _path, profile = shipped
    assert [profile["variables"][name] for name in profile.get("secrets", [])] == [""] * len(profile.get("secrets", []))


def test_shipped_profile_uses_exactly_its_variables(shipped):
    path, profile = shipped
    used = set(re.findall(r"agent_values\.(\w+)", path.read_text()))
    assert used == set(profile["variables"])


def test_commands_of_a_shipped_profile_are_valid_shell(shipped):
    _path, profile = shipped
    for command in commands(profile):
        assert shell_accepts(re.sub(r"\{\{.*?\}\}", "value", command, flags=re.S)), command


@pytest.mark.parametrize("command", list(commands(VARIABLES["__agent_families"])))
def test_commands_of_a_family_are_valid_shell(command):
    assert shell_accepts(command)


def shell_accepts(command):
    return subprocess.run(["sh", "-n"], input=command, text=True, capture_output=True, check=False).returncode == 0


def test_files_with_a_secret_are_not_accessible_to_other_users(shipped):
    _path, profile = shipped
    for family in profile["families"].values():
        for file in family.get("files", []):
            if any(re.search(rf"agent_values\.{name}\b", file["content"]) for name in profile.get("secrets", [])):
                assert file["mode"].endswith("0"), file["path"]


def test_every_detectable_family_has_commands():
    assert set(VARIABLES["__agent_family_ids"].values()) == set(VARIABLES["__agent_families"])


def test_minimal_profile_is_valid():
    assert errors(MINIMAL) == []


def in_default(**keys):
    return lambda profile: profile["families"]["default"].update(keys)


@pytest.mark.parametrize(
    "damage, error",
    [
        (lambda p: p.update(nme="x"), "profile: unknown key 'nme'"),
        (lambda p: p.pop("summary"), "profile: key 'summary' is missing"),
        (lambda p: p.update(name="../x"), "name: '.' is not allowed in a name"),
        (lambda p: p.pop("verify"), "families.default: the agent has no checks"),
        (lambda p: p.update(verify=[{"port": 1, "url": "http://x"}]), "[0]: exactly one of these keys is required"),
        (lambda p: p.update(verify={"port": 1}), "profile.verify: must be a list"),
        (lambda p: p.update(families={}), "families: must be a mapping with at least one family"),
        (lambda p: p["families"].update(plan9={}), "families: unknown family 'plan9' (known: debian, redhat"),
        (lambda p: p.update(variables=["x"]), "variables: must be a mapping"),
        (in_default(packages="one"), "families.default.packages: must be a list"),
        (in_default(files=[{"path": "/a", "mode": "0644"}]), "default.files[0]: exactly one of these keys is required"),
        (in_default(files=["/a"]), "families.default.files[0]: must be a mapping"),
        (in_default(steps_after=[{"run": "true"}]), "families.default.steps_after[0]: key 'unless' is missing"),
        (in_default(key={"url": "u", "path": "p"}), "key: exactly one of these keys is required: sha256, fingerprint"),
        (in_default(needs=[{"command": "true"}]), "families.default.needs[0]: key 'remedy' is missing"),
        (in_default(needs=[{"remedy": "x"}]), "default.needs[0]: exactly one of these keys is required: that, command"),
        (lambda p: p.update(needs=[{"unless": "x", "remedy": "y"}]), "needs[0]: unknown key 'unless'"),
        (in_default(repository={"path": "p", "line": "l"}), "families.default.repository: key 'signed' is missing"),
        (
            in_default(service={"name": "a", "manager": "none"}),
            "service: command 'start' is required with manager none",
        ),
        (in_default(service={"name": "a", "start": "x"}), "command 'start' is supported with manager none only"),
        (in_default(service={"name": "a", "manager": "runit"}), "families.default.service.manager: 'runit' is unknown"),
    ],
)
def test_error_message_has_the_location(damage, error):
    profile = deepcopy(MINIMAL)
    damage(profile)
    assert any(error in line for line in errors(profile)), errors(profile)


def test_all_errors_are_reported_at_once():
    profile = deepcopy(MINIMAL)
    profile["nme"] = "x"
    profile["families"]["default"]["pacakges"] = ["y"]
    assert len(errors(profile)) == 2


@pytest.mark.parametrize("profile", [None, [], "text"])
def test_profile_that_is_not_a_mapping_is_reported(profile):
    assert errors(profile) == ["profile: must be a mapping"]
