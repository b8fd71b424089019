# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option cloud_init.ip_config: addresses of NICs, such as ip=10.0.0.5/24,gw=10.0.0.1. Entry n is for NIC n."""

from __future__ import annotations

import ipaddress

from ..errors import Refused

#: The largest number of NICs on any platform.
_MOST = 32
#: Keywords that can be set instead of an address.
_KEYWORDS = {"ip": ("dhcp", "manual"), "ip6": ("auto", "dhcp", "manual")}
_GATEWAYS = {"gw": "ip", "gw6": "ip6"}
_VERSIONS = {"ip": 4, "gw": 4, "ip6": 6, "gw6": 6}
_LENGTHS = {4: range(8, 33), 6: range(8, 129)}


def normalized(option, entries):
    """Return the entries without blanks and without empty entries at the end. Raises Refused for an invalid entry."""
    kept = [",".join(filter(None, map(str.strip, entry.split(",")))) for entry in entries]
    while kept and not kept[-1]:
        kept.pop()
    if len(kept) > _MOST:
        raise Refused(f"{option} has {len(kept)} entries.", f"A VM has at most {_MOST} NICs; remove the others.")
    for place, entry in enumerate(kept):
        fault = entry and _problem(entry)
        if fault:
            raise Refused(
                f"{option}: '{entry}' of NIC {place}: {fault}.",
                "Set, for instance, ip=10.0.0.5/24,gw=10.0.0.1 or ip=dhcp,ip6=auto.",
            )
    return tuple(kept)


def servers(option, entries):
    """Return the addresses of name servers, which commas and blanks separate. Raises Refused for what is none."""
    found = [word for entry in entries for word in entry.replace(",", " ").split()]
    for word in found:
        try:
            ipaddress.ip_address(word)
        except ValueError:
            raise Refused(
                f"{option}: '{word}' is not an IP address.", "Set the address of the name server, such as 192.0.2.53."
            ) from None
    return found


def parts_of(entry):
    """Return {ip, gw, ip6, gw6} of one entry; keys that are not set are missing."""
    return dict(part.partition("=")[::2] for part in entry.split(",") if part)


def is_address(value):
    """Return whether the value of ip or ip6 is an address, not a keyword such as dhcp."""
    return bool(value) and not any(value in keywords for keywords in _KEYWORDS.values())


def has_fixed_address(entry):
    """Return whether an entry (valid or not) sets an address that only one VM can have."""
    parts = parts_of("".join(entry.split()))
    return any(is_address(parts.get(name)) for name in _KEYWORDS)


def _problem(entry):
    parts = [part.partition("=")[::2] for part in entry.split(",")]
    names = [name for name, _value in parts]
    for name, value in parts:
        if name not in _VERSIONS:
            return f"'{name}' is not one of {', '.join(_VERSIONS)}"
        if not _fits(name, value):
            return f"'{value}' is {_expected(name)}"
        if names.count(name) > 1:
            return f"{name} is set twice"
    missing = [name for name in names if name in _GATEWAYS and _GATEWAYS[name] not in names]
    if missing:
        return f"{missing[0]} needs {_GATEWAYS[missing[0]]}"
    return next(filter(None, (_problem_of_gateway(dict(parts), name) for name in _GATEWAYS)), None)


def _problem_of_gateway(parts, name):
    address = parts.get(_GATEWAYS[name])
    if name not in parts or not is_address(address):
        return None
    own = ipaddress.ip_interface(address)
    if ipaddress.ip_address(parts[name]) == own.ip:
        return f"{name} is the address of the guest itself"
    if is_outside(parts, name) and own.network.num_addresses > 1:
        return f"{name} is not in {own.network}, so the guest has no route to it"
    return None


def is_outside(parts, name):
    """Return whether the gateway ``name`` (gw, gw6) is in no network of the NIC. A link-local one never is outside."""
    address, gateway = parts.get(_GATEWAYS[name]), ipaddress.ip_address(parts[name])
    return is_address(address) and not gateway.is_link_local and gateway not in ipaddress.ip_interface(address).network


def _fits(name, value):
    if name in _GATEWAYS:
        return _is_of_version(value, _VERSIONS[name])
    address, _slash, length = value.partition("/")
    version = _VERSIONS[name]
    is_network = length.isdecimal() and int(length) in _LENGTHS[version] and _is_of_version(address, version)
    return is_network or value in _KEYWORDS[name]


def _expected(name):
    address = f"an IPv{_VERSIONS[name]} address"
    if name in _GATEWAYS:
        return f"not {address}"
    return f"neither {address} with a prefix length nor one of {', '.join(_KEYWORDS[name])}"


def _is_of_version(text, version):
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False
