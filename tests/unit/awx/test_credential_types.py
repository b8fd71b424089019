# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credential types for AWX: AWX accepts them, and modules work with what they inject, also with empty fields."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.account import account
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools.virsh import SYSTEM_URI, connection_uri

from platforms.hyperv.double.host import HyperV
from platforms.windows.winrm_server import PASSWORD, USER, WinRMServer, through
from simulators.proxmox import worlds
from simulators.proxmox.server import Server
from suite import warm_ansible
from unit.awx.guide import TYPES, block, data
from unit.awx.injector import inject, problems

PROXMOX, WINDOWS, LIBVIRT = (TYPES[name] for name in ("proxmox", "windows", "libvirt_ssh"))
_TOKEN = {"api_host": "pve1", "api_user": "ci@pve", "api_token_id": "t", "api_token_secret": "hidden"}
#: How ansible-inventory prints a text that must not be taken as a template.
UNSAFE = {"__ansible_unsafe": "{{ lookup('pipe', 'echo executed') }}"}
_WINDOWS = {"windows_user": USER, "windows_password": PASSWORD, "windows_authentication": "basic"}


@pytest.mark.parametrize("name", TYPES)
def test_awx_accepts_the_type(name):
    assert problems(TYPES[name]) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"kind": "ssh"}, "kind: only cloud and net"),
        ({"new_name": "x"}, "new_name: not an attribute"),
        ({"inputs": {"fields": [{"id": "a b", "label": "A"}]}}, "field a b: id is not valid"),
        ({"inputs": {"fields": [{"id": "a", "label": "A"}] * 2}}, "fields: a is listed twice"),
        ({"inputs": {"fields": [{"id": "a", "label": "A", "type": "integer"}]}}, "field a: type is not valid"),
        ({"inputs": {"fields": [{"id": "a", "label": "A", "type": "boolean", "secret": True}]}}, "keys of a boolean"),
        ({"inputs": {"fields": [{"id": "a", "label": "A", "default": 1}]}}, "field a: default is not valid"),
        ({"inputs": {"fields": [], "required": ["b"]}}, "required: b is not a field"),
        ({"injectors": {"env": {"ANSIBLE_USER": ""}}}, "ANSIBLE_USER: reserved"),
        ({"injectors": {"env": {"PATH": ""}}}, "PATH: reserved"),
        ({"injectors": {"env": {"A": "{{ b }}"}}}, "env.A: 'b' is undefined"),
        ({"injectors": {"env": {"A": "{{ tower.filename }}"}}}, "env.A: "),
        ({"injectors": {"file": {"template": "", "template.a": ""}}}, "file: template, or several"),
    ],
)
def test_rules_of_awx(changes, problem):
    valid = {"name": "x", "kind": "cloud", "inputs": {"fields": []}, "injectors": {}}
    assert problems(valid) == []
    found = problems({**valid, **changes})
    assert [one for one in found if problem in one] != [], found


@pytest.fixture
def environment_of(tmp_path, monkeypatch):
    """Set the environment of a credential: ``environment_of(type, values)`` returns what was injected."""

    def set_environment(credential_type, values):
        injected = inject(credential_type, values, tmp_path)
        for name, value in injected.environment.items():
            monkeypatch.setenv(name, value)
        return injected

    return set_environment


def test_empty_fields_of_proxmox_are_not_set(environment_of):
    injected = environment_of(PROXMOX, {**_TOKEN, "api_port": "", "ca_certificate": ""})
    assert (injected.environment["PROXMOX_PORT"], injected.environment["PROXMOX_CA_PATH"]) == ("", "")
    found = account({})
    assert (found.where, found.who, found.token_secret, found.verify) == ("pve1:8006", "ci@pve!t", "hidden", True)
    environment_of(PROXMOX, {})
    with pytest.raises(InvalidInput, match="api_host is not set"):
        account({})


@pytest.mark.parametrize("given", [True, False, None])
def test_certificate_is_verified_unless_the_credential_says_otherwise(environment_of, given):
    """Also if the field is missing, because AWX injects a missing boolean as False."""
    environment_of(PROXMOX, {**_TOKEN, **({} if given is None else {"skip_verification": given})})
    assert account({}).verify is not (given is True)


def test_secret_files_are_for_their_owner_only(environment_of):
    injected = environment_of(LIBVIRT, {"ssh_user": "root", "ssh_private_key": "KEY"})
    path = Path(injected.environment["POLYVIRT_LIBVIRT_KEY_FILE"])
    assert path.read_text(encoding="utf-8") == "KEY\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        ("", SYSTEM_URI),
        ("qemu+ssh://root@hv1/system", "qemu+ssh://root@hv1/system?keyfile={key}"),
        ("qemu+ssh://root@hv1/system?no_tty=1", "qemu+ssh://root@hv1/system?no_tty=1&keyfile={key}"),
    ],
)
def test_connection_of_virsh(environment_of, given, uri):
    values = {"ssh_user": "root", "ssh_private_key": "KEY", "libvirt_uri": given}
    key = environment_of(LIBVIRT, values).environment["POLYVIRT_LIBVIRT_KEY_FILE"]
    assert connection_uri(Commands()) == uri.format(key=key)
    assert connection_uri(Commands(), "test:///default") == "test:///default"


