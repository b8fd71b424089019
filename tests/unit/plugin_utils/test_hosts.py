# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs as inventory hosts: unambiguous names, and connection variables."""

from __future__ import annotations

import shlex

import pytest
from ansible import constants
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.plugin_utils.inventory.hosts import (
    Source,
    groups_of,
    has_windows,
    jump,
    names_of,
    sources_of,
    variables_of,
)

LAB, PROD = Source("lab", "libvirt"), Source("prod", "proxmox")
REMOTE = Source("hv", "libvirt", host="hv1")
SSH = {"host": "192.168.122.5", "port": 22, "user": None, "scope": "host"}


def _vm(name, vm_id="1", **more):
    return {"name": name, "id": vm_id, **more}


@pytest.mark.parametrize(
    ("found", "names"),
    [
        ([(LAB, _vm("web")), (PROD, _vm("db"))], ["web", "db"]),
        ([(LAB, _vm("web")), (PROD, _vm("web"))], ["web_lab", "web_prod"]),
        ([(PROD, _vm("web", "1")), (PROD, _vm("web", "2"))], ["web_prod_1", "web_prod_2"]),
        ([(LAB, _vm("web")), (PROD, _vm("web")), (LAB, _vm("web_lab"))], ["web_lab_1", "web_prod", "web_lab"]),
        ([(LAB, _vm("localhost")), (PROD, _vm("hv1"))], ["localhost_lab", "hv1_prod"]),
        ([(LAB, _vm("all")), (PROD, _vm("ungrouped"))], ["all_lab", "ungrouped_prod"]),
        ([(LAB, _vm("{{ x }}")), (PROD, _vm("#jinja2: a:'<<'\n<<"))], ["__ x __", "_jinja2: a:_______"]),
        (
            [(LAB, _vm("web", "1")), (LAB, _vm("web", "2")), (PROD, _vm("web_lab_1")), (PROD, _vm("web_lab_2"))],
            ["web_lab_1_2", "web_lab_2_2", "web_lab_1", "web_lab_2"],
        ),
        ([(Source("a", "libvirt", prefix="127."), _vm("1")), (LAB, _vm("1"))], ["127.1_a", "1"]),
        ([(Source("a", "libvirt", prefix="a-"), _vm("web")), (LAB, _vm("web"))], ["a-web", "web"]),
    ],
)
def test_names(found, names):
    preferred = [(source, vm, vm["name"]) for source, vm in found]
    assert names_of(preferred, taken={"hv1"}) == names


@pytest.mark.parametrize(
    "name",
    [
        *(*constants.LOCALHOST, "Localhost", "localhost.localdomain", "LOCALHOST.", "localhost6", "ip6-localhost"),
        *("ip6-loopback", "127.1", "127.255.0.9", "0", "0.0.0.0", "2130706433", "0x7f.1", "0177.1", "::", "0::1"),
        *("::ffff:127.0.0.1", "::ffff:0:0"),
    ],
)
def test_no_vm_has_a_name_of_the_controller(name):
    assert names_of([(LAB, _vm("x"), name), (PROD, _vm("y"), "web")]) == [f"{name}_lab", "web"]


@pytest.mark.parametrize("name", ["localhosts", "my-localhost", "128.1", "1", "10.0.0.1", "fe80::1", "a..b", "x" * 300])
def test_other_names_and_addresses_are_not_those_of_the_controller(name):
    assert names_of([(LAB, _vm("x"), name)]) == [name]


def test_sources_have_unique_names():
    entry = {"platform": "libvirt", "name": None, "host": None}
    hosts = [None, "hv1", {"ansible_host": "hv2", "ansible_user": "root"}]
    assert [one.name for one in sources_of([{**entry, "host": host} for host in hosts])] == [
        "libvirt",
        "libvirt-hv1",
        "libvirt-hv2",
    ]
    with pytest.raises(InvalidInput, match="2 entries are named libvirt"):
        sources_of([entry, entry])


def test_variables_describe_the_vm_and_its_connection():
    vm = _vm("web", state="running", ssh={**SSH, "user": "vagrant", "port": 2222, "key_file": "/k"})
    assert variables_of(LAB, vm, {}) == {
        **{f"polyvirt_{key}": value for key, value in vm.items()},
        "polyvirt_source": "lab",
        "ansible_host": "192.168.122.5",
        "ansible_port": 2222,
        "ansible_user": "vagrant",
        "ansible_ssh_private_key_file": "/k",
    }


def test_key_file_on_another_host_is_not_set():
    variables = variables_of(REMOTE, _vm("web", ssh={**SSH, "key_file": "/k"}), {})
    assert "ansible_ssh_private_key_file" not in variables


@pytest.mark.parametrize("address", ["-oProxyCommand=touch /x", "a b", "$(id)", ""])
def test_invalid_address_is_not_used(address):
    assert not {"ansible_host", "ansible_port"} & set(variables_of(LAB, _vm("web", ssh={**SSH, "host": address}), {}))


@pytest.mark.parametrize("address", ["fe80::1%eth0", "::1", "web.example.com", "10.0.0.1"])
def test_valid_addresses_and_names_are_used(address):
    assert variables_of(LAB, _vm("web", ssh={**SSH, "host": address}), {})["ansible_host"] == address


