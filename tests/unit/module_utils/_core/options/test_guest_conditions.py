# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms of wait_for, and which port of the host leads to a port of the guest."""

from __future__ import annotations

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput
from ansible_collections.polyvirt.core.plugins.module_utils._core.options.guest_conditions import (
    condition,
    described,
    forwarded,
    page,
    services,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (":8080/health", ("http", 8080, "/health")),
        (":8080", ("http", 8080, "/")),
        ("/health?full=1", ("http", 80, "/health?full=1")),
        ("http://{address}:8080/health", ("http", 8080, "/health")),
        ("http://{address}", ("http", 80, "/")),
        ("https://{address}/", ("https", 443, "/")),
        ("https://{address}:8443", ("https", 8443, "/")),
    ],
)
def test_page_is_port_and_path_of_the_guest(text, expected):
    assert page(text, "wait_for.http") == (*expected, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8080",
        "health",
        ":0/",
        ":65536/",
        "http://web1/health",
        "https://:8443/",
        "ftp://{address}/",
        "/a b",
        "/a\nb",
    ],
)
def test_other_addresses_are_rejected_with_an_example(text):
    with pytest.raises(InvalidInput, match=r"is not a page of the guest") as error:
        page(text, "wait_for.http")
    assert str(error.value).startswith("wait_for.http: ")
    assert ":8080/health" in error.value.remedy


@pytest.mark.parametrize(
    ("asked", "expected", "text"),
    [
        ({"condition": "winrm"}, ("winrm", None), "winrm"),
        ({"port": 8080}, ("port", 8080), "port 8080"),
        ({"http": page(":80/x", "")}, ("http", page(":80/x", "")), "http :80/x"),
    ],
)
def test_one_condition_is_waited_for(asked, expected, text):
    assert condition(asked) == expected
    assert described(*expected) == text


@pytest.mark.parametrize(("asked", "named"), [({}, "nothing"), ({"port": 1, "condition": "ssh"}, "condition and port")])
def test_none_and_several_conditions_are_rejected(asked, named):
    with pytest.raises(InvalidInput, match=f"wait_for: {named} is set. Set exactly one"):
        condition(asked)


@pytest.mark.parametrize(
    ("kind", "status", "is_ready"),
    [
        ("http", 200, True),
        ("http", 302, True),
        ("http", 401, False),
        ("http", 404, False),
        ("http", 503, False),
        ("winrm", 401, True),
        ("winrm", 405, True),
        ("winrm", 404, False),
        ("winrm", 503, False),
        ("http", None, False),
        ("winrm", None, False),
    ],
)
def test_statuses_that_prove_a_service(kind, status, is_ready):
    detail = page(":8080/", "") if kind == "http" else None
    assert all((status in one.statuses) == is_ready for one in services(kind, detail).values())


def test_winrm_has_two_ports():
    assert [(port, one.scheme, one.path) for port, one in services("winrm", None).items()] == [
        (5985, "http", "/wsman"),
        (5986, "https", "/wsman"),
    ]


def forward(**fields):
    return {"protocol": "tcp", "host_address": "", "host_port": 18080, "guest_port": 8080, **fields}


@pytest.mark.parametrize(
    ("forwards", "expected"),
    [
        ([], None),
        ([forward()], ("127.0.0.1", 18080)),
        ([forward(host_address="0.0.0.0")], ("127.0.0.1", 18080)),
        ([forward(host_address="192.0.2.1")], ("192.0.2.1", 18080)),
        ([forward(guest_port=22), forward(protocol="udp"), forward(host_port=None)], None),
        ([forward(guest_port=22), forward(host_port=1)], ("127.0.0.1", 1)),
    ],
)
def test_forward_to_a_port_of_the_guest(forwards, expected):
    assert forwarded(forwards, 8080) == expected
