# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud-init seeds: documents are read back by a YAML parser and by sed as in guests, the ISO image by xorriso."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess

import pytest
import yaml
from ansible_collections.polyvirt.core.plugins.module_utils._core import errors
from ansible_collections.polyvirt.core.plugins.module_utils._ports import files
from ansible_collections.polyvirt.core.plugins.module_utils._ports.command import Commands
from ansible_collections.polyvirt.core.plugins.module_utils._tools import seed
from hypothesis import given
from hypothesis import strategies as some

pytestmark = pytest.mark.usefixtures("may_destroy")

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJfake ci@polyvirt"


def user_data(**cloud_init):
    return seed.nocloud_documents(cloud_init, "web1", "i-1")["user-data"]


def meta_data(name="web1", **cloud_init):
    return seed.nocloud_documents(cloud_init, name, "i-1")["meta-data"]


def test_keys_and_host_name_can_be_read_with_sed(tmp_path):
    documents = seed.nocloud_documents({"ssh_authorized_keys": [KEY]}, "web1", "i-1")
    for name, text in documents.items():
        (tmp_path / name).write_text(text)

    def sed(expression, name):
        return subprocess.run(
            ["sed", "-n", expression, tmp_path / name], capture_output=True, text=True, check=False
        ).stdout

    assert sed(r"s/^ *- *\(ssh-[a-z0-9]* .*\)/\1/p", "user-data") == f"{KEY}\n"
    assert sed("s/^local-hostname: *//p", "meta-data") == "web1\n"


def test_mapping_is_merged_with_user_and_keys():
    text = user_data(
        user_data={"packages": ["vim"], "ssh_authorized_keys": ["ssh-rsa B"]}, user="ops", ssh_authorized_keys=[KEY]
    )
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text) == {"packages": ["vim"], "user": "ops", "ssh_authorized_keys": ["ssh-rsa B", KEY]}


def test_root_with_a_key_may_log_in():
    assert yaml.safe_load(user_data(user="root", ssh_authorized_keys=[KEY]))["disable_root"] is False


def test_user_data_as_text_is_unchanged():
    assert user_data(user_data="#!/bin/sh\ntrue\n") == "#!/bin/sh\ntrue\n"


@pytest.mark.parametrize("text", ["#!/bin/sh\n", "#cloud-config\npackages: [vim]\n"])
@pytest.mark.parametrize("more", [{"ssh_authorized_keys": [KEY]}, {"user": "ops"}])
def test_user_data_as_text_is_not_merged(text, more):
    with pytest.raises(errors.InvalidInput):
        user_data(user_data=text, **more)


def test_keys_with_an_ambiguous_user_are_rejected():
    with pytest.raises(errors.InvalidInput, match="users"):
        user_data(user_data={"users": [{"name": "a"}]}, ssh_authorized_keys=[KEY])
    with pytest.raises(errors.InvalidInput, match="another user"):
        user_data(user_data={"user": "a"}, user="b")
    assert KEY in user_data(user_data={"users": ["default", {"name": "a"}]}, ssh_authorized_keys=[KEY])


@pytest.mark.parametrize("key", [f"{KEY}\nruncmd: [evil]", "", " \n"])
def test_key_must_be_one_line(key):
    with pytest.raises(errors.InvalidInput):
        user_data(ssh_authorized_keys=[key])


@pytest.mark.parametrize(
    "key", [f"{KEY} # home", f"{KEY}: x", f"{KEY}:", 'from="10.0.0.1" ' + KEY, "- odd", f"{KEY}\tü"]
)
def test_comments_of_keys_are_kept(key):
    assert yaml.safe_load(user_data(ssh_authorized_keys=[key])) == {"ssh_authorized_keys": [key]}


def test_password_belongs_to_the_default_user_and_need_not_be_changed():
    config = yaml.safe_load(user_data(user="ops", password="yes: 1", user_data={"packages": ["vim"]}))
    assert config == {"packages": ["vim"], "user": "ops", "password": "yes: 1", "chpasswd": {"expire": False}}


@pytest.mark.parametrize(
    ("documents", "word"),
    [
        ("#cloud-config\n", "password"),
        ({"password": "a"}, "password and password in user_data cannot be combined"),
        ({"chpasswd": {"list": "a:b"}}, "password and chpasswd in user_data cannot be combined"),
        ({"users": [{"name": "a"}]}, "list of users"),
    ],
)
def test_password_beside_documents_that_set_one_is_rejected_without_showing_it(documents, word):
    with pytest.raises(errors.InvalidInput, match=word) as raised:
        user_data(password="t0psecret", user_data=documents)
    assert "t0psecret" not in str(raised.value)