@pytest.mark.parametrize("is_inventory_update", [True, False])
def test_windows_user_is_in_variables_of_jobs_and_in_the_environment_of_both(tmp_path, is_inventory_update):
    injected = inject(WINDOWS, {**_WINDOWS, "windows_authentication": ""}, tmp_path, is_inventory_update)
    expected = {"user": USER, "password": PASSWORD, "authentication": "ntlm"}
    assert injected.environment == {f"POLYVIRT_WINDOWS_{name.upper()}": value for name, value in expected.items()}
    if is_inventory_update:
        assert injected.words == []
        return
    text = (tmp_path / "credential.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text.replace("!unsafe ", "")) == {f"polyvirt_windows_{n}": v for n, v in expected.items()}


# With Ansible ---------------------------------------------------------------------------------------------------------


def _hosts(folder, hosts):
    """An inventory as AWX gives it to a job: a program that prints JSON."""
    path = folder / "hosts"
    listed = {"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(listed)}\nEND\n", encoding="utf-8")
    path.chmod(0o700)
    return ["-i", path]


@pytest.fixture
def job(ansible_playbook, tmp_path):
    """Run a task as a job of AWX with a credential: ``job(injected, hosts, task)`` returns its result."""

    def run(injected, hosts, task):
        results = tmp_path / "results"
        written = {"content": "{{ result | to_json }}", "dest": str(results)}
        tasks = [
            {**task, "register": "result", "ignore_errors": True},
            {"ansible.builtin.copy": written, "delegate_to": "localhost"},
        ]
        (tmp_path / "play.json").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        words = [*_hosts(tmp_path, hosts), *injected.words, tmp_path / "play.json"]
        code, output = ansible_playbook(*words, environment=injected.environment)
        assert code == 0, output
        return json.loads(results.read_text(encoding="utf-8"))

    return run


def _token_of(server, **changes):
    certificate = server.authority.read_text(encoding="utf-8")
    values = {"api_host": "localhost", "api_port": str(server.port), "api_user": "root@pam", "api_token_id": "test"}
    return {**values, "api_token_secret": worlds.TOKEN_SECRET, "ca_certificate": certificate, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [({}, ""), ({"ca_certificate": ""}, "certificate"), ({"ca_certificate": "", "skip_verification": True}, "")],
)
def test_proxmox_is_read_with_the_credential_alone(job, tmp_path, changes, message):
    with Server(worlds.with_cases()) as server:
        injected = inject(PROXMOX, _token_of(server, **changes), tmp_path)
        task = {"polyvirt.core.proxmox_vm_info": {"facets": ["list"]}}
        result = job(injected, {"localhost": {"ansible_connection": "local"}}, task)
    assert result["host"]["configured"] is not bool(message), result
    assert message in result["host"]["message"]
    assert bool(result["vms"]) is not bool(message)


def test_windows_host_of_the_guide_is_reached_with_the_credential(job, tmp_path):
    group = data("# hosts.yml")["all"]["children"]["hyperv_hosts"]
    host = HyperV()
    with WinRMServer(through(host.windows)) as server:
        here = {name: server.variables[name] for name in ("ansible_host", "ansible_port", "ansible_winrm_scheme")}
        injected = inject(WINDOWS, _WINDOWS, tmp_path)
        (name,) = group["hosts"]
        result = job(injected, {name: {**group["vars"], **here}}, {"polyvirt.core.hyperv_vm_info": {}})
    assert (result["host"]["configured"], result["vms"]) == (True, []), result


def test_inventory_of_the_guide_is_imported_with_the_credential(ansible_environment, tmp_path):
    """As an inventory source of AWX: environment variables alone."""
    path = tmp_path / "awx.polyvirt.yml"
    path.write_text(block("platform: proxmox"), encoding="utf-8")
    world = worlds.with_cases()
    worlds.add_machine(world, 120, "pve1", {"name": "odd", "description": UNSAFE["__ansible_unsafe"]})
    with Server(world) as server:
        injected = inject(PROXMOX, _token_of(server), tmp_path, is_inventory_update=True)
        environment = {**ansible_environment, **injected.environment, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"}
        listed = ("--list", "--export", "-i", path)
        words = warm_ansible.program("ansible-inventory", *listed, environment=environment)
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    variables = json.loads(done.stdout)["_meta"]["hostvars"].values()
    # AWX compares the values that it imports with those of the inventory source (enabled_var, enabled_value).
    assert {one["polyvirt_state"] for one in variables} == {"running", "stopped"}
    assert [one["polyvirt_name"] for one in variables if one["polyvirt_description"] == UNSAFE] == ["odd"]
