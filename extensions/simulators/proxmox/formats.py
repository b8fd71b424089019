# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of single values: each checker raises Refused with the server's text if a value is wrong.

Formats that the facts do not know (those of endpoints that are not simulated) are not checked.
"""

from __future__ import annotations

import ipaddress
import re

from . import schema


class Refused(Exception):
    """The value does not have the format."""


_BUSES = {"ide": 4, "sata": 6, "scsi": 31, "virtio": 16, "net": 32, "usb": 14, "hostpci": 16}
_DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9\-]*[a-zA-Z0-9])?"
_STORAGE = r"[a-zA-Z][a-zA-Z0-9\-_.]*[a-zA-Z0-9]"
_HOTPLUG = {"network", "disk", "cpu", "memory", "usb", "cloudinit"}

# {format: (pattern for the whole value, error message)}.
_PATTERNS = {
    "dns-name": (rf"(?:{_DNS_LABEL}\.)*{_DNS_LABEL}", "value does not look like a valid DNS name"),
    "pve-node": (_DNS_LABEL, "value does not look like a valid node name"),
    "pve-vmid": (r"[1-9][0-9]{2,8}", "value does not look like a valid VM ID"),
    "pve-configid": (r"[a-zA-Z][a-zA-Z0-9_-]+", "invalid configuration ID '{value}'"),
    "pve-volume-id": (rf"{_STORAGE}:.+", "unable to parse volume ID '{value}'"),
    "pve-tag": (r"(?i:[a-z0-9_][a-z0-9_\-+.]*)", "invalid characters in tag"),
    "urlencoded": (r"[-%a-zA-Z0-9_.!~*'()]*", "invalid urlencoded string: {value}"),
    "disk-size": (r"\d+(?:\.\d+)?(?:[KMGT](?:iB)?)?", "value does not look like a valid disk size: {value}"),
    "mac-addr": (
        r"(?i:[a-f0-9][02468ace](?::[a-f0-9]{2}){5})",
        "value does not look like a valid unicast MAC address",
    ),
    "pve-phys-bits": (r"host|[89]|[1-5][0-9]|6[0-4]", "value must be an integer between 8 and 64 or 'host'"),
}

# {format: (what its values are, all values)}.
_ENUMERATIONS = {
    "pve-storage-content": (
        "content type",
        ["images", "rootdir", "vztmpl", "iso", "backup", "snippets", "import", "none"],
    ),
    "pve-task-status-type": ("status", ["ok", "error", "warning", "unknown"]),
}


def check(name, value):
    """Raise Refused if ``value`` does not have the format ``name``."""
    if name.endswith("-list"):
        for item in schema.split_list(value):
            check(name[: -len("-list")], item)
    elif name in _PATTERNS:
        pattern, text = _PATTERNS[name]
        if not re.fullmatch(pattern, value):
            raise Refused(text.format(value=value) + "\n")
    elif name in _ENUMERATIONS:
        what, known = _ENUMERATIONS[name]
        if value not in known:
            raise Refused(f"invalid {what} '{value}'\n")
    elif name in _CHECKERS:
        _CHECKERS[name](value)


def _volume_or_path(value):
    if value not in ("none", "cdrom") and not value.startswith("/"):
        check("pve-volume-id", value)


def _volume_or_absolute(value):
    if not value.startswith("/"):
        check("pve-volume-id", value)


def _storage(value):
    if len(value) < 2:
        raise Refused(f"storage ID '{value}' cannot be shorter than 2 characters\n")
    if not re.fullmatch(_STORAGE, value):
        raise Refused(f"storage ID '{value}' contains illegal characters\n")


def _storage_pair(value):
    """SOURCE:TARGET, or one target for all."""
    for part in value.split(":", 1):
        try:
            _storage(part)
        except Refused as refused:
            raise Refused(f"entry '{value}' contains invalid ID - {refused}\n") from None


def _pool(value):
    if not re.fullmatch(r"[A-Za-z0-9.\-_]+(?:/[A-Za-z0-9.\-_]+)*", value):
        raise Refused(f"pool name '{value}' contains invalid characters\n")
    if value.count("/") > 2:
        raise Refused(f"pool name '{value}' nested too deeply (max levels = 3)\n")


def _boot_device(value):
    bus = value.rstrip("0123456789")
    number = value[len(bus) :]
    if not number or int(number) >= _BUSES.get(bus, 0):
        raise Refused(f"invalid boot device '{value}'\n")


def _hotplug(value):
    if value in ("0", "1"):
        return
    for feature in schema.split_list(value):
        if feature not in _HOTPLUG:
            raise Refused(f"invalid hotplug feature '{feature}'\n")


def _startup(value):
    if not all(re.fullmatch(r"(?:order=)?\d+|(?:up|down)=\d+", part.strip()) for part in value.split(",")):
        raise Refused("unable to parse startup options\n")


def _network(value, text, least):
    if "/" in value:
        try:
            network = ipaddress.ip_interface(value).network
        except ValueError:
            raise Refused(f"{text}\n") from None
        if network.prefixlen >= least.get(network.version, 999):
            return
    raise Refused(f"{text}\n")


def _cidr(value):
    _network(value, "value does not look like a valid CIDR network", {4: 8, 6: 8})


def _ipv4_config(value):
    if value not in ("dhcp", "manual"):
        _network(value, "value does not look like a valid ipv4 network configuration", {4: 8})


def _ipv6_config(value):
    if value not in ("auto", "dhcp", "manual"):
        _network(value, "value does not look like a valid ipv6 network configuration", {6: 8})


def _address(value, version):
    try:
        right = ipaddress.ip_address(value).version == version
    except ValueError:
        right = False
    if not right:
        raise Refused(f"value does not look like a valid IPv{version} address\n")


_CHECKERS = {
    "pve-volume-id-or-qm-path": _volume_or_path,
    "pve-volume-id-or-absolute-path": _volume_or_absolute,
    "pve-poolid": _pool,
    "pve-storage-id": _storage,
    "storage-pair": _storage_pair,
    "pve-qm-bootdev": _boot_device,
    "pve-hotplug-features": _hotplug,
    "pve-startup-order": _startup,
    "CIDR": _cidr,
    "pve-ipv4-config": _ipv4_config,
    "pve-ipv6-config": _ipv6_config,
    "ipv4": lambda value: _address(value, 4),
    "ipv6": lambda value: _address(value, 6),
}
