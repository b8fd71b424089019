# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of a task are secrets, and where they are masked."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.option import VM, Option, argument_spec
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.document_secrets import secrets_in_document
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import MASK
from ansible_collections.polyvirt.core.plugins.module_utils._front.masking import masked, masked_options, secrets_of

OPTIONS = {**VM, "api_password": Option(secret=True, aliases=("api_pass",)), "environment": Option("dict", secret=True)}


@pytest.mark.parametrize(
    ("document", "secrets"),
    [
        ({"password": "hush"}, {"hush"}),
        ({"users": [{"name": "admin", "hashed_passwd": "$6$x", "lock_passwd": "False"}]}, {"$6$x"}),
        ({"wifi": {"psk": 12345678}}, {"12345678"}),
        ({"API_KEY": "a", "access-key": "b", "MYSQL_PWD": "c", "DB_PASS": "d"}, {"a", "b", "c", "d"}),
        ({"credentials": {"one": ["a", {"two": "b"}]}}, {"a", "b"}),
        ({"ssh_keys": {"rsa_private": "line 1\nline 2\n"}}, {"line 1\nline 2"}),
        ({"chpasswd": {"expire": False, "list": "root:hush\nweb:RANDOM\n"}}, {"hush"}),
        ({"chpasswd": {"users": [{"name": "root", "password": "hush", "type": "text"}]}}, {"hush"}),
        # No secrets, though the key sounds like it.
        ({"ssh_pwauth": True, "lock_passwd": "true", "password": None, "passphrase": ""}, set()),
        ({"token_file": "/etc/token", "PRIVATE_KEY_PATH": "/etc/key", "PWD": "/srv", "compass": "north"}, set()),
        ({"token_ttl": 3600, "password_expiry": 9000, "secret_name": "web1", "private_network": "10.0.0.0/8"}, set()),
        ({"swap": {"size": 1}, "hostname": "pve", "packages": ["nginx"]}, set()),
        # Texts: YAML, scripts, URLs.
        ("#cloud-config\npassword: hush\nhostname: web1\n", {"hush"}),
        ("users: [{name: admin, passwd: hush, shell: sh}]", {"hush", "hush, shell: sh}]"}),
        ("password: two words  # a note", {"two words", "two words  # a note"}),
        ('#!/bin/sh\nexport TOKEN="hush"; X=1', {"hush"}),
        ("{'secret': 'hush', 'name': 'web1'}", {"hush"}),
        ("private: |\n  -----BEGIN", set()),
        ({"proxy": "http://me:hush@proxy:3128", "url": "http://[::1]:80/a@b"}, {"hush"}),
        ({"write_files": [{"path": "/etc/app", "content": "name = web1\npassword = hush\n"}]}, {"hush"}),
        (5, set()),
    ],
)
def test_secrets_in_documents_are_found_by_their_key(document, secrets):
    assert secrets_in_document(document) == secrets


@pytest.mark.parametrize("part", ["x", "a:", '"token":"x",', "://:"])
def test_a_long_line_takes_no_more_than_linear_time(part):
    """A quadratic search would take hours."""
    assert secrets_in_document(part * 200_000) == ({"x"} if "token" in part else set())


@pytest.mark.parametrize(
    ("params", "secrets"),
    [
        ({"api_password": "hush"}, {"hush"}),
        ({"api_pass": 1234}, {"1234"}),
        ({"api_password": ""}, set()),
        ({"cloud_init": {"password": "hush\n", "user": "admin"}}, {"hush"}),
        ({"cloud_init": '{"password": "hush"}'}, {"hush"}),
        ({"environment": {"TOKEN": "hush", "PLAIN": "1"}}, {"hush"}),
        ({"machines": [{"name": "web1", "memory": "2G", "api_password": "hush"}]}, {"hush"}),
        ({"machines": [{"name": "web1", "cloud_init": {"user_data": {"token": "hush", "size": 7}}}]}, {"hush"}),
        ({"machines": ["name=web1 api_password=hush"]}, {"hush"}),
        # Not valid.
        ({"machines": "web1", "cloud_init": "no dictionary", "environment": 5}, set()),
    ],
)
def test_secrets_of_a_task_are_no_other_values(params, secrets):
    assert secrets_of(OPTIONS, params) == secrets


@pytest.mark.parametrize(
    ("value", "secrets", "shown"),
    [
        ("hush", {"hush"}, MASK),
        (" hush\n", {"hush"}, MASK),
        ("login with hush failed, hush", {"hush"}, "login with ******** failed, ********"),
        (["hush", ("x", {"key": "hush"})], {"hush"}, [MASK, ["x", {"key": MASK}]]),
        ({"hush": 1}, {"hush"}, {"hush": 1}),
        # Quoted by JSON, and by Python.
        ('said {"password": "a\\"b\\nc"}', {'a"b\nc'}, 'said {"password": "********"}'),
        ("said 'a\\\\b'", {"a\\bcd", "a\\b!", "a\\b"}, "said 'a\\\\b'"),
        ("said 'ab\\\\cd'", {"ab\\cd"}, "said '********'"),
        # One mask for secrets that overlap or follow each other.
        ("x abcdef y", {"abcd", "cdef"}, "x ******** y"),
        ("abcdabcd", {"abcd"}, "********"),
        # Short secrets: only whole values, so that no other word changes.
        ("pve", {"pve"}, MASK),
        ("pve1 1", {"pve", "1"}, "pve1 1"),
        # Numbers.
        (123456, {"123456"}, MASK),
        (1234567, {"123456"}, 1234567),
        (1, {"1"}, 1),
        (True, {"True"}, True),
        (None, {"None"}, None),
        ({"a": [1.5, "x"]}, set(), {"a": [1.5, "x"]}),
    ],
)
def test_a_secret_is_masked_wherever_it_occurs(value, secrets, shown):
    before = copy.deepcopy(value)
    assert masked(value, secrets) == shown
    assert value == before


def test_options_are_masked_by_their_name():
    params = {
        "name": ["web1"],
        "memory": "2G",
        "id": None,
        "api_password": "x",
        "cloud_init": {"user": "admin", "password": "y", "pasword": "y"},
        "environment": {},
        "machines": [{"name": "web2", "memory": 512, "cloud_init": {"user_data": "z"}}, "vm"],
        "networks": "not valid",
        "api_pasword": "x",
    }
    assert masked_options(OPTIONS, params) == {
        "name": ["web1"],
        "memory": "2G",
        "id": None,
        "api_password": MASK,
        "cloud_init": {"user": "admin", "password": MASK, "pasword": MASK},
        "environment": {},
        "machines": [{"name": "web2", "memory": 512, "cloud_init": {"user_data": MASK}}, MASK],
        "networks": "not valid",
        "api_pasword": MASK,
    }


def test_ansible_masks_only_options_that_are_nothing_but_a_secret():
    spec = argument_spec(OPTIONS)
    assert spec["api_password"]["no_log"] is True
    assert spec["cloud_init"]["options"]["password"]["no_log"] is True
    assert spec["cloud_init"]["options"]["ssh_authorized_keys"]["no_log"] is False
    documents = [spec[name] for name in ("machines", "environment")]
    documents += [spec["cloud_init"]["options"][name] for name in ("user_data", "meta_data", "network_config")]
    assert not any("no_log" in document for document in documents)
