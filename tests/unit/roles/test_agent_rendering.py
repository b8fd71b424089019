# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shipped profiles with values, rendered by Ansible with the variables of the role."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import yaml

from suite import warm_ansible

pytestmark = pytest.mark.full

ROLE = Path(__file__).parents[3] / "roles" / "agent"

FACTS = {
    "debian": {"distribution": "Debian", "distribution_version": "12.11", "system": "Linux"},
    "redhat": {"distribution": "Rocky", "distribution_version": "9.6", "system": "Linux"},
    "alpine": {"distribution": "Alpine", "distribution_version": "3.22.1", "system": "Linux"},
    "openbsd": {"distribution": "OpenBSD", "distribution_version": "7.8", "system": "OpenBSD"},
    "freebsd": {"distribution": "FreeBSD", "distribution_version": "14.3", "system": "FreeBSD"},
}
PSK = "0123456789abcdef" * 4
OUTPUTS = '[[outputs.influxdb_v2]]\n  urls = ["https://influx.example.org"]\n  token = "sécret \\"token\\""\n'
REQUIRED = {
    "prometheus_node_exporter": {},
    "qemu_guest_agent": {},
    "salt_minion": {"master": "salt.example.org"},
    "sysmanage_agent": {"server_url": "https://sysmanage.example.org", "version": "1.2.3"},
    "telegraf": {"outputs": OUTPUTS},
    "zabbix_agent2": {"server": "192.0.2.1"},
}

# name: profile, family, values
CASES = {
    f"{profile}-{family}": (profile, family, values)
    for profile, values in REQUIRED.items()
    for family in yaml.safe_load((ROLE / "profiles" / f"{profile}.yml").read_text())["families"]
}
CASES.update(
    {
        "zabbix with a key": (
            "zabbix_agent2",
            "debian",
            {
                "server": "192.0.2.1",
                "server_active": "192.0.2.2",
                "hostname": "web 1",
                "port": 10055,
                "metadata": "linux",
            }
            | {"tls_psk_identity": "identity 1", "tls_psk": PSK},
        ),
        "zabbix with half a key": ("zabbix_agent2", "debian", {"server": "192.0.2.1", "tls_psk": PSK}),
        "zabbix with a bad key": (
            "zabbix_agent2",
            "debian",
            {"server": "a", "tls_psk": "xyz", "tls_psk_identity": "b"},
        ),
        "telegraf with all": (
            "telegraf",
            "debian",
            {"outputs": OUTPUTS, "hostname": 'a"b', "interval": "1m", "version": "1.38.4-1"}
            | {"tags": {"rack no": 7, "site": "\\x"}, "inputs": "[[inputs.mem]]"},
        ),
        "telegraf of one version on redhat": ("telegraf", "redhat", {"outputs": OUTPUTS, "version": "1.38.*"}),
        "telegraf of one version on alpine": ("telegraf", "alpine", {"outputs": OUTPUTS, "version": "1.38.4"}),
        "telegraf without a table": ("telegraf", "debian", {"outputs": "# [[outputs.file]]"}),
        "salt with all": (
            "salt_minion",
            "debian",
            {"master": ["one.example.org", "::1"], "id": "no", "master_finger": "ab:cd", "version": "3006.*"}
            | {"private_key": "-----BEGIN\nprivate\n-----END\n", "public_key": "public\n"},
        ),
        "salt with half a key": ("salt_minion", "openbsd", {"master": "a", "public_key": "public"}),
        "sysmanage with an odd token": (
            "sysmanage_agent",
            "debian",
            {"server_url": "https://a", "enrollment_token": 'a"b\\c'},
        ),
    }
)


def host_variables(profile, family, values):
    major = FACTS[family]["distribution_version"].split(".", maxsplit=1)[0]
    return {
        "agent_profile_path": str(ROLE / "profiles" / f"{profile}.yml"),
        "__agent_family_key": family,
        "agent_variables": values,
        "case_facts": FACTS[family] | {"distribution_major_version": major},
    }


