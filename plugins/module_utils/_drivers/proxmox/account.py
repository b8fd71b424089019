# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE: the account of a cluster, from the options of the connection and the environment of the task."""

from __future__ import annotations

import re

from ..._core.errors import InvalidInput
from ..._ports.proxmox_api import LEAST_TIMEOUT, Account, environment

#: {option of the connection: environment variables that are used if the option is not set}.
_VARIABLES = {
    "api_host": ("PROXMOX_HOST",), "api_port": ("PROXMOX_PORT",), "api_user": ("PROXMOX_USER",),
    "api_password": ("PROXMOX_PASSWORD",), "api_token_id": ("PROXMOX_TOKEN_ID",),
    "api_token_secret": ("PROXMOX_TOKEN_SECRET",), "ca_path": ("PROXMOX_CA_PATH",),
    "verify_ssl": ("PROXMOX_VERIFY_SSL", "PROXMOX_VALIDATE_CERTS"), "api_timeout": ("PROXMOX_API_TIMEOUT",),
}  # fmt: skip
_FALSE_VALUES = ("0", "false", "no", "off")
_PORT = 8006


def account(params):
    """The Account to log in with, from options and environment variables. Raises InvalidInput if one is missing."""
    given = {option: _given(params, option) for option in _VARIABLES}
    if params.get("api_password") and not params.get("api_token_id"):
        # A password in the task takes precedence over a token in the environment.
        given["api_token_id"] = None
    user, token = given["api_user"], given["api_token_id"]
    if token and "!" in token:
        user, token = token.split("!", 1)
    for option, value in (("api_host", given["api_host"]), ("api_user", user)):
        if not value:
            raise _missing(option)
    for option in ("api_host", "api_user", "api_token_id", "api_token_secret"):
        _check_one_word(option, given[option])
    if "/" in given["api_host"]:
        raise InvalidInput(
            f"api_host: '{given['api_host']}' is not a host name or an address.",
            "Write only the host, such as pve1.example.com, without https:// and path; set the port with api_port.",
        )
    if "@" not in user:
        raise InvalidInput(f"api_user: '{user}' has no realm.", f"Write {user}@pam or {user}@pve.")
    if not token and not given["api_password"]:
        raise _missing("api_password")
    if token and not given["api_token_secret"]:
        raise _missing("api_token_secret")
    return Account(
        host=given["api_host"],
        port=_number("api_port", given["api_port"], _PORT, most=65535),
        user=user,
        password=None if token else given["api_password"],
        token_id=token,
        token_secret=given["api_token_secret"] if token else None,
        verify=_verification(given),
        timeout=_number("api_timeout", given["api_timeout"], LEAST_TIMEOUT),
    )


def _given(params, option):
    if params.get(option) is not None:
        return params[option]
    return next((value for value in map(environment, _VARIABLES[option]) if value is not None), None)


def _check_one_word(option, value):
    """Reject what no HTTP header can contain: the error of the HTTP library would show the header with the secret."""
    if value and re.search(r"[\s\x00-\x1f\x7f]", value):
        raise InvalidInput(
            f"{option}: it contains a space, a line break or a control character.",
            "Remove it; for the content of a file, use the filter trim.",
        )


def _missing(option):
    return InvalidInput(
        f"{option} is not set.", f"Set it, or set {_VARIABLES[option][0]} in the environment of the task."
    )


def _number(option, value, default, most=None):
    try:
        number = default if value is None else int(value)
    except ValueError:
        raise InvalidInput(f"{option}: '{value}' is not a number.", "Write a whole number.") from None
    if number < 1 or (most and number > most):
        remedy = f"Write a number from 1 to {most}." if most else "Write 1 or more."
        raise InvalidInput(f"{option}: {number} is out of range.", remedy)
    return number


def _verification(given):
    """How to verify the certificate: True, False, or the path of a CA file."""
    if str(given["verify_ssl"]).lower() in _FALSE_VALUES:
        return False
    return given["ca_path"] or True