@pytest.mark.parametrize("value", [5, True, ["#cloud-config"]])
def test_user_data_of_another_type_is_rejected(value):
    with pytest.raises(errors.InvalidInput, match="neither a mapping nor a text"):
        user_data(user_data=value)


def network_config(macs=("52:54:00:00:00:01", "52:54:00:00:00:02"), **cloud_init):
    return yaml.safe_load(seed.nocloud_documents(cloud_init, "web1", "i-1", macs)["network-config"])


def test_addresses_become_a_network_configuration_of_the_nics():
    found = network_config(
        ip_config=["ip=10.0.0.5/24, gw=10.0.0.1, ip6=fd00::5/64, gw6=fe80::1", "ip=dhcp,ip6=auto"],
        nameservers=["10.0.0.1, 10.0.0.2"],
        search_domains=["example.com"],
    )
    dns = {"addresses": ["10.0.0.1", "10.0.0.2"], "search": ["example.com"]}
    assert found == {
        "version": 2,
        "ethernets": {
            "eth0": {
                "match": {"macaddress": "52:54:00:00:00:01"},
                "set-name": "eth0",
                "dhcp4": False,
                "dhcp6": False,
                "addresses": ["10.0.0.5/24", "fd00::5/64"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.0.0.1"}, {"to": "::/0", "via": "fe80::1"}],
                "nameservers": dns,
            },
            "eth1": {
                "match": {"macaddress": "52:54:00:00:00:02"},
                "set-name": "eth1",
                "dhcp4": True,
                "dhcp6": False,
                "accept-ra": True,
                "nameservers": dns,
            },
        },
    }


@pytest.mark.parametrize(
    ("entry", "route"),
    [
        ("ip=192.0.2.5/32,gw=10.0.0.1", {"to": "0.0.0.0/0", "via": "10.0.0.1", "on-link": True}),
        ("ip6=2001:db8::5/128,gw6=fe80::1", {"to": "::/0", "via": "fe80::1"}),
        ("ip6=2001:db8::5/128,gw6=2001:db8:1::1", {"to": "::/0", "via": "2001:db8:1::1", "on-link": True}),
        ("ip=dhcp,gw=10.0.0.1", {"to": "0.0.0.0/0", "via": "10.0.0.1"}),
    ],
)
def test_gateway_of_a_single_address_is_reached_directly(entry, route):
    assert network_config(ip_config=[entry])["ethernets"]["eth0"]["routes"] == [route]


def test_empty_entry_leaves_its_nic_out_and_dns_alone_keeps_dhcp():
    assert list(network_config(ip_config=["", "ip=dhcp"])["ethernets"]) == ["eth1"]
    only_dns = network_config(nameservers=["10.0.0.1"])["ethernets"]
    assert [(name, nic["dhcp4"], nic["nameservers"]) for name, nic in only_dns.items()] == [
        ("eth0", True, {"addresses": ["10.0.0.1"]})
    ]


@pytest.mark.parametrize(
    ("cloud_init", "message"),
    [
        ({"ip_config": ["ip=dhcp"], "network_config": {"version": 2}}, "network_config and ip_config cannot"),
        ({"nameservers": ["10.0.0.1"], "network_config": {"version": 2}}, "network_config and nameservers cannot"),
        ({"ip_config": ["", "", "ip=dhcp"]}, "entry for NIC 2, but the VM has 2 NICs"),
        ({"ip_config": ["ip=10.0.0.5"]}, "ip_config: 'ip=10.0.0.5' of NIC 0"),
        ({"nameservers": ["10.0.0.1", "dns.example.com"]}, "nameservers: 'dns.example.com' is not an IP address"),
        ({"network_config": {"ethernets": {}}}, "its version is None, not the number 1 or 2"),
        ({"network_config": {"version": "2", "ethernets": {}}}, "its version is '2', not"),
        ({"network_config": {"version": 3}}, "its version is 3, not"),
        ({"network_config": {"version": True}}, "its version is True, not"),
        ({"network_config": {"version": 1, "ethernets": {}}}, "version 1 has no ethernets"),
        ({"network_config": {"network": {"version": 1}}}, "version 1 needs a list config"),
        ({"network_config": {"version": 2, "config": []}}, "version 2 has no config"),
    ],
)
def test_addresses_that_no_nic_can_get_are_rejected(cloud_init, message):
    with pytest.raises(errors.PolyvirtError, match=message):
        network_config(**cloud_init)


def test_configuration_of_the_network_is_as_cloud_init_reads_it():
    whole = {"version": 2, "ethernets": {"eth0": {"dhcp4": True}}}
    assert network_config(network_config={"network": whole}) == network_config(network_config=whole) == whole
    for known in ({"config": "disabled"}, {"version": 1, "config": []}):
        assert network_config(network_config=known) == known


def test_nic_that_a_clone_gets_later_needs_a_mac():
    step = {
        "creation": {"cloud_init": {"ip_config": ["", "ip=dhcp"]}},
        "config": {"networks": {"0": {}}},
        "networks": {"1": {"type": "nat"}},
    }
    with pytest.raises(errors.InvalidInput, match=r"NIC 1, but its MAC address is not known.*Set mac in entry 1"):
        seed.check_documents(step, "web")
    step["networks"]["1"]["mac"] = "52:54:00:00:00:01"
    seed.check_documents(step, "web")


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(), inner, max_size=3),
    max_leaves=8,
)


