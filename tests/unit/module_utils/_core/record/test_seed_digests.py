# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Digests of cloud_init in the mark: a changed value is a warning, and no secret is part of a digest."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.model import Request, Vm
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.mark import inputs_of
from ansible_collections.polyvirt.core.plugins.module_utils._core.record.seed_digests import (
    digests_of,
    whole_digests_of,
)
from ansible_collections.polyvirt.core.plugins.module_utils._core.results.vm_result import other_cloud_init

GIVEN = {"user": "me", "password": "abc", "nameservers": ("10.0.0.1",), "user_data": {"packages": ["vim"]}}


def warning(asked, recorded=None, vm_id="1", **request):
    recorded = inputs_of({"creation": {"cloud_init": GIVEN}}) if recorded is None else recorded
    vm = Vm("web1", id="1", mark={"id": vm_id, "inputs": recorded})
    return other_cloud_init(vm, Request(name="web1", **(request or {"creation": {"cloud_init": asked}})))


@pytest.mark.parametrize(
    ("changed", "fields"),
    [
        ({}, None),
        ({"password": "another"}, None),
        ({"user": "you"}, "cloud_init: user:"),
        ({"user": None}, None),
        ({"nameservers": ("10.0.0.2",), "user_data": "#!/bin/sh"}, "cloud_init: nameservers, user_data:"),
        ({"meta_data": {"a": "b"}}, "cloud_init: meta_data:"),
    ],
)
def test_changed_field_of_an_existing_vm_is_a_warning(changed, fields):
    found = warning({**GIVEN, **changed})
    assert (found or "").startswith(f"web1: {fields}" if fields else "") and bool(found) == bool(fields)


def test_omitted_fields_are_not_compared():
    assert warning({"user": "me"}) is None


def test_vm_without_a_record_or_with_that_of_another_vm_causes_no_warning():
    assert warning({"user": "you"}, recorded={}) is None
    assert warning({"user": "you"}, recorded={"cloud_init": "edited"}) is None
    assert warning({"user": "you"}, vm_id="2") is None
    assert warning(None, creation={"image": {"source": "/a"}}) is None


@pytest.mark.parametrize(
    "documents",
    [
        ({"users": [{"name": "a", "passwd": "0000"}]}, {"users": [{"name": "a", "passwd": "1111"}]}),
        ("#cloud-config\npassword: 0000\n", "#cloud-config\npassword: 1111\n"),
    ],
)
def test_passwords_are_not_part_of_a_digest(documents):
    assert len({str(digests_of({"user_data": one})) for one in documents}) == 1
    assert "password" not in digests_of(GIVEN)


def test_digests_for_plans_are_long_enough_that_nobody_finds_another_document():
    assert {len(one) for one in digests_of(GIVEN).values()} == {8}
    assert {len(one) for one in whole_digests_of(GIVEN).values()} == {64}
    assert set(whole_digests_of(GIVEN)) == set(digests_of(GIVEN))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"password": "one-secret"}, {"password": "other-secret"}),
        ({"users": [{"name": "me", "passwd": "abc"}]}, {"users": [{"name": "me", "passwd": "def"}]}),
        ({"chpasswd": {"list": "me:one\n"}}, {"chpasswd": {"list": "me:other\n"}}),
        ("password: one-secret\nruncmd: [ls]\n", "password: other-secret\nruncmd: [ls]\n"),
        ("TOKEN=abc123 install", "TOKEN=def456 install"),
    ],
)
def test_another_secret_is_the_same_plan(one, other):
    assert whole_digests_of({"user_data": one}) == whole_digests_of({"user_data": other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A command is no secret, also if a secret has the same text, or is before it in its line.
        ({"password": "true", "runcmd": ["true"]}, {"password": "reboot", "runcmd": ["reboot"]}),
        ("TOKEN=abc; true", "TOKEN=abc; reboot"),
        ("TOKEN=abc true", "TOKEN=abc reboot"),
        ("password: abc # none\n", "password: abc # another\n"),
        ("export TOKEN=$(true)", "export TOKEN=$(reboot)"),
        ('export TOKEN="$(true)"', 'export TOKEN="$(reboot)"'),
        ({"token": "`true`"}, {"token": "`reboot`"}),
        ({"chpasswd": {"list": "me:x"}}, {"chpasswd": {"list": "root:x"}}),
        ({"password": None}, {"password": "secret"}),
        # The last word of a name decides, and a value must be one that nothing can execute.
        ("export RESTIC_PASSWORD_COMMAND=true", "export RESTIC_PASSWORD_COMMAND=reboot"),
        ("[profile a]\ncredential_process = true\n", "[profile a]\ncredential_process = reboot\n"),
        ({"token_command": "true"}, {"token_command": "reboot"}),
        ({"secrets": ["true"]}, {"secrets": ["reboot"]}),
        ({"secret": ["true"]}, {"secret": ["reboot"]}),
        ({"password": {"command": "true"}}, {"password": {"command": "reboot"}}),
        ({"passwd": "$6$abc"}, {"passwd": "$6$def"}),
        ({"chpasswd": {"list": "me:$(true)"}}, {"chpasswd": {"list": "me:$(reboot)"}}),
        ("curl https://me:$(true)@example.com/", "curl https://me:$(reboot)@example.com/"),
    ],
)
def test_another_command_is_another_plan(one, other):
    assert whole_digests_of({"user_data": one}) != whole_digests_of({"user_data": other})


