# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meaning of lines outside of ``vm`` blocks in vm.conf: macros, included files, global settings, switches."""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import prefixes
from .host import path_in
from .lalr import Invalid

LONGEST_INTERFACE = 15
# The value of the system of the recordings, where socket addresses are 4 bytes longer than on OpenBSD.
_LONGEST_SOCKET = 107
_LONGEST_CONTEXT = 31
_LARGEST_TABLE = 255


@dataclass
class _Switch:
    values: dict
    is_disabled: bool = False


class Reader:
    """The actions of the grammar (vmconf_grammar.py)."""

    def __init__(self, lexer, host, registry):
        self.lexer, self.host, self.registry = lexer, host, registry
        # The block that is being parsed.
        self.block = None

    def reject(self, text):
        self.lexer.error(text)
        raise Invalid

    def keep(self, **values):
        if self.registry:
            self.registry.globals.update(values)

    # Words ------------------------------------------------------------------------------------------------------------

    def joined(self, first, rest):
        return first + rest

    def second(self, _first, second):
        return second

    def include(self, _word, path):
        try:
            self.lexer.include(path_in(path))
        except OSError:
            self.reject(f"failed to include file {path}")

    def macro(self, name, _equals, value):
        if any(character in " \t\n\v\f\r" for character in name[1:]):
            self.reject("macro name cannot contain whitespace")
        self.lexer.define(name, value)

    def owner_number(self, number):
        return signed(number), -1

    def owner_name(self, text):
        user, colon, group = text.partition(":")
        uid, gid = 0, -1
        if user:
            if user not in self.host.users:
                self.reject(f"failed to get user: {user}")
            uid = self.host.users[user][0]
        if colon and group:
            if group not in self.host.groups:
                self.reject(f"failed to get group: {group}")
            gid = self.host.groups[group]
        return uid, gid

    # Global settings --------------------------------------------------------------------------------------------------

    def local_inet6(self, *_words):
        self.keep(inet6=True)

    def local_inet6_prefix(self, _local, _inet6, _prefix, text):
        self.keep(inet6=True, **self._prefix("inet6 ", prefixes.inet6, text))

    def local_prefix(self, _local, _prefix, text):
        self.keep(**self._prefix("", prefixes.inet, text))

    def _prefix(self, kind, parse, text):
        try:
            return parse(text)
        except prefixes.BadPrefix as reason:
            self.reject(f"invalid local {kind}prefix: {reason}")

    def socket_owner(self, _socket, _owner, owner):
        self.keep(socket_owner=[owner[0], max(owner[1], 0)])

    def agentx(self, _word):
        """Begin a line agentx; several such lines change the same setting."""
        known = self.registry.globals.get("agentx") if self.registry else None
        self.agent = known or {"context": "", "path": ""}
        self.keep(agentx=self.agent)

    def agentx_default(self, *_symbols):
        self.agent["path"] = self.agent["path"] or "/var/agentx/master"

    def agentx_context(self, _options, _context, text):
        self.agent["context"] = text[:_LONGEST_CONTEXT]
        if len(text) > _LONGEST_CONTEXT:
            self.reject("agentx context too large")

    def agentx_path(self, _options, _path, text):
        self.agent["path"] = text[:_LONGEST_SOCKET]
        if len(text) > _LONGEST_SOCKET:
            self.reject("agentx path too large")
        if not text.startswith("/"):
            self.reject("agentx path is not absolute")

    def staggered(self, _staggered, _start, _parallel, parallel, _delay, delay):
        self.keep(staggered={"parallel": signed(parallel), "delay": signed(delay)})

    # Switches ---------------------------------------------------------------------------------------------------------

    def enabled(self, word):
        self.block.is_disabled = word == "disable"

    def switch_name(self, _switch, name):
        self.block = _Switch({"name": name, "up": True, "locked": False})

    def switch(self, *_symbols):
        block = self.block
        if "interface" not in block.values:
            self.reject(f'switch "{block.values["name"]}" is missing interface name')
        if self.registry and not block.is_disabled:
            self.registry.add_switch(block.values)

    def switch_group(self, _word, name):
        self.block.values["group"] = self.group_name(name)

    def switch_interface(self, _word, name):
        if kind_of(name) not in ("bridge", "veb"):
            self.reject(f"invalid switch interface: {name}")
        if len(name) > LONGEST_INTERFACE:
            self.reject(f"switch interface too long: {name}")
        self.block.values["interface"] = name

    def switch_locked(self, *_words):
        self.block.values["locked"] = True

    def switch_rdomain(self, _word, number):
        self.block.values["rdomain"] = self.table(number)

    def switch_link(self, word):
        self.block.values["up"] = word == "up"

    def group_name(self, name):
        if len(name) > LONGEST_INTERFACE or name[-1:] in tuple("0123456789"):
            self.reject(f"invalid group name: {name}")
        return name

    def table(self, number):
        if not 0 <= number <= _LARGEST_TABLE:
            self.reject(f"invalid rdomain: {number}")
        return number


def signed(number):
    """The value of a number that is stored in a signed integer of 32 bits."""
    return (number + 2**31) % 2**32 - 2**31


def kind_of(interface):
    """The kind of an interface, such as ``bridge`` of ``bridge0``; empty if the name has no kind or no valid number."""
    found = re.fullmatch(r"([^0-9]{1,14})([0-9]+)", interface)
    return found.group(1) if found and int(found.group(2)) < 2**32 else ""