@given(some.dictionaries(some.text(some.characters(exclude_categories=["Cs"]), max_size=20), json_values, min_size=1))
def test_emitted_document_is_read_back_unchanged(mapping):
    config = {"version": 2, "ethernets": mapping}
    network = seed.nocloud_documents({"network_config": config}, "web1", "i-1")["network-config"]
    assert yaml.safe_load(network) == config


def test_meta_data_has_instance_id_and_host_name():
    assert yaml.safe_load(meta_data()) == {"instance-id": "i-1", "local-hostname": "web1"}
    assert yaml.safe_load(meta_data(meta_data={"local-hostname": "db"}))["local-hostname"] == "db"
    assert yaml.safe_load(meta_data(name="my web; ü"))["local-hostname"] == "my-web"


@pytest.mark.parametrize(
    ("name", "cloud_init", "host_names"),
    [
        ("web1.example.com", {}, {"hostname": "web1", "fqdn": "web1.example.com"}),
        ("web1", {}, {}),
        ("debian-12.1", {}, {}),
        ("my web.example.com", {}, {}),
        ("web1.example.com", {"user_data": {"fqdn": "db.example.org"}}, {"fqdn": "db.example.org"}),
        ("web1.example.com", {"user_data": {"hostname": "db"}}, {"hostname": "db"}),
        ("web1.example.com", {"meta_data": {"local-hostname": "db"}}, {}),
        ("web1.example.com", {"meta_data": "instance-id: a\nlocal-hostname: db"}, {}),
    ],
)
def test_name_with_a_domain_sets_the_short_and_the_full_host_name(name, cloud_init, host_names):
    documents = seed.nocloud_documents(cloud_init, name, "i-1")
    found = yaml.safe_load(documents["user-data"]) or {}
    assert {key: found[key] for key in ("hostname", "fqdn") if key in found} == host_names


def test_text_of_user_data_is_not_changed_for_a_name_with_a_domain():
    assert seed.nocloud_documents({"user_data": "#!/bin/sh"}, "web1.example.com", "i-1")["user-data"] == "#!/bin/sh"


def test_meta_data_as_text_needs_an_instance_id():
    assert meta_data(meta_data="instance-id: x\n") == "instance-id: x\n"
    assert meta_data(meta_data=json.dumps({"instance-id": "x"})) == '{"instance-id": "x"}'
    with pytest.raises(errors.InvalidInput, match="instance-id"):
        meta_data(meta_data="local-hostname: x\n")


def test_network_config_is_written_only_if_set():
    assert "network-config" not in seed.nocloud_documents({}, "web1", "i-1")
    assert seed.nocloud_documents({"network_config": "version: 2\n"}, "a", "i")["network-config"] == "version: 2\n"