_SECRETS = ("password", "DB_PASSWORD", "dbPassword", "wifi.psk", "access-token", "clientSecret", "luks_passphrase")
_KEYS = ("api_key", "apiKey", "AWS_SECRET_KEY", "private-key", "access.key")
_OTHER_NAMES = (
    "password_command", "PASSWORD_FILE", "tokens", "secrets", "key", "ssh_key", "public_key", "passwordless", "pass",
    "credential", "token2", "getToken_url", "shared_key", "apikey",
)  # fmt: skip
_LITERAL = ("one", "two", "a b", "x:y", "12345", "{braces}")
_EXECUTABLE = ("$HOME", "$(reboot)", "`reboot`", "a|b", "a;b", "a&b", "<a", "a>b", "{{ a }}", "{% a %}", "a\nb", "(a)")


def test_only_literal_secrets_are_left_out(record_property):
    """All names with all values, as keys of a dictionary."""
    base, wrong = "base-secret", []
    names = [*((name, True) for name in (*_SECRETS, *_KEYS)), *((name, False) for name in _OTHER_NAMES)]
    values = [*((value, True) for value in _LITERAL), *((value, False) for value in _EXECUTABLE)]
    for name, is_secret in names:
        for value, is_literal in values:
            one, other = (whole_digests_of({"user_data": {name: text}}) for text in (base, value))
            if (one == other) is not (is_secret and is_literal):
                wrong.append((name, value))
    assert wrong == []
    record_property("summary", f"names and values in documents: {len(names) * len(values)} cases")


@pytest.mark.parametrize("digests", [digests_of, whole_digests_of])
def test_digest_of_an_answer_file_does_not_depend_on_its_secrets(digests):
    """Everybody can decode its passwords, and its digest can be read by others than the task's user."""
    text = "<a><Password>\n<Value>{}</Value></Password><Key>{}</Key><Name>{}</Name></a>"

    def of(*values):
        return digests({"answer_file": text.format(*values)})["answer_file"]

    assert of("c2VjcmV0", "AAAAA-BBBBB", "web1") == of("b3RoZXI=\n", "CCCCC-DDDDD", "web1")
    assert of("c2VjcmV0", "AAAAA-BBBBB", "web1") != of("c2VjcmV0", "AAAAA-BBBBB", "web2")


def test_further_answer_files_are_in_the_digest_of_a_plan_only():
    """A script can contain a password in any form, and others can read the mark."""
    one, other = ({"answer_files": {"a.cmd": f"net user ann {word}"}} for word in ("first", "second"))
    assert digests_of(one) == {}
    assert whole_digests_of(one) != whole_digests_of(other)
