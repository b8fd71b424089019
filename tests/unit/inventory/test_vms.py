# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin with ansible-inventory: sources that answer, and others that do not."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from contextlib import contextmanager

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.inventory import vms as plugin
from ansible_collections.polyvirt.core.plugins.module_utils._core.texts import is_harmless

from gates.fragments import differences
from simulators.proxmox import worlds
from simulators.proxmox.cluster import Guest
from simulators.proxmox.server import Server
from suite import warm_ansible

#: Plays take seconds each.
TEMPLATE = "{{ lookup('pipe', 'echo executed') }}"


@pytest.fixture(scope="module", name="world")
def _world():
    world = worlds.with_cases()
    guest = Guest(addresses=("198.51.100.7",))
    options = {"agent": "1", "ostype": "l26", "tags": "web-1;b", "description": TEMPLATE}
    worlds.add_machine(world, 110, "pve1", {**options, "name": "app"}, running=True, guest=guest)
    return world


@pytest.fixture(scope="module", name="server")
def _server(world):
    with Server(world) as server:
        yield server


def _options(server, **changes):
    return {
        "api_host": "localhost",
        "api_port": server.port,
        "api_user": "root@pam",
        "api_token_id": "test",
        "api_token_secret": "{{ lookup('ansible.builtin.env', 'POLYVIRT_TEST_SECRET') }}",
        "ca_path": str(server.authority),
        **changes,
    }


