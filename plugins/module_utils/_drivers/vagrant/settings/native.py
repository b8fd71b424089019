# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``native``: settings and calls that another option makes are rejected."""

from __future__ import annotations

from collections.abc import Mapping

from ...._core.errors import Refused

#: {option of modifyvm, without a number: option that sets the same}, in commands of ``customize``.
_OF_MODIFYVM = {
    "memory": "memory", "cpus": "cpus", "natpf": "port_forwards", "nat-pf": "port_forwards", "nic": "networks",
    "macaddress": "networks", "mac-address": "networks", "bridgeadapter": "networks", "bridge-adapter": "networks",
    "hostonlyadapter": "networks", "host-only-adapter": "networks",
}  # fmt: skip


def check_native(vm, native, options):
    """Raise Refused for a setting or a call that sets what an option sets; ``options`` is {key: option}."""
    for key, value in native.items():
        option = options.get(key) or _OF_CALLS.get(key, lambda calls: None)(value)
        if option:
            raise Refused(f"{vm.name}: native: '{key}' cannot set this.", f"Use the option {option} instead.")
    return native


def _of_networks(calls):
    return next(("port_forwards" for call in _lists(calls) if str(call[0]).lstrip(":") == "forwarded_port"), None)


def _of_disks(calls):
    """A primary disk is that of the option; other disks, and media, have none."""
    named = [call[-1] for call in _lists(calls) if isinstance(call[-1], Mapping)]
    return "disks" if any(str(one.get("primary")).lower() == "true" for one in named) else None


def _of_customize(calls):
    for call in _lists(calls):
        words = [str(word) for part in call for word in (part if isinstance(part, list) else [part])]
        if "modifyvm" in words:
            names = [word.lstrip("-").rstrip("0123456789") for word in words if word.startswith("--")]
            yield from (_OF_MODIFYVM[name] for name in names if name in _OF_MODIFYVM)


def _lists(calls):
    """The calls with arguments; other values are rejected when the file is written."""
    return [call for call in calls if isinstance(call, list) and call] if isinstance(calls, list) else []


_OF_CALLS = {
    "vm.network": _of_networks,
    "vm.disk": _of_disks,
    "customize": lambda calls: next(_of_customize(calls), None),
}
