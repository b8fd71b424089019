# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of the grammar for the criteria of a rule: interfaces, hosts, ports, users, protocols, flags, ICMP types."""

from __future__ import annotations

from dataclasses import replace

from .addresses import Address, Host, bits_of, host_bits, split_modifiers
from .cnumbers import UINT_MAX, unsigned
from .names import CODES, CODES6, FLAGS, ICMP, ICMP6, TOS, TYPES, TYPES6
from .rule import IcmpType, Interface, Ports

LONGEST_INTERFACE, LONGEST_TABLE, _LONGEST_LABEL = 15, 31, 31
LAST_TABLE = 255
_LAST_PORT, _LAST_PROTOCOL, _LAST_BYTE, _LAST_WEIGHT = 65535, 255, 255, 65535


class Matches:
    # interfaces
    def interface_name(self, name):
        if len(name) > LONGEST_INTERFACE:
            self.reject("interface name too long")
        return Interface(name)

    def interface_rdomain(self, _word, number):
        if not 0 <= number <= LAST_TABLE:
            self.complain(f"rdomain {number} outside range")
        return Interface(rdomain=number)

    def interface_not(self, negated, interface):
        return replace(interface, negated=negated)

    def dynamic_interface(self, _open, interface, _close):
        return replace(interface, dynamic=True)

    # protocols
    def proto(self, number):
        if number == 0:
            self.reject("proto 0 cannot be used")
        return number

    def proto_name(self, name):
        if name not in self.process.system.protocols:
            self.reject(f"unknown protocol {name}")
        return self.process.system.protocols[name]

    def proto_number(self, number):
        if not 0 <= number <= _LAST_PROTOCOL:
            self.reject("protocol outside range")
        return number

    # hosts
    def from_to(self, source=None, systems=None, destination=None):
        """(source, destination, operating systems); source and destination are (hosts, ports)."""
        none = (None, None)
        return (none if source in (None, "all") else source), destination or none, systems

    def destination(self, _word, peer):
        if any(host.address.kind == "urpf-failed" for host in peer[0] or ()):
            self.reject('"urpf-failed" is not permitted in a destination address')
        return peer

    def peer(self, hosts, _word=None, ports=None):
        return hosts, ports

    def peer_port(self, _word, ports):
        return None, ports

    def join_hosts(self, hosts, _comma, others, _newlines):
        return None if hosts is None or others is None else [*hosts, *others]

    def host_not(self, negated, hosts):
        for host in hosts:
            host.negated = negated
        return hosts

    def host_word(self, negated, word):
        return [Host(Address(word), negated=negated)]

    def weight(self, _word, number):
        if not 1 <= number <= _LAST_WEIGHT:
            self.reject("weight out of range")
        return number

    def weighted(self, hosts, _weight):
        return hosts

    def _hosts(self, text):
        found = self.reader.hosts(text)
        if not found:
            self.reject("could not parse host specification")
        return found

    def host(self, word, _slash="", bits=None):
        return self._hosts(str(word) if bits is None else f"{word}/{bits}")

    def host_range(self, first, _dash, last):
        low, high = self._hosts(first), self._hosts(last)
        alone = len(low) == len(high) == 1 and low[0].af == high[0].af
        if not alone or any(bits_of(one[0].address.mask) != host_bits(one[0].af) for one in (low, high)):
            self.reject("invalid address range")
        address = Address("range", low[0].address.number, high[0].address.number)
        return [replace(low[0], address=address)]

    def host_table(self, _open, name, _close):
        self.check_table_name(name)
        return [Host(Address("table", name=name))]

    def check_table_name(self, name):
        if len(name) > LONGEST_TABLE:
            self.reject(f"table name '{name}' too long")

    def host_route(self, _word, name):
        if len(name) > _LONGEST_LABEL:
            self.reject(f"route label too long, max {_LONGEST_LABEL} chars")
        return [Host(Address("route", name=name))]

    def dynamic(self, _open, word, _close):
        if not (word[:1].isascii() and word[:1].isalpha()):
            self.reject(f"invalid interface name '{word}'")
        name, modifiers = split_modifiers(word)
        if modifiers is None:
            self.reject(f"interface {name} has bad modifier")
        if len(set(modifiers) - {"0"}) > 1:
            self.reject("illegal combination of interface modifiers")
        if len(name) > LONGEST_INTERFACE:
            self.reject("interface name too long")
        return [Host(Address("dynamic", name=name, modifiers=modifiers).masked(128))]

    def dynamic_mask(self, hosts, _slash, bits):
        if not 0 <= bits <= host_bits(0):
            self.reject("bit number too big")
        return [replace(host, address=host.address.masked(bits)) for host in hosts]

    # ports
    def _service(self, name):
        number = unsigned(name)
        if number is None:
            number = self.process.system.service(name)
            if number is None:
                self.reject(f"unknown port {name}")
        elif number > _LAST_PORT:
            self.reject(f"illegal port value {number}")
        return number

    def port_plain(self, text):
        if ":" in text:
            self.reject(f"port is invalid: {text}")
        return Ports("", self._service(text))

    def port_range(self, text):
        low, colon, high = text.partition(":")
        if not colon:
            return Ports("", self._service(text))
        low, high = self._service(low), self._service(high)
        return Ports("", low) if low == high else Ports(":", low, high)

    def port_star(self, text):
        """A range that ends with ``*`` has as many ports as the range that the rule compares."""
        low, _colon, high = text.partition(":")
        return Ports("*", self._service(low)) if high == "*" else self.port_range(text)

    def port(self, ports):
        if not ports.operator:
            return replace(ports, operator="=")
        return self._checked_range(ports)

    def port_unary(self, operator, ports):
        self._single(ports)
        return replace(ports, operator=operator)

    def port_binary(self, low, operator, high):
        self._single(low, high)
        return self._checked_range(Ports(operator, low.low, high.low))

    def _single(self, *items):
        if any(ports.operator for ports in items):
            self.reject("':' cannot be used with an other port operator")

    def _checked_range(self, ports):
        if is_empty_range(ports):
            self.reject("invalid port range")
        return ports

    # users and groups
    def identity(self, number):
        return Ports("=", number, number)

    def _unary(self, word, operator, number):
        if number == UINT_MAX and operator not in ("=", "!="):
            self.reject(f"{word} unknown requires operator = or !=")
        return Ports(operator, number, number)

    def _binary(self, word, low, operator, high):
        if UINT_MAX in (low, high):
            self.reject(f"{word} unknown requires operator = or !=")
        return Ports(operator, low, high)

    def user_unary(self, operator, number):
        return self._unary("user", operator, number)

    def group_unary(self, operator, number):
        return self._unary("group", operator, number)

    def user_binary(self, *values):
        return self._binary("user", *values)

    def group_binary(self, *values):
        return self._binary("group", *values)

    def _identity_of(self, word, known, name):
        if name != "unknown" and name not in known:
            self.reject(f"unknown {word} {name}")
        return known.get(name, UINT_MAX) if name != "unknown" else UINT_MAX

    def _identity_number(self, word, number):
        if not 0 <= number < UINT_MAX:
            self.reject(f"illegal {word} value {number}")
        return number

    def user_name(self, name):
        return self._identity_of("user", self.process.system.users, name)

    def group_name(self, name):
        return self._identity_of("group", self.process.system.groups, name)

    def user_number(self, number):
        return self._identity_number("uid", number)

    def group_number(self, number):
        return self._identity_number("gid", number)

    # TCP flags, types of service
    def flag(self, word):
        if any(flag not in FLAGS for flag in word):
            self.reject(f"bad flags {word}")
        return sum(1 << FLAGS.index(flag) for flag in set(word)) or (1 << len(FLAGS)) - 1

    def flags(self, _word, flags, _slash, among):
        return flags, among

    def flags_any_of(self, _word, _slash, among):
        return 0, among

    def flags_any(self, *_words):
        return 0, 0

    def tos(self, value):
        number = value
        if isinstance(value, str):
            number = TOS.get(value.lower())
            if number is None and value.startswith("0x"):
                number = unsigned(value)
        if number is None or not 0 <= number <= _LAST_BYTE:
            self.reject(f"illegal tos value {value}")
        return number

    # ICMP
    def _type(self, word, names, value):
        if isinstance(value, str):
            if value not in names:
                self.reject(f"unknown {word} {value}")
            return names[value] + 1
        if not 0 <= value <= _LAST_BYTE:
            self.reject(f"illegal {word} {value}")
        return value + 1

    def icmp_type(self, value):
        return self._type("icmp-type", TYPES, value)

    def icmp6_type(self, value):
        return self._type("icmp6-type", TYPES6, value)

    def _code(self, word, codes, kind, value):
        if isinstance(value, str):
            if (kind - 1, value) not in codes:
                self.reject(f"unknown {word} {value}")
            return codes[kind - 1, value] + 1
        if not 0 <= value <= _LAST_BYTE:
            self.reject(f"illegal icmp-code {value}")
        return value + 1

    def icmp(self, kind, _word=None, code=None):
        return IcmpType(kind, 0 if code is None else self._code("icmp-code", CODES, kind, code), ICMP)

    def icmp6(self, kind, _word=None, code=None):
        return IcmpType(kind, 0 if code is None else self._code("icmp6-code", CODES6, kind, code), ICMP6)

    def _return_code(self, kind, codes, value):
        number = unsigned(value) if isinstance(value, str) else value
        if number is None:
            number = codes.get((kind, value))
            if number is None:
                self.reject(f"unknown icmp code {value}")
        if not 0 <= number <= _LAST_BYTE:
            self.reject(f"invalid icmp code {number}")
        return kind, number

    def return_icmp(self, value):
        return self._return_code(3, CODES, value)

    def return_icmp6(self, value):
        return self._return_code(1, CODES6, value)

    # logging
    def log(self, _word, _open=None, options=None, _close=None):
        return options or ((), 0)

    def log_option(self, word):
        return (word,), 0

    def log_options(self, options, _comma, more):
        return (*options[0], *more[0]), more[1] or options[1]

    def log_interface(self, _word, name):
        number = name[len("pflog") :]
        if not name.startswith("pflog"):
            self.reject(f"{name}: should be a pflog interface")
        if not number.isdigit() or int(number) > _LAST_BYTE:
            self.reject(f"{name}: {'too large' if number.isdigit() else 'invalid'}")
        return (), int(number)

    def log_quick(self, *words):
        """(options of ``log`` or None, number of the interface, quick)."""
        log = next((word for word in words if word != "quick"), None)
        return (None, 0, "quick" in words) if log is None else (("log", *log[0]), log[1], "quick" in words)


def is_empty_range(ports):
    """True for a range that matches no port, or all ports."""
    if ports.operator == "><":
        return ports.low >= ports.high
    return ports.operator in (":", "<>") and ports.low > ports.high