def play(answer):
    facts = {key: "{{ case_facts." + key + " }}" for key in [*FACTS["debian"], "distribution_major_version"]}
    found = {
        "plan": "{{ __agent_plan }}",
        "files": "{{ __agent_plan_files }}",
        "needs": "{{ __agent_plan_needs }}",
        "verify": "{{ __agent_plan_verify }}",
        "secret_paths": "{{ __agent_secret_paths }}",
    }
    collected = "{{ dict(groups.all | zip(groups.all | map('extract', hostvars, 'case_found'))) | to_json }}"
    profile = {"file": "{{ agent_profile_path }}", "name": "__agent_profile_loaded"}
    options = {"agent_profile_folder": "/", "agent_upgrade": False, "agent_version": ""}
    copy = {"content": collected, "dest": str(answer), "mode": "0600"}
    return {
        "hosts": "all",
        "gather_facts": False,
        "connection": "local",
        "vars": {"role_path": str(ROLE), "agent_state": "present", "agent_profile": "", **options},
        "vars_files": [str(ROLE / "vars" / "main.yml")],
        "tasks": [
            {"ansible.builtin.set_fact": facts | {"cacheable": True}},
            {"ansible.builtin.include_vars": profile},
            {"ansible.builtin.set_fact": {"case_found": found}},
            {"ansible.builtin.copy": copy, "run_once": True, "delegate_to": "localhost"},
        ],
    }


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """{name of a case: its rendered plan}. The guest of a case has the name of the case."""
    folder = tmp_path_factory.mktemp("rendering")
    book = play(folder / "answer")
    hosts = {
        name: host_variables(*case) | {"ansible_python_interpreter": sys.executable} for name, case in CASES.items()
    }
    (folder / "play.yml").write_text(json.dumps([book]))
    (folder / "inventory.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    environment = os.environ | {"ANSIBLE_LOCAL_TEMP": str(folder / "local")}
    listed = ("-i", folder / "inventory.yml", folder / "play.yml")
    command = warm_ansible.program("ansible-playbook", *listed, environment=environment)
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads((folder / "answer").read_text())


def content(case, path):
    return next(file["content"] for file in case["files"] if file["path"] == path)


def unmet(case):
    return [need["remedy"] for need in case["needs"] if "that" in need and need["that"] not in (True, "True")]


def settings(text):
    return dict(line.split("=", 1) for line in text.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("name", [name for name in CASES if "-" in name])
def test_profile_renders_completely_for_every_family(rendered, name):
    case = rendered[name]
    assert "{{" not in json.dumps(case)
    assert unmet(case) == []
    assert case["verify"]
    for file in case["files"]:
        assert file["content"].startswith("# Written by Ansible\n") or file["path"].endswith(".psk")


@pytest.mark.parametrize("name", [name for name in CASES if "-" in name])
def test_repository_trusts_only_the_downloaded_key(rendered, name):
    plan = rendered[name]["plan"]
    text = plan.get("repository", {}).get("content", "")
    if "key" in plan:
        assert f"Signed-By: {plan['key']['path']}\n" in text or f"gpgkey=file://{plan['key']['path']}\n" in text
        assert ("gpgcheck=1" in text) == text.startswith("# Written by Ansible\n[")
    elif text:
        assert plan["repository"]["signed"] is False


def test_zabbix_answers_only_its_server(rendered):
    case = rendered["zabbix_agent2-debian"]
    assert settings(content(case, "/etc/zabbix/zabbix_agent2.d/polyvirt.conf")) == {
        "Server": "192.0.2.1",
        "ServerActive": "",
        "Hostname": "zabbix_agent2-debian",
        "ListenPort": "10050",
    }
    assert content(case, "/etc/zabbix/zabbix_agent2.psk").strip() == ""


def test_zabbix_key_is_only_in_its_secret_file(rendered):
    case = rendered["zabbix with a key"]
    assert settings(content(case, "/etc/zabbix/zabbix_agent2.d/polyvirt.conf")) == {
        "Server": "192.0.2.1",
        "ServerActive": "192.0.2.2",
        "Hostname": "web 1",
        "ListenPort": "10055",
        "HostMetadata": "linux",
        "TLSConnect": "psk",
        "TLSAccept": "psk",
        "TLSPSKIdentity": "identity 1",
        "TLSPSKFile": "/etc/zabbix/zabbix_agent2.psk",
    }
    assert content(case, "/etc/zabbix/zabbix_agent2.psk") == PSK + "\n"
    assert case["secret_paths"] == ["/etc/zabbix/zabbix_agent2.psk"]
    assert case["verify"][-1]["stdout_has"] == "[s|web 1]"
    assert unmet(case) == []


def test_telegraf_configuration_is_valid_toml(rendered):
    case = rendered["telegraf with all"]
    found = tomllib.loads(content(case, "/etc/telegraf/telegraf.conf"))
    assert found["agent"] == {"interval": "1m", "flush_interval": "1m", "hostname": 'a"b'}
    assert found["global_tags"] == {"rack no": "7", "site": "\\x"}
    assert found["inputs"] == {"mem": [{}]}
    assert found["outputs"]["influxdb_v2"][0]["token"] == 'sécret "token"'
    assert case["secret_paths"] == ["/etc/telegraf/telegraf.conf"]


@pytest.mark.parametrize("family, path", [("alpine", "/etc/telegraf.conf"), ("openbsd", "/etc/telegraf/telegraf.conf")])
def test_telegraf_has_default_inputs(rendered, family, path):
    found = tomllib.loads(content(rendered[f"telegraf-{family}"], path))
    assert found["agent"]["hostname"] == f"telegraf-{family}"
    assert {"cpu", "mem", "disk", "net"} < set(found["inputs"])


def test_version_is_pinned_for_apt_and_dnf(rendered):
    pin = content(rendered["telegraf with all"], "/etc/apt/preferences.d/polyvirt-telegraf")
    assert [yaml.safe_load(part) for part in pin.split("\n\n")] == [
        {"Package": "telegraf", "Pin": "version 1.38.4-1", "Pin-Priority": 1001},
        {"Package": "telegraf", "Pin": "release *", "Pin-Priority": -1},
    ]
    repository = rendered["telegraf of one version on redhat"]["plan"]["repository"]["content"]
    assert "includepkgs=telegraf-1.38.*\n" in repository
    without_version = rendered["telegraf-debian"]
    assert content(without_version, "/etc/apt/preferences.d/polyvirt-telegraf") == "# Written by Ansible\n"
    assert "includepkgs" not in rendered["telegraf-redhat"]["plan"]["repository"]["content"]


def test_salt_configuration_is_valid_yaml(rendered):
    case = rendered["salt with all"]
    assert yaml.safe_load(content(case, "/etc/salt/minion.d/polyvirt.conf")) == {
        "master": ["one.example.org", "::1"],
        "id": "no",
        "master_finger": "ab:cd",
    }
    assert content(case, "/etc/salt/pki/minion/minion.pem") == "-----BEGIN\nprivate\n-----END\n"
    assert content(case, "/etc/salt/pki/minion/minion.pub") == "public\n"
    assert case["secret_paths"] == ["/etc/salt/pki/minion/minion.pem"]


def test_salt_does_not_replace_a_key_of_the_minion(rendered):
    case = rendered["salt_minion-debian"]
    assert not [file["path"] for file in case["files"] if "/pki/" in file["path"]]
    assert yaml.safe_load(content(case, "/etc/salt/minion.d/polyvirt.conf")) == {
        "master": "salt.example.org",
        "id": "salt_minion-debian",
    }


@pytest.mark.parametrize(
    "name, remedy",
    [
        ("zabbix with half a key", "tls_psk and tls_psk_identity must be set together"),
        ("zabbix with a bad key", "tls_psk must be 32 to 512 hexadecimal digits"),
        ("telegraf without a table", "outputs has no table [[outputs.…]]"),
        ("telegraf of one version on alpine", "omit version"),
        ("salt with half a key", "private_key and public_key must be set together"),
    ],
)
def test_values_that_cannot_work_fail_a_need(rendered, name, remedy):
    (found,) = unmet(rendered[name])
    assert remedy in found


def test_file_with_an_escaped_secret_is_secret(rendered):
    case = rendered["sysmanage with an odd token"]
    assert 'a"b\\c' not in content(case, "/etc/sysmanage-agent.yaml")
    assert case["secret_paths"] == ["/etc/sysmanage-agent.yaml"]
