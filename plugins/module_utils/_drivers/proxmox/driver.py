# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Proxmox VE's driver: what the core requests, in calls of its API. It neither waits nor decides.

Ansible compiles a module in every run, so what only a changing task needs is imported where it is needed.
"""

from __future__ import annotations

import re
import threading
from functools import cached_property

from ..._lifecycle import options as shared
from ..._lifecycle.errors import ApiError, InvalidInput, Refused, Unavailable
from ..._lifecycle.model import POWER_VERBS, SNAPSHOT_VERBS
from ..._lifecycle.one_by_one import one_by_one
from ..._lifecycle.options import CREATION, SETTING
from ..._ports import writes
from ..._ports.ceiling import call_timeout
from ..._ports.clock import Clock
from ..._ports.proxmox_api import LEAST_TIMEOUT, Account, ProxmoxApi, environment
from ..._tools.proxmox import Busy, Proxmox
from ..._tools.proxmox_values import parse
from . import options as own
from .cluster import is_gone
from .observe import Observer
from .settings.disks import check_sum
from .traits import proxmox_traits

_OLDEST = (7, 0)
_CREATING = ("create", "clone")
#: Options of the connection, and the environment variables used if an option is not set.
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
    check_sum(params.get("iso_checksum"))
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
    """A driver for modules that only report: they read the server's version as well."""
    driver = make_driver(params)
    driver.reports_version = driver.observer.only_reports = True
    return driver


def needs_settings(params):
    """Whether each VM must be read, which costs a call for each: lists report all that policy options need."""
    if "stop_mode" not in params or params["state"] in ("absent", "present") or params["allow_restart"]:
        return True
    compared = (name for name, option in {**shared.VM, **own.VM}.items() if option.role in (SETTING, CREATION))
    return any(params.get(name) is not None for name in compared)


class ProxmoxDriver:
    """One cluster, for one task: ``observer`` reads it, ``places`` are where something new can be put."""

    def __init__(
        self,
        tool,
        observer,
        storage=None,
        bridge="vmbr0",
        stop_timeout=None,
        iso_checksum=None,
        password=None,
        on_failure="rollback",
        tags=(),
        clones_linked=False,
    ):
        self.tool, self.observer, self.storage, self.iso_checksum = tool, observer, storage, iso_checksum
        self.password, self.keeps_failures = password, on_failure == "keep"
        #: {id: VM} as planned on.
        self.planned = {}
        #: Held while a number for a new VM is chosen.
        self.numbering = threading.Lock()
        #: {vmid: name} of the VMs that this task started to create, or may have started: answers get lost.
        self.numbers = {}
        #: {name: vmid} of the VMs that this task has created.
        self.created = {}
        #: Held while an ISO image is uploaded or downloaded.
        self.uploading = threading.Lock()
        self.reports_version = False
        self._bridge = bridge
        #: Seconds that the task gives a guest to shut down; None: the task does not say.
        self.stop_timeout = stop_timeout
        #: {id: node} of VMs that high availability is to move, and ids of those that it is to stop.
        self.moves_requested, self.stops_requested = {}, set()
        self._version = None
        #: Disks of a linked clone are where its source's are, whatever the task says.
        self._storage_of_all = None if clones_linked else storage
        self._has_capitals = any(tag != tag.lower() for tag in tags or ())

    @cached_property
    def places(self):
        from .places import Places

        return Places(self.tool)

    def traits(self):
        if self.reports_version:
            check_version(self.version())
        return proxmox_traits(self._version or "", self._bridge, self._keeps_capitals, self._storage_of_all)

    @cached_property
    def _keeps_capitals(self):
        """Whether the cluster keeps capitals of tags; read only if a tag of the task has any."""
        if not self._has_capitals:
            return False
        try:
            style = self.tool.get("/cluster/options").get("tag-style") or {}
        except (ApiError, Refused):
            return False
        style = style if isinstance(style, dict) else parse("tag-style", style)
        return str(style.get("case-sensitive", 0)) == "1"

    def version(self):
        """The server's version, read once and only if it is needed."""
        if self._version is None:
            self._version = self.tool.get("/version")["version"]
        return self._version

    def release(self):
        return release_of(self.version())

    def observe(self, targets, facets):
        return self.observer.observe(targets, facets)

    def lane(self, vm):
        return vm.id or vm.name

    def preflight(self, plan):
        """Raise errors that would make the plan fail half-way; this only reads."""
        from .checks import check_plan

        check_plan(self, plan)
        self.planned[plan.before.id] = plan.before

    def apply(self, batch):
        self.observer.is_acting = True
        return one_by_one(self._carry_out, batch, writes.count)

    def _carry_out(self, vm, step):
        carry_out = getattr(_file_of(step.verb), step.verb)
        if step.verb in _CREATING:
            carry_out(self, vm, step)
            return
        node = self.observer.node_of(vm.id)
        try:
            carry_out(self, vm, step)
        except ApiError as error:
            if not is_gone(error):
                raise
            # The next observation finds it where it is.
            self.observer.moved(vm.id, None)
            raise Busy(f"{vm.name}: it is no longer on the node '{node}'.", error.status) from error


def _file_of(verb):
    """The file with the function of a verb, which only a task that changes something needs."""
    if verb in POWER_VERBS:
        from . import power as file
    elif verb in SNAPSHOT_VERBS:
        from . import snapshots as file
    elif verb == "create":
        from . import create as file
    elif verb == "clone":
        from . import clone as file
    elif verb == "configure":
        from . import configure as file
    else:
        from . import delete as file
    return file


def release_of(text):
    """(major, minor) of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def check_version(text):
    """Raise Unavailable for a server that is too old."""
    if release_of(text) < _OLDEST:
        raise Unavailable(f"This is Proxmox VE {text}.", "too_old", "Version 7.0 or later is needed.")


def account(params):
    """Where and as whom, from options and variables of the environment. Raises InvalidInput for what is missing."""
    given = {option: _given(params, option) for option in _VARIABLES}
    if params.get("api_password") and not params.get("api_token_id"):
        # A password of the task takes precedence over a token of its environment.
        given["api_token_id"] = None
    user, token = given["api_user"], given["api_token_id"]
    if token and "!" in token:
        user, token = token.split("!", 1)
    for option, value in (("api_host", given["api_host"]), ("api_user", user)):
        if not value:
            raise _missing(option)
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
        f"{option} is not set.", f"Set it, or set {_VARIABLES[option][0]} in the environment of the task."
    )


def _number(option, value, default):
    try:
        return default if value is None else int(value)
    except ValueError:
        raise InvalidInput(f"{option}: '{value}' is not a number.", "Write a whole number.") from None


def _trusted(given):
    """True, False, or the file of the authority that is trusted."""
    if str(given["verify_ssl"]).lower() in _NO:
        return False
    return given["ca_path"] or True
