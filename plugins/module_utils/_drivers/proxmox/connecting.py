# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from a module's parameters to a driver: account, certificates, and what the task has to read."""

from __future__ import annotations

from ..._lifecycle.errors import InvalidInput
from ..._ports.ceiling import call_timeout
from ..._ports.clock import Clock
from ..._ports.proxmox_api import LEAST_TIMEOUT, Account, ProxmoxApi, environment
from ..._tools.proxmox import Proxmox
from .driver import ProxmoxDriver
from .observe import Observer

#: What a task may give without being about a VM's settings.
_READ_FROM_LISTS = frozenset({
    "name", "id", "state", "stop_mode", "stop_timeout", "timeout", "wait_for", "allow_recreate", "delete_disks",
    "call_timeout", "purge", "on_failure", "storage", "bridge", "iso_checksum", "allow_restart",
})  # fmt: skip
#: Options of the connection, and the variables that stand in for them.
_VARIABLES = {
    "api_host": ("PROXMOX_HOST",), "api_port": ("PROXMOX_PORT",), "api_user": ("PROXMOX_USER",),
    "api_password": ("PROXMOX_PASSWORD",), "api_token_id": ("PROXMOX_TOKEN_ID",),
    "api_token_secret": ("PROXMOX_TOKEN_SECRET",), "ca_path": ("PROXMOX_CA_PATH",),
    "verify_ssl": ("PROXMOX_VERIFY_SSL", "PROXMOX_VALIDATE_CERTS"), "api_timeout": ("PROXMOX_API_TIMEOUT",),
}  # fmt: skip
_NO = ("0", "false", "no", "off")
_PORT = 8006


def make_driver(params):
    """A driver from a module's parameters (those of any of the modules)."""
    if params.get("iso_checksum"):
        from .settings.media import check_sum

        check_sum(params["iso_checksum"])
    tool = Proxmox(ProxmoxApi(account(params)), Clock(), call_timeout(params.get("call_timeout")))
    return ProxmoxDriver(
        tool,
        Observer(tool, params.get("native") or (), needs_settings(params)),
        storage=params.get("storage"),
        on_failure=params.get("on_failure"),
        bridge=params.get("bridge") or "vmbr0",
        stop_timeout=params.get("stop_timeout"),
        iso_checksum=params.get("iso_checksum"),
        password=(params.get("cloud_init") or {}).get("password"),
        tags=params.get("tags"),
        clones_linked=bool((params.get("clone") or {}).get("linked")),
    )


def make_info_driver(params):
    """The same, for what only reports: the server's version is asked for, too."""
    driver = make_driver(params)
    driver.reports_version = driver.observer.only_reports = True
    return driver


def needs_settings(params):
    """Whether each VM must be read: it costs a call for each."""
    if "stop_mode" not in params or params["state"] in ("absent", "present") or params["allow_restart"]:
        return True
    given = {name for name, value in params.items() if value is not None}
    return bool(given - _READ_FROM_LISTS - set(_VARIABLES))


def account(params):
    """Where and as whom, from options and variables of the environment. Raises InvalidInput for what is missing."""
    given = {option: _given(params, option) for option in _VARIABLES}
    if params.get("api_password") and not params.get("api_token_id"):
        # What the task itself says goes before a token of its environment.
        given["api_token_id"] = None
    user, token = given["api_user"], given["api_token_id"]
    if token and "!" in token:
        user, token = token.split("!", 1)
    for option, value in (("api_host", given["api_host"]), ("api_user", user)):
        if not value:
            raise _missing(option)
    if "/" in given["api_host"]:
        raise InvalidInput(
            f"api_host: '{given['api_host']}' is no name or address of a host.",
            "Write it alone, such as pve1.example.com, without https:// and path; the port goes into api_port.",
        )
    if "@" not in user:
        raise InvalidInput(f"api_user: '{user}' has no realm.", f"Write {user}@pam or {user}@pve.")
    if not token and not given["api_password"]:
        raise _missing("api_password")
    if token and not given["api_token_secret"]:
        raise _missing("api_token_secret")
    return Account(
        host=given["api_host"],
        port=_number("api_port", given["api_port"], _PORT),
        user=user,
        password=None if token else given["api_password"],
        token_id=token,
        token_secret=given["api_token_secret"] if token else None,
        verify=_trusted(given),
        timeout=_number("api_timeout", given["api_timeout"], LEAST_TIMEOUT),
    )


def _given(params, option):
    if params.get(option) is not None:
        return params[option]
    return next((value for value in map(environment, _VARIABLES[option]) if value is not None), None)


def _missing(option):
    return InvalidInput(
        f"{option} is not given.", f"Give it, or set {_VARIABLES[option][0]} in the environment of the task."
    )


def _number(option, value, default):
    try:
        return default if value is None else int(value)
    except ValueError:
        raise InvalidInput(f"{option}: '{value}' is no number.", "Write a whole number.") from None


def _trusted(given):
    """True, False, or the file of the authority that is trusted."""
    if str(given["verify_ssl"]).lower() in _NO:
        return False
    return given["ca_path"] or True
