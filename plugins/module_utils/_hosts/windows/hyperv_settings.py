# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hyper-V: the module hyperv_host_settings: its options, their validation, and the host that it changes."""

from __future__ import annotations

import ipaddress
import re

from ..._core.errors import InvalidInput, PolyvirtError
from ..._core.frozen import replace
from ..._core.options.option import Consent, Entries, Option, Seconds
from ..._ports.windows import connection
from ..._ports.windows_host import WindowsHost
from ..._ports.windows_request import Chain
from ..._tools import hyperv_host, windows_features
from ..._tools.hyperv import MODULE, cannot_be_read
from ..._tools.windows_files import check_folder, parents_of
from .hyperv_plan import needs_restart, plan_host, root_of, wanted_features
from .hyperv_switches import TYPES, takes_vms_off

_SWITCH = {
    "name": Option(required=True),
    "type": Option(choices=tuple(TYPES), required=True),
    "adapter": Option(),
    "allow_management_os": Option("bool"),
    "address": Option(),
}
OPTIONS = {
    "management_tools": Option("bool", default=False),
    "vm_path": Option(),
    "disk_path": Option(),
    "switches": Entries(options=_SWITCH, default=[]),
    "allow_connection_loss": Consent(),
    "reboot": Consent(),
    "reboot_timeout": Seconds(default=1800),
}
_ABSOLUTE = re.compile(r"(?:[A-Za-z]:\\|\\\\[^\\]+\\[^\\]+)[^*?\"<>|]*")


def make_host(params):
    """Return the host for the parameters of the module. Raises InvalidInput before anything is read."""
    wanted = {**params, "switches": params["switches"] or []}
    for option in ("vm_path", "disk_path"):
        if wanted[option] is not None:
            wanted[option] = _path(option, wanted[option])
    _check_switches(wanted["switches"])
    if params["reboot_timeout"] < 1:
        raise InvalidInput("reboot_timeout: must be at least 1 second.")
    return HyperVHost(wanted)


def _path(option, given):
    path = given.replace("/", "\\")
    if not _ABSOLUTE.fullmatch(path):
        raise InvalidInput(f"{option}: {given} is not an absolute path of Windows, such as D:\\Hyper-V.")
    return path if len(path) == len(root_of(path)) else path.rstrip("\\")


def _check_switches(entries):
    names = [one["name"].casefold() for one in entries]
    for one in entries:
        where = f"switches.{one['name']}"
        if not one["name"].strip():
            raise InvalidInput("switches[].name: must not be empty.")
        if names.count(one["name"].casefold()) > 1:
            raise InvalidInput(f"{where}: the list has two entries of this name.")
        _check_switch(where, one)
    if len([one for one in entries if one["type"] == "nat"]) > 1:
        raise InvalidInput("switches: Windows supports only one NAT network on a host; use type: nat once.")


def _check_switch(where, one):
    is_external, address = one["type"] == "external", one.get("address")
    if is_external and not one.get("adapter"):
        raise InvalidInput(f"{where}: type external needs adapter, such as Ethernet.")
    if not is_external and (one.get("adapter") or one.get("allow_management_os") is not None):
        raise InvalidInput(f"{where}: adapter and allow_management_os need type external.")
    if one["type"] == "nat" and not address:
        raise InvalidInput(f"{where}: type nat needs address, such as 10.60.0.1/24.")
    if one["type"] not in ("nat", "internal") and address:
        raise InvalidInput(f"{where}: address needs type nat or internal.")
    if address:
        _check_address(where, address)


def _check_address(where, given):
    try:
        address = ipaddress.IPv4Interface(given if "/" in given else "")
    except ValueError:
        raise InvalidInput(f"{where}: address: {given} is not an IPv4 address with its prefix length.") from None
    network = address.network
    if network.prefixlen > 30 or address.ip in (network.network_address, network.broadcast_address):
        raise InvalidInput(f"{where}: address: {given} is not the address of a host in a subnet.")


class HyperVHost(WindowsHost):
    """The Hyper-V settings of one host. ``wanted`` are the options of the task."""

    def __init__(self, wanted):
        super().__init__(connection(), wanted["reboot_timeout"])
        self._wanted = wanted
        paths = [wanted[one] for one in ("vm_path", "disk_path") if wanted[one]]
        self._roots = sorted(set(map(root_of, paths)))
        self._folders = [one for path in paths for one in (path, *parents_of(path))]
        self._is_server = None

    def read(self):
        if self._is_server is None:
            self._is_server = self.system()["ProductType"] != windows_features.CLIENT
        names = list(wanted_features(self._is_server, self._wanted["management_tools"]))
        features, host = self.windows.call(
            [
                Chain("features", windows_features.read_calls(self._is_server, names)),
                Chain("host", hyperv_host.read_calls(self._roots, self._folders)),
            ]
        )
        if host.error:
            raise PolyvirtError(f"The host cannot be read: {host.error}")
        states = windows_features.states(self._is_server, names, features.answers)
        state = hyperv_host.read_host(host.answers, self._roots, self._folders, self._is_server, states)
        self._check_usable(state, host.answers[0].error)
        return replace(state, vms=self._vms()) if state.usable and takes_vms_off(self._wanted, state) else state

    def _vms(self):
        (result,) = self.windows.call([Chain("vms", (hyperv_host.vms_call(),))], modules=(MODULE,))
        if result.error:
            raise cannot_be_read(result.error)
        return result.answers[0].objects

    @staticmethod
    def _check_usable(state, error):
        """Raise if all features of Hyper-V are enabled, but it does not answer."""
        if not state.usable and error and set(state.features.values()) == {windows_features.ENABLED}:
            raise cannot_be_read(error)

    def is_ready(self):
        return windows_features.PENDING not in self.read().features.values()

    def plan(self, state):
        return plan_host(self._wanted, state)

    def check(self, step, answers):
        if step.key in ("vm_path", "disk_path"):
            check_folder(step.key, step.after, answers[0])

    def facts(self, state, steps):
        return {
            "reboot_required": needs_restart(state, steps),
            "rebooted": self.restarted or any(step.restarts for step in steps),
            "host": {
                "product": "server" if state.is_server else "client",
                "features": dict(state.features),
                "usable": state.usable,
                "hypervisor_running": state.has_hypervisor,
                "vm_path": state.vm_path or None,
                "disk_path": state.disk_path or None,
                "switches": [one["Name"] for one in state.switches],
            },
        }
