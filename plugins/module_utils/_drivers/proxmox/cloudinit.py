# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option cloudinit: as the server tells it again. What it would refuse at any machine is refused before."""

from __future__ import annotations

import base64
import ipaddress

from ..._lifecycle.errors import Refused

#: Cards that can be told something.
_CARDS = 32
#: What may stand instead of an address.
_WORDS = {"ip": ("dhcp", "manual"), "ip6": ("auto", "dhcp", "manual")}
_GATEWAYS = {"gw": "ip", "gw6": "ip6"}
_VERSIONS = {"ip": 4, "gw": 4, "ip6": 6, "gw6": 6}
_LENGTHS = {4: range(8, 33), 6: range(8, 129)}


def settled(vm, asked):
    """What is asked as it will be told. Raises Refused."""
    return {option: _SETTLED[option](f"{vm.name}: cloudinit: {option}", value) for option, value in asked.items()}


def check_keys(option, entries):
    """Refuse what is no public key. A private one may have been given by mistake, so none is shown."""
    for number, entry in enumerate(entries, 1):
        if not all(map(_is_key, _lines(entry))):
            raise Refused(
                f"{option}: entry {number} is no public key.",
                "Give the whole line of a .pub file, such as: ssh-ed25519 AAAAC3Nz... me@host.",
            )


def _text(option, value):
    return value.strip()


def _words(option, entries):
    return tuple(word for entry in entries for word in entry.split())


def _keys(option, entries):
    check_keys(option, entries)
    return tuple(line for entry in entries for line in _lines(entry))


def _lines(text):
    return [line.strip() for line in text.split("\n") if line.strip()]


def _is_key(line):
    """Options and a comment may stand around it; comments alone are left to the server."""
    words = line.split()
    return line.startswith("#") or any(map(_is_data_of, words, words[1:]))


def _is_data_of(kind, text):
    """Whether it begins with the name of its kind, so that no other text passes for a key."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return data.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def _ip_config(option, entries):
    """Without the last cards, if nothing is said about them."""
    cards = [",".join(filter(None, map(str.strip, entry.split(",")))) for entry in entries]
    while cards and not cards[-1]:
        cards.pop()
    if len(cards) > _CARDS:
        raise Refused(f"{option} has {len(cards)} entries.", f"Leave out those after the first {_CARDS} cards.")
    for place, said in enumerate(cards):
        fault = said and _fault(said)
        if fault:
            raise Refused(
                f"{option}: '{said}' of card {place}: {fault}.",
                "Write ip=10.0.0.5/24,gw=10.0.0.1 or ip=dhcp,ip6=auto, for instance.",
            )
    return tuple(cards)


def _fault(said):
    parts = [part.partition("=")[::2] for part in said.split(",")]
    names = [name for name, _value in parts]
    for name, value in parts:
        if name not in _VERSIONS:
            return f"'{name}' is none of {', '.join(_VERSIONS)}"
        if not _fits(name, value):
            return f"'{value}' is {_meant(name)}"
        if names.count(name) > 1:
            return f"{name} is given twice"
    missing = [name for name in names if name in _GATEWAYS and _GATEWAYS[name] not in names]
    return f"{missing[0]} needs {_GATEWAYS[missing[0]]}" if missing else None


def _fits(name, value):
    if name in _GATEWAYS:
        return _is_address(value, _VERSIONS[name])
    address, _slash, length = value.partition("/")
    version = _VERSIONS[name]
    is_network = length.isdecimal() and int(length) in _LENGTHS[version] and _is_address(address, version)
    return is_network or value in _WORDS[name]


def _meant(name):
    address = f"no IPv{_VERSIONS[name]} address"
    if name in _GATEWAYS:
        return address
    return f"{address} with a prefix length, and none of {', '.join(_WORDS[name])}"


def _is_address(text, version):
    try:
        return ipaddress.ip_address(text).version == version and "%" not in text
    except ValueError:
        return False


_SETTLED = {
    "user": _text,
    "search_domain": _text,
    "nameservers": _words,
    "ssh_keys": _keys,
    "ip_config": _ip_config,
}
