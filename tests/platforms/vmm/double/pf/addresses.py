# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of rules: literals, names of interfaces, tables; their parser and their output.

A number has 128 bits; an IPv4 address or its mask is in the first 32 bits.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field, replace

_ALL = (1 << 128) - 1
_MODIFIERS = ("network", "broadcast", "peer", "0")
_LONGEST_MASK = 128


@dataclass(frozen=True)
class Address:
    """``kind``: mask, range, dynamic, table, no-route, urpf-failed, route, none."""

    INET, INET6 = 4, 6

    kind: str = "mask"
    number: int = 0
    mask: int = 0
    name: str = ""
    modifiers: tuple = ()

    @property
    def is_any(self):
        return self.kind == "mask" and not self.number and not self.mask

    @property
    def is_many(self):
        """True for a dynamic address that can be several addresses."""
        return self.kind == "dynamic" and not ("0" in self.modifiers and self.name[-1:].isdigit())

    def masked(self, bits):
        mask = mask_of(bits)
        return replace(self, mask=mask, number=self.number & mask if self.kind == "mask" else self.number)

    def text(self, af):
        if self.kind == "range":
            return f"{number_text(af, self.number)} - {number_text(af, self.mask)}"
        fixed = {"table": f"<{self.name}>", "route": f'route "{self.name}"'}
        if self.kind not in ("mask", "dynamic"):
            return fixed.get(self.kind, self.kind)
        if self.is_any:
            return "any"
        text = number_text(af, self.number)
        if self.kind == "dynamic":
            text = f"({':'.join([self.name, *(one for one in _MODIFIERS if one in self.modifiers)])})"
            if not self.number and not self.mask:
                return text
        return text + (f"/{bits_of(self.mask)}" if bits_of(self.mask) < host_bits(af) else "")


@dataclass
class Host:
    """One address in a list of a rule. ``interface`` is the name after ``@``."""

    address: Address = field(default_factory=Address)
    af: int = 0
    negated: bool = False
    index: int = 0
    interface: str = ""


def host_bits(af):
    return 32 if af == Address.INET else 128


def mask_of(bits):
    return _ALL ^ (_ALL >> bits)


def bits_of(mask):
    """The number of leading bits that are set."""
    return 128 - (mask ^ _ALL).bit_length()


def number_of(text):
    """(af, number) of a literal address."""
    literal = ipaddress.ip_address(text)
    return (literal.version, int(literal) << 96) if literal.version == Address.INET else (literal.version, int(literal))


def number_text(af, number):
    if af == Address.INET:
        return str(ipaddress.IPv4Address(number >> 96))
    text = str(ipaddress.IPv6Address(number))
    # An IPv4 address inside is printed with dots.
    high, low = number >> 32, number & 0xFFFFFFFF
    if high == 0xFFFF or (high == 0 and low > 0xFFFF):
        return ("::ffff:" if high else "::") + str(ipaddress.IPv4Address(low))
    return text


class Reader:
    """Reads hosts as pfctl does. ``warn`` reports a line without file and number."""

    def __init__(self, system, warn):
        self._system, self._warn = system, warn

    def hosts(self, text):
        """The addresses of a name or literal. The list is empty after an error."""
        word, at, interface = text.rpartition("@") if "@" in text else (text, "", "")
        word, slash, bits = word.partition("/")
        mask = None
        if slash:
            mask = self._mask(bits)
            if mask is None:
                return []
        found = self._of_interface(word, mask) or self._literal(word, mask)
        if not found:
            self._warn(f"no IP address found for {text}")
        for host in found:
            host.interface = interface if at else ""
        return found

    def _mask(self, bits):
        problem = None
        if not re.fullmatch(r"\s*[+-]?\d+", bits):
            problem = "invalid"
        elif not 0 <= int(bits) <= _LONGEST_MASK:
            problem = "too small" if int(bits) < 0 else "too large"
        if problem:
            self._warn(f"netmask is {problem}: /{bits}")
        return None if problem else int(bits)

    def _of_interface(self, word, mask):
        name, modifiers = split_modifiers(word)
        if modifiers is None:
            return []
        if len(set(modifiers) - {"0"}) > 1:
            self._warn("illegal combination of interface modifiers")
            return []
        if mask is not None and {"network", "broadcast"} & set(modifiers):
            self._warn("network or broadcast lookup, but extra netmask given")
            return []
        if not (self._system.exists(name) or name == "self"):
            return []
        found = self._system.addresses(name, modifiers)
        return [
            Host(Address(number=number).masked(bits if mask is None else mask), af, index=index)
            for af, number, bits, index in found
        ]

    def _literal(self, word, mask):
        try:
            af, number = number_of(word.partition("%")[0])
        except ValueError:
            if mask is None:
                return []
            af, number = Address.INET, _partial(word)
            if number is None:
                return []
        return [Host(Address(number=number).masked(host_bits(af) if mask is None else mask), af)]


def split_modifiers(word):
    """(name, modifiers) of ``em0:network``; None as modifiers if one is unknown."""
    modifiers = []
    while ":" in word:
        name, _colon, last = word.rpartition(":")
        if last not in _MODIFIERS:
            return word, None
        modifiers.append(last)
        word = name
    return word, tuple(modifiers)


def _partial(word):
    """The number of an IPv4 address with less than four parts, as in ``10/8``."""
    parts = word.split(".")
    if len(parts) > 4 or not all(re.fullmatch(r"[0-9]+", part) and int(part) < 256 for part in parts):
        return None
    return int.from_bytes(bytes(map(int, parts)).ljust(4, b"\0"), "big") << 96