@pytest.fixture(name="inventory")
def _inventory(ansible_environment, tmp_path):
    """Run ansible-inventory on a configuration: (exit code, parsed output or None, warnings and errors)."""

    def run(*sources, words=("--list",), hosts="", hosts_last=False, **options):
        path = tmp_path / "lab.polyvirt.yml"
        described = {"plugin": "polyvirt.core.vms", "sources": list(sources), **options}
        path.write_text(yaml.safe_dump(described), encoding="utf-8")
        (tmp_path / "hosts.ini").write_text(hosts, encoding="utf-8")
        environment = {**ansible_environment, "POLYVIRT_TEST_SECRET": worlds.TOKEN_SECRET}
        files = [tmp_path / "hosts.ini", path][:: -1 if hosts_last else 1]
        listed = (*(word for file in files for word in ("-i", file)), *words)
        done = subprocess.run(
            warm_ansible.program("ansible-inventory", *listed, environment=environment),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        is_list = done.returncode == 0 and words == ("--list",)
        return done.returncode, json.loads(done.stdout) if is_list else done.stdout, _unwrapped(done.stderr)

    return run


def _unwrapped(said):
    """One line for each warning and error. Old versions of ansible-core wrap them at column 79, and at hyphens."""
    return re.sub(r"(-?)\n(?!\[WARNING\]: |ERROR! )", lambda found: "-" if found[1] else " ", said)


@contextmanager
def _silent_port():
    """A port that accepts connections, but never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def _hosts(listed):
    return {name: _plain(variables) for name, variables in listed["_meta"]["hostvars"].items()}


def _plain(value):
    """Remove the mark that newer versions of Ansible print for strings that are not templates."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {key: _plain(value[key]) for key in value}


def test_unreadable_sources_do_not_affect_others(inventory, server):
    """A closed port, a wrong password, a silent server, an unknown host, a wrong option, a missing platform."""
    with socket.socket() as unused, _silent_port() as silent:
        unused.bind(("127.0.0.1", 0))
        bad = {
            "dead": {"options": _options(server, api_port=unused.getsockname()[1])},
            "denied": {"options": _options(server, api_token_secret="not-the-secret")},
            "silent": {"options": _options(server, api_port=silent), "timeout": 2},
            "stranger": {"host": "hv9", "options": _options(server)},
            "misspelt": {"options": _options(server, api_hots="x")},
            "no ssh": {
                "host": {"ansible_host": "127.0.0.1", "ansible_port": silent},
                "timeout": 2,
                "options": _options(server),
            },
            "missing": {"platform": "virtualbox", "options": {"executable": "/nowhere/VBoxManage"}},
        }
        sources = [{"platform": "proxmox", "name": name, **one} for name, one in bad.items()]
        sources.insert(3, {"platform": "proxmox", "name": "good", "options": _options(server)})
        code, listed, said = inventory(*sources)
    assert code == 0, said
    assert set(_hosts(listed)) == {"web1", "web2", "tmpl", "app"}, said
    assert {tuple(host["polyvirt_unread_sources"]) for host in _hosts(listed).values()} == {tuple(bad)}
    warnings = {name: [line for line in said.splitlines() if f"source {name}:" in line] for name in (*bad, "good")}
    assert {name: len(lines) for name, lines in warnings.items()} == {**dict.fromkeys(bad, 1), "good": 0}, said
    said_of = {name: lines[0] for name, lines in warnings.items() if lines}
    assert "does not answer" in said_of["dead"]
    assert "Authentication failed" in said_of["denied"]
    # The second is the text of ansible-core 2.16, whose result has no key for it.
    assert re.search(r"No answer within 2 s|in the expected time frame \(2\)", said_of["silent"])
    assert "hv9 is not in the inventory" in said_of["stranger"]
    assert "api_hots" in said_of["misspelt"]
    assert "/nowhere/VBoxManage" in said_of["missing"]
    assert worlds.TOKEN_SECRET not in said
    assert worlds.TOKEN_SECRET not in json.dumps(listed)


def test_variables_and_groups_of_a_host(inventory, server):
    code, listed, said = inventory(
        {"platform": "proxmox", "prefix": "pve-", "options": _options(server)},
        compose={"ansible_user": "'debian'", "size": "polyvirt_memory_mib * 2", "told": "polyvirt_description"},
        keyed_groups=[{"key": "polyvirt_source", "prefix": "on"}],
        groups={"small": "polyvirt_memory_mib <= 4096"},
        strict=True,
    )
    assert code == 0, said
    app = _hosts(listed)["pve-app"]
    assert {key: app[key] for key in ("ansible_host", "ansible_port", "ansible_user", "polyvirt_state")} == {
        "ansible_host": "198.51.100.7",
        "ansible_port": 22,
        "ansible_user": "debian",
        "polyvirt_state": "running",
    }
    assert "ansible_host" not in _hosts(listed)["pve-web2"]
    assert (app["told"], app["polyvirt_description"]) == (TEMPLATE, TEMPLATE)
    groups = {name for name, group in listed.items() if "pve-app" in group.get("hosts", ())}
    expected = {"platform_proxmox", "state_running", "tag_web_1", "tag_b", "os_l26", "on_proxmox", "small"}
    assert groups == expected, groups


def test_names_of_hosts_and_groups_can_be_set(inventory, server):
    options = _options(server, filters={"state": ["running"]})
    code, listed, said = inventory(
        {"platform": "proxmox", "prefix": "pve-", "options": options},
        hostname="polyvirt_name ~ '.' ~ (polyvirt_tags | first) ~ '.example.com'",
        default_groups={"tag": "", "state": None},
    )
    assert code == 0, said
    # A VM without tags has no value of the expression.
    assert {"pve-app.b.example.com", "pve-web1"} & set(_hosts(listed)), _hosts(listed).keys()
    groups = {name for name, group in listed.items() if "pve-app.b.example.com" in group.get("hosts", ())}
    assert groups == {"platform_proxmox", "web_1", "b", "os_l26"}


def test_vm_with_a_name_of_ansible_breaks_nothing(inventory):
    world = worlds.with_cases()
    for number, name in enumerate(("all", "ungrouped", "127.0.0.1", "localhost.localdomain")):
        worlds.add_machine(world, 110 + number, "pve1", {"name": name, "tags": "hv1;localhost"})
    with Server(world) as server:
        source = {"platform": "proxmox", "options": _options(server)}
        code, listed, said = inventory(source, default_groups={"tag": ""}, hosts="hv1")
    assert code == 0, said
    renamed = {"all_proxmox", "ungrouped_proxmox", "127.0.0.1_proxmox", "localhost.localdomain_proxmox"}
    assert set(_hosts(listed)) == {*renamed, "web1", "web2", "tmpl"}, said
    assert set(listed["hv1_"]["hosts"]) == set(listed["localhost_"]["hosts"]) == renamed
    assert not {"hv1", "localhost"} & set(listed)


@pytest.mark.parametrize("hosts", ["app ansible_host=192.0.2.1", "[gate]\napp\n[gate:vars]\nansible_host=192.0.2.1"])
def test_vm_does_not_replace_a_host_of_another_file(inventory, server, hosts):
    """Whoever may rename a VM would receive what plays send to that host."""
    code, listed, said = inventory({"platform": "proxmox", "options": _options(server)}, hosts=f"{hosts}\n[prod]\nweb1")
    assert code == 0, said
    found = _hosts(listed)
    assert found["app"] == {"ansible_host": "192.0.2.1"}
    assert (found["app_proxmox"]["polyvirt_name"], found["app_proxmox"]["ansible_host"]) == ("app", "198.51.100.7")
    assert "the inventory has the host app already, so the VM app is the host app_proxmox" in said
    # A host that is only listed is the VM.
    assert (found["web1"]["polyvirt_name"], listed["prod"]["hosts"]) == ("web1", ["web1"])


def test_vm_does_not_choose_the_connection_of_a_listed_host(inventory):
    world = worlds.with_cases()
    worlds.add_machine(world, 110, "pve1", {"name": "app", "tags": "windows"})
    with Server(world) as server:
        source = {"platform": "proxmox", "options": _options(server)}
        connections = [
            _hosts(inventory(source, hosts=hosts, **options)[1])["app"].get("ansible_connection")
            for hosts, options in (
                ("", {}),
                ("[prod]\napp", {}),
                ("[prod]\napp", {"compose": {"ansible_connection": "'psrp'"}}),
            )
        ]
    assert connections == ["winrm", None, "psrp"]


def test_file_that_is_read_before_the_hosts_is_rejected(inventory, server):
    source = {"platform": "proxmox", "options": _options(server)}
    _code, listed, said = inventory(source, hosts="app ansible_host=192.0.2.1", hosts_last=True)
    assert _hosts(listed) == {"app": {"ansible_host": "192.0.2.1"}}
    assert "has the name of the VM app" in said and "List this file last" in said
    _code, listed, said = inventory(source, hosts="other ansible_host=192.0.2.1", hosts_last=True)
    assert {"app", "other"} <= set(_hosts(listed)), said


def test_name_of_a_vm_is_no_template(inventory, tmp_path):
    world, name = worlds.with_cases(), "{{ lookup('pipe', 'touch F') }}"
    worlds.add_machine(world, 110, "pve1", {"name": name})
    with Server(world) as server:
        _code, listed, said = inventory({"platform": "proxmox", "options": _options(server)})
    found = _hosts(listed)
    assert found["__ lookup__pipe__ _touch F__ __"]["polyvirt_name"] == name, said
    assert all(map(is_harmless, found))


def test_a_thousand_vms_take_two_requests(inventory):
    world = worlds.with_many(1000)
    with Server(world) as server:
        options = _options(server, facets=["list"])
        code, listed, said = inventory({"platform": "proxmox", "options": options})
    assert (code, len(_hosts(listed))) == (0, 1000), said
    assert len(listed["state_running"]["hosts"]) == 500
    assert [entry.path for entry in world.journal.requests] == ["/version", "/cluster/resources"]


def test_cached_sources_are_not_read_again(inventory, world, server, tmp_path):
    good = {"platform": "proxmox", "name": "good", "options": _options(server)}
    bad = {**good, "name": "bad", "options": _options(server, api_token_secret="wrong")}
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    _code, first, _said = inventory(good, bad, **cache)
    world.journal.clear()
    _code, second, said = inventory(good, bad, **cache)
    assert _hosts(first) == _hosts(second) != {}
    assert {entry.user for entry in world.journal.requests} <= {"", None}, "only the source that failed is asked again"
    assert "source bad" in said
    kept = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "cache").iterdir())
    assert worlds.TOKEN_SECRET not in kept
    world.journal.clear()
    inventory({**good, "options": _options(server, filters={"state": ["stopped"]})}, **cache)
    assert world.journal.requests != [], "another source"


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"platform": "vmware"}, "vmware"),
        ({"platform": "libvirt", "timeout": "soon"}, "timeout"),
        ({"platform": "libvirt", "hosts": "hv1"}, "hosts"),
        ({"platform": "libvirt", "default_groups": {"tags": ""}}, "default_groups: there is no kind tags"),
        ({"platform": "libvirt", "default_groups": {"tags": "", 7: ""}}, "default_groups: there is no kind 7, tags"),
        ({"platform": "virtualbox", "required": True, "options": {"executable": "/nowhere/VBoxManage"}}, "/nowhere"),
    ],
)
def test_invalid_configuration_and_failed_required_source_are_errors(inventory, source, error):
    more = {"default_groups": source.pop("default_groups")} if "default_groups" in source else {}
    _code, listed, said = inventory(source, **more)
    assert "lab.polyvirt.yml" in said
    assert error in said
    assert "Traceback" not in said
    assert _hosts(listed) == {}


def test_two_sources_with_the_same_name_are_an_error(inventory):
    _code, _listed, said = inventory({"platform": "libvirt"}, {"platform": "libvirt"})
    assert "2 entries are named libvirt" in said


def test_graph(inventory, server):
    options = _options(server, filters={"tags": ["b"]})
    code, shown, said = inventory({"platform": "proxmox", "options": options}, words=("--graph",))
    assert code == 0, said
    assert "|--@tag_b:" in shown
    assert "|--app" in shown
    assert "web1" not in shown


def test_documentation_of_sources_matches_the_argument_spec():
    page = yaml.safe_load(plugin.DOCUMENTATION)["options"]["sources"]["suboptions"]
    assert differences(page, plugin.SOURCE) == []


def test_examples_are_valid():
    for example in yaml.safe_load_all(plugin.EXAMPLES):
        for source in example["sources"]:
            assert set(source) <= set(plugin.SOURCE)