@pytest.mark.parametrize(("source", "scope", "leads"), [(REMOTE, "host", 1), (REMOTE, "network", 0), (LAB, "host", 0)])
def test_jump_only_for_addresses_that_only_the_hypervisor_can_reach(source, scope, leads):
    variables = variables_of(source, _vm("web", ssh={**SSH, "scope": scope}), {"ansible_host": "hv1.example.com"})
    assert ("ansible_ssh_common_args" in variables) == leads


@pytest.mark.parametrize(
    ("reached_by", "words"),
    [
        ({"ansible_host": "hv1"}, ["-o", "ProxyJump=hv1"]),
        ({"ansible_host": "hv1", "ansible_user": "root", "ansible_port": 2200}, ["-o", "ProxyJump=root@hv1:2200"]),
        ({"ansible_host": "2001:db8::1", "ansible_port": 22}, ["-o", "ProxyJump=[2001:db8::1]:22"]),
        (
            {"ansible_host": "hv1", "ansible_user": "root", "ansible_port": 2200, "ansible_private_key_file": "/a b/k"},
            ["-o", "ProxyCommand=ssh -W '[%h]:%p' -i '/a b/k' -p 2200 root@hv1"],
        ),
    ],
)
def test_jump(reached_by, words):
    assert shlex.split(jump(reached_by)) == words


@pytest.mark.parametrize(
    "reached_by",
    [{}, {"ansible_host": "hv1", "ansible_connection": "winrm"}, {"ansible_connection": "ansible.builtin.local"}],
)
def test_no_jump_through_a_host_without_ssh(reached_by):
    assert jump(reached_by) is None


def test_groups():
    vm = _vm("web", platform="libvirt", state="running", tags=["a", "b"], fleet=None, settings={"os_type": "linux"})
    assert groups_of(vm) == ["platform_libvirt", "state_running", "tag_a", "tag_b", "os_linux"]


@pytest.mark.parametrize(
    ("vm", "windows"),
    [
        ({"settings": {"os_type": "Windows2022_64"}}, True),
        ({"settings": {"os_type": "win11"}}, True),
        ({"settings": {"os_type": "w2k8"}}, True),
        ({"settings": {"os_type": "l26"}}, False),
        ({"settings": {"os_type": "Darwin_64"}}, False),
        ({"settings": {}, "tags": ["web", "windows"]}, True),
        ({"settings": None, "tags": ["no windows"]}, False),
        ({}, False),
    ],
)
def test_windows_is_known_by_the_type_of_system_or_by_a_tag(vm, windows):
    assert has_windows(vm) is windows


_WINDOWS = {"settings": {"os_type": "win11"}, "addresses": [{"address": "192.0.2.7", "source": "agent"}]}


def _reached(vm, windows, source=LAB):
    found = variables_of(source, _vm("w", **vm), {"ansible_host": "hv1"}, windows)
    return {name: value for name, value in found.items() if name.startswith("ansible_")}


@pytest.mark.parametrize("connection", ["winrm", "psrp"])
def test_windows_is_reached_by_the_chosen_connection(connection):
    at_address = {"ansible_connection": connection, "ansible_host": "192.0.2.7"}
    assert _reached(_WINDOWS, connection) == at_address
    assert _reached({**_WINDOWS, "ssh": {**SSH, "host": "192.0.2.7"}}, connection, REMOTE) == at_address
    assert _reached({**_WINDOWS, "addresses": []}, connection) == {"ansible_connection": connection}


def test_forwarded_port_of_winrm_is_used_on_the_controller_only():
    forwards = [
        {"name": "ssh", "guest_port": 22, "host_port": 2222},
        {"name": "http", "guest_port": 5985, "host_port": 55985, "host_address": "0.0.0.0"},
        {"name": "https", "guest_port": 5986, "host_port": 55986, "protocol": "tcp"},
    ]
    forwarded = {**_WINDOWS, "settings": {"os_type": "win11", "port_forwards": forwards}}
    forwarded["ssh"] = {**SSH, "host": "127.0.0.1", "port": 2222}
    assert _reached(forwarded, "winrm") == {
        "ansible_connection": "winrm",
        "ansible_host": "127.0.0.1",
        "ansible_port": 55986,
    }
    assert _reached(forwarded, "winrm", REMOTE) == {"ansible_connection": "winrm", "ansible_host": "192.0.2.7"}


def test_windows_with_an_ssh_server_and_other_guests_are_reached_by_ssh():
    vm = {**_WINDOWS, "ssh": SSH}
    assert _reached(vm, "ssh") == {"ansible_host": SSH["host"], "ansible_port": 22}
    assert _reached({"ssh": SSH}, "winrm") == {"ansible_host": SSH["host"], "ansible_port": 22}


def test_address_that_windows_reports_is_checked():
    vm = {**_WINDOWS, "addresses": [{"address": "-oProxyCommand=x", "source": "agent"}]}
    assert _reached(vm, "winrm") == {"ansible_connection": "winrm"}