def test_iso_has_the_documents_and_is_private(tmp_path):
    assert shutil.which("xorriso"), "This test reads the seed back with xorriso: install xorriso."
    path = tmp_path / "web1-seed.iso"
    path.write_bytes(b"an older seed")
    documents = seed.nocloud_documents({"user_data": {"password": "ü-secret"}}, "web1", "i-1")
    seed.make_seed(Commands(), files, str(path), documents)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["web1-seed.iso"]
    assert path.read_bytes()[32808:32814].lower() == b"cidata"
    back = tmp_path / "back"
    extract = ["xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", back]
    subprocess.run(extract, check=True, capture_output=True)
    assert {file.name: file.read_text(encoding="utf-8") for file in back.iterdir()} == documents


def test_error_without_an_iso_tool_names_the_packages(tmp_path, monkeypatch):
    monkeypatch.setattr(Commands, "find", lambda self, name, hint=None: (nothing for nothing in ()).throw(
        errors.Unavailable(f"{name} was not found on PATH.", why="not_on_path")))  # fmt: skip
    with pytest.raises(errors.NotFound, match=r"xorriso.*genisoimage.*mkisofs"):
        seed.make_seed(Commands(), files, str(tmp_path / "seed.iso"), {"meta-data": ""})
    assert os.listdir(tmp_path) == []


ANSWERS = """<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="urn:schemas-microsoft-com:unattend"><settings pass="windowsPE"/></unattend>
"""


def test_answer_file_is_on_the_iso_image_where_windows_setup_finds_it(tmp_path):
    documents = seed.nocloud_documents({"answer_file": ANSWERS}, "win1", "i-1")
    assert set(documents) == {"autounattend.xml", "unattend.xml", "meta-data", "user-data"}
    assert documents["unattend.xml"] == ANSWERS
    seed.make_seed(Commands(60), files, str(tmp_path / "seed.iso"), documents)
    take = ["-extract", "/autounattend.xml", str(tmp_path / "read.xml")]
    subprocess.run(
        ["xorriso", "-osirrox", "on", "-indev", tmp_path / "seed.iso", *take], check=True, capture_output=True
    )
    assert (tmp_path / "read.xml").read_text() == ANSWERS
    assert "autounattend.xml" not in seed.nocloud_documents({"user": "me"}, "web1", "i-1")


def test_scripts_and_drivers_are_next_to_the_answer_file(tmp_path):
    """Windows reads the Joliet names."""
    drivers = tmp_path / "a=b" / "vioscsi"
    drivers.mkdir(parents=True)
    (drivers / "vioscsi-of-a-long-name.inf").write_text("driver")
    asked = {"answer_file": ANSWERS, "answer_files": {"polyvirt.ps1": "\ufeffexit"}}
    documents = seed.nocloud_documents(asked, "win1", "i-1")
    seed.make_seed(Commands(60), files, str(tmp_path / "seed.iso"), documents, str(drivers.parent))
    command = ["xorriso", "-read_fs", "norock", "-indev", tmp_path / "seed.iso", "-find", "/", "-type", "f"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert sorted(listed) == [
        "'/$WinPEDriver$/vioscsi/vioscsi-of-a-long-name.inf'", "'/autounattend.xml'", "'/meta-data'",
        "'/polyvirt.ps1'", "'/unattend.xml'", "'/user-data'",
    ]  # fmt: skip
    assert (tmp_path / "seed.iso").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"answer_files": {"../x": "a"}}, "answer_files: '../x' is not a text with the name of a new file"),
        ({"answer_files": {"Unattend.XML": "a"}}, "answer_files: 'Unattend.XML' is not a text"),
        ({"answer_files": {"a.cmd": ["a"]}}, "answer_files: 'a.cmd' is not a text"),
        ({"answer_files": {"a.cmd": "a"}, "answer_file": None}, "which needs answer_file"),
        ({"answer_drivers": "/srv/drivers", "answer_file": None}, "which needs answer_file"),
    ],
)
def test_files_that_windows_setup_would_not_find_are_rejected(more, problem):
    with pytest.raises(errors.InvalidInput, match=re.escape(problem)):
        seed.nocloud_documents({"answer_file": ANSWERS, **more}, "win1", "i-1")


@pytest.mark.parametrize(
    "text", ["answers", ANSWERS[:-12], ANSWERS.replace("schemas", "others"), "<unattend/>", "\ud800"]
)
def test_text_that_windows_setup_would_ignore_is_rejected(text):
    with pytest.raises(errors.InvalidInput, match="answer_file is not an answer file for Windows Setup"):
        seed.nocloud_documents({"answer_file": text}, "win1", "i-1")
