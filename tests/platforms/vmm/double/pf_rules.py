# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pf.conf: verdict, messages, and the rules as ``pfctl -o none -nvf`` prints them (recorded in pf.json).

Assumed, not recorded: the kernel has the same rules. The optimizer of pfctl, on by default, may remove rules that are
covered by others, sort them, and replace addresses of six rules by a table. The product only looks for the call of an
anchor and for rules that block; the optimizer keeps both.
"""

from __future__ import annotations

import ipaddress
import itertools
import re

from .lalr import Invalid
from .pf_conf import GRAMMAR, Words

_ADDRESS = re.compile(r"\d+(?:\.\d+){3}(?:/[1-9]\d?)?")
_PORTS = {"domain": 53}
_USERS = {"root": 0, "_pbuild": 55}
_LONGEST = {"interface": 15, "anchor": 63}


class _Values:
    """The actions of the grammar for the parts of a rule. A list is the list of its items, other parts are texts."""

    def second(self, _word, value):
        return value

    def joined(self, first, rest):
        return f"{first} {rest}"

    def list(self, *symbols):
        return symbols[-2]

    def extended(self, items, _comma, more, *_lines):
        return items + more

    def block(self, _word, policy="drop"):
        return f"block {policy}"

    def interface(self, negated, name):
        self.check(len(name) <= _LONGEST["interface"], name)
        return [f"! {name}" if negated else name]

    def interfaces(self, _on, *symbols):
        return symbols[0] if len(symbols) == 1 else symbols[-2]

    def protocol(self, name):
        self.check(name in ("tcp", "udp"), f"proto {name}")
        return [name]

    def all_hosts(self, _word):
        return self.from_to(None, None)

    def from_to(self, source, destination):
        any_host = (["any"], [""])
        return source or any_host, destination or any_host

    def peer(self, hosts, _port=None, ports=None):
        return hosts, ports or [""]

    def any_port(self, _port, ports):
        return ["any"], ports

    def any_host(self, _word):
        return ["any"]

    def host(self, negated, address):
        self.check(not negated and not address.startswith("("), f"! or dynamic address {address}")
        return [address]

    def address(self, text, _slash="", bits=None):
        text = text if bits is None else f"{text}/{bits}"
        try:
            self.check(_ADDRESS.fullmatch(text), text)
            return str(ipaddress.IPv4Network(text, strict=False)).removesuffix("/32")
        except ValueError:
            return self.unknown(text)

    def own_address(self, _open, name, _close):
        self.check(re.fullmatch("[a-z]+(:0)?", name), f"({name})")
        return f"({name})"

    def port(self, text):
        low, colon, high = str(text).partition(":")
        low, high = (_PORTS.get(one, one) for one in (low, high))
        known = str(low).isdigit() and (not colon or (str(high).isdigit() and int(low) < int(high)))
        self.check(known, f"port {text}")
        return [f" port {low}:{high}" if colon else f" port = {low}"]

    def user(self, name):
        self.check(name in _USERS or isinstance(name, int), f"user {name}")
        return [f" user = {_USERS.get(name, name)}"]

    def pool(self, address, _port=None, ports=("",)):
        # An interface without a number can have several addresses.
        kind = " round-robin" if address.startswith("(") else ""
        return address, ports[0].replace("= ", "") + kind

    def option(self, options, word, value):
        self.check(word not in (options or {}), f"a second {word}")
        return {**(options or {}), word: value}


class _Reader(_Values):
    """Reads one file. ``rules`` are its rules, ``anchors`` the (name, file) that it loads."""

    def __init__(self, read, messages):
        self.rules, self.anchors = [], []
        self.lexer = Words(read)
        self.lexer.messages = messages

    def read(self, path):
        """Return whether the file is valid."""
        try:
            self.lexer.open(path)
        except OSError as error:
            self.lexer.remark(f"pfctl: pushfile: {path}: {error.strerror}")
            self.lexer.remark(f"pfctl: cannot open the main config file!: {error.strerror}")
            return False
        GRAMMAR.parse(self.lexer, self)
        return not self.lexer.errors

    def unknown(self, *what):
        return self.lexer.unknown(" ".join(str(one) for one in what if one) or "statement")

    def check(self, is_known, what):
        if not is_known:
            self.unknown(what)

    def _reject(self, text):
        self.lexer.error(text)
        raise Invalid

    def name(self, text):
        if not text:
            self._reject("anchor name must not be empty")
        if text.startswith("_") or "/_" in text:
            self._reject("anchor names beginning with '_' are reserved for internal use")
        self.check(len(text) <= _LONGEST["anchor"], text)
        return text

    def skip(self, *symbols):
        self.check(symbols[3], "set skip without an interface")

    def anchor(self, _rules, _word, name, *rest):
        self.check(name and rest[5] is None and not any(rest[:4]) and rest[4] == self.from_to(None, None), "anchor")
        self.rules.append(f'anchor "{name}" all')

    def load_anchor(self, _rules, _load, _word, name, _from, path, _line):
        self.check(name, "load anchor without a name")
        self.anchors.append((name, path))

    def rule(self, _rules, action, direction, log, quick, interfaces, af, protocols, peers, options, _line):
        options = options or {}
        (sources, source_ports), (targets, target_ports) = peers
        nat, rdr = options.get("nat-to"), options.get("rdr-to")
        self.check(not (nat and rdr) and not (nat and "port" in nat[1]), "this combination of nat-to, rdr-to and port")
        self.check(all(len(hosts) == 1 or "any" not in hosts for hosts in (sources, targets)), "any in a list")
        literal = [one for one in (*sources, *targets, *(pool[0] for pool in (nat, rdr) if pool)) if one[0].isdigit()]
        head = " ".join(filter(None, [action, direction, log, quick]))
        family = " inet" if af or literal else ""
        pools = "".join(f" {word} {''.join(options[word])}" for word in ("nat-to", "rdr-to") if word in options)
        lists = [interfaces or [""], protocols or [""], sources, targets, source_ports, target_ports]
        before = len(self.rules)
        for on, proto, source, target, *ports, user in itertools.product(*lists, options.get("user", [""])):
            if self._is_consistent(proto, any(ports), user, bool(pools), direction, action):
                where = (f" on {on}" if on else "") + family + (f" proto {proto}" if proto else "")
                hosts = f" from {source}{ports[0]} to {target}{ports[1]}"
                hosts = " all" if hosts == " from any to any" else hosts
                flags = " flags S/SA" if action == "pass" and proto in ("", "tcp") else ""
                self.rules.append(head + where + hosts + user + flags + pools)
        if len(self.rules) == before:
            self.lexer.error("rule expands to no valid combination")

    def _is_consistent(self, proto, has_port, user, translates, direction, action):
        problems = [
            ("port only applies to tcp/udp", has_port and not proto),
            ("user only applies to tcp/udp", user and not proto),
            ("nat-to and rdr-to require keep state", translates and action.startswith("block")),
            ("nat-to and rdr-to require a direction", translates and not direction),
        ]
        found = [text for text, is_wrong in problems if is_wrong]
        for text in [*found, "skipping rule due to errors"] if found else ():
            self.lexer.error(text)
        return not found


def load(path, read, anchor=""):
    """Read a file and the anchors that it loads.

    Returns ([(anchor, its rules)], beginning with the file itself, or None if a file is invalid; messages).
    ``read(path)`` returns a text or raises OSError.
    """
    messages, loaded = [], []
    main = _Reader(read, messages)
    if not main.read(path):
        return None, messages
    loaded.append((anchor, main.rules))
    for name, file in main.anchors:
        inner = _Reader(read, messages)
        if not inner.read(file):
            return None, [*messages, "pfctl: load anchors"]
        inner.check(not inner.anchors, "an anchor that loads an anchor")
        loaded.append((name, inner.rules))
    return loaded, messages
