# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the connection, environment variables as their defaults, and missing values."""

from __future__ import annotations

import os

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._core.errors import InvalidInput, Unavailable
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.account import account
from ansible_collections.polyvirt.core.plugins.module_utils._drivers.proxmox.observe import check_version

TOKEN = {"api_host": "pve1", "api_user": "ci@pve", "api_token_id": "t", "api_token_secret": "hidden"}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("PROXMOX_")]:
        monkeypatch.delenv(name)


def test_account_from_options():
    found = account(TOKEN)
    assert (found.where, found.who, found.verify, found.timeout) == ("pve1:8006", "ci@pve!t", True, 35)
    assert "hidden" not in repr(found)


def test_account_from_environment_variables(monkeypatch):
    given = {"HOST": "pve2", "PORT": "443", "USER": "root@pam", "PASSWORD": "hidden", "CA_PATH": "/ca"}
    for name, value in {**given, "API_TIMEOUT": "60"}.items():
        monkeypatch.setenv(f"PROXMOX_{name}", value)
    found = account({})
    assert (found.where, found.who, found.password, found.verify) == ("pve2:443", "root@pam", "hidden", "/ca")
    assert found.timeout == 60
    assert account({"api_host": "pve3", "api_port": 8006}).where == "pve3:8006"


@pytest.mark.parametrize("option", ["api_host", "api_user", "api_token_id", "api_token_secret"])
@pytest.mark.parametrize("end", ["\n", " ", "\x00"])
def test_value_that_no_header_can_contain(option, end):
    """Such as a secret that was read from a file; the error does not show it."""
    with pytest.raises(InvalidInput, match=f"{option}: it contains a space, a line break") as error:
        account({**TOKEN, option: f"{TOKEN[option]}{end}"})
    assert "trim" in str(error.value)
    assert "hidden" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "value"), [("api_port", 0), ("api_port", 65536), ("api_port", -1), ("api_timeout", 0)]
)
def test_number_out_of_range(option, value):
    with pytest.raises(InvalidInput, match=f"{option}: {value} is out of range"):
        account({**TOKEN, option: value})


def test_password_in_the_task_takes_precedence_over_token_in_the_environment(monkeypatch):
    monkeypatch.setenv("PROXMOX_TOKEN_ID", "ci@pve!t")
    monkeypatch.setenv("PROXMOX_TOKEN_SECRET", "hidden")
    found = account({"api_host": "pve1", "api_user": "root@pam", "api_password": "own"})
    assert (found.who, found.password, found.token_secret) == ("root@pam", "own", None)


@pytest.mark.parametrize(
    ("given", "who"),
    [
        ({**TOKEN, "api_password": "other"}, "ci@pve!t"),
        ({**TOKEN, "api_user": "other@pve", "api_token_id": "ci@pve!t"}, "ci@pve!t"),
        ({**TOKEN, "api_user": None, "api_token_id": "ci@pve!t"}, "ci@pve!t"),
    ],
)
def test_token_takes_precedence_over_password_and_user(given, who):
    found = account(given)
    assert (found.who, found.password, found.token_secret) == (who, None, "hidden")


@pytest.mark.parametrize("word", ["0", "no", "False"])
@pytest.mark.parametrize("variable", ["PROXMOX_VERIFY_SSL", "PROXMOX_VALIDATE_CERTS"])
def test_verification_is_switched_off_by_the_environment(monkeypatch, variable, word):
    monkeypatch.setenv(variable, word)
    assert account({**TOKEN, "ca_path": "/ca"}).verify is False
    assert account({**TOKEN, "verify_ssl": True, "ca_path": "/ca"}).verify == "/ca"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"api_host": None}, ("api_host", "PROXMOX_HOST")),
        ({"api_host": "https://pve1"}, ("api_host: 'https://pve1'", "pve1.example.com", "api_port")),
        ({"api_host": "pve1/api2"}, ("api_host: 'pve1/api2'",)),
        ({"api_user": None}, ("api_user", "PROXMOX_USER")),
        ({"api_user": "root"}, ("'root'", "root@pam")),
        ({"api_token_id": None, "api_token_secret": None}, ("api_password", "PROXMOX_PASSWORD")),
        ({"api_token_secret": None}, ("api_token_secret", "PROXMOX_TOKEN_SECRET")),
        ({"api_port": "https"}, ("api_port: 'https'",)),
    ],
)
def test_error_names_the_missing_or_invalid_option(given, words):
    with pytest.raises(InvalidInput) as caught:
        account({**TOKEN, **given})
    for word in words:
        assert word in str(caught.value)


def test_server_that_is_too_old_is_rejected():
    for version in ("7.0-8", "8.4.1", "9.1.2"):
        check_version(version)
    with pytest.raises(Unavailable, match="or later"):
        check_version("6.4-15")
