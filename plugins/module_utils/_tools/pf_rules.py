# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates the rules that pf has loaded, as ``pfctl -s rules`` prints them, for the packets of guests. Pure.

The last rule that matches decides, or the first one with ``quick``. If it is not certain what a rule matches, such as
one with a table, a rule that passes matches, and a rule that blocks does not.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from .._core.frozen import Frozen

#: Whether a rule matches packets: none of them, perhaps some, or all.
NO, SOME, ALL = range(3)
_HOST = r'(?:! )?(?:<[^>]+>|\([^)]*\)|route "[^"]*"|\S+(?: - \S+)?)'
_PORT = r" port (?:(?:=|!=|<=?|>=?) )?\S+(?: (?:><|<>) \S+)?"
_RULE = re.compile(
    r'(?P<action>pass|match|block|anchor)(?: (?:drop|return)\S*| "(?P<name>[^"]*)")?'
    r"(?: (?P<direction>in|out))?(?: log(?: \([^)]*\))?)?(?: (?P<quick>quick))?"
    r"(?: on (?P<on>(?:! )?\S+))?(?: (?P<family>inet6?))?(?P<proto> proto \S+)?"
    rf"(?: all| from (?P<source>{_HOST})(?P<from_port>{_PORT})? to (?P<target>{_HOST})(?P<to_port>{_PORT})?)?"
    r"(?P<rest>(?: .*)?)"
)
#: What does not limit the packets that a rule matches.
_NO_LIMIT = re.compile(r' (?:label "[^"]*"|flags \S+|allow-opts|nat-to .*|rdr-to .*)')
#: Tables that pfctl makes of a list of addresses in a rule.
_OF_LIST = "<__automatic_"
_MACRO = re.compile(r"""^\s*(\w+)\s*=\s*["']?([^"'\n#]*)""", re.MULTILINE)
_SKIP = re.compile(r"^\s*set\s+skip\s+on\s+(\{[^}]*\}|\S+)", re.MULTILINE)


class Packets(Frozen):
    """IPv4 packets of guests on ``interface``, the name of an interface, or the group tap or egress.

    ``interfaces`` are all of the host: {name: Interface}.
    """

    direction: str
    interface: str
    source: Any
    target: Any
    interfaces: Any


class Rule(Frozen):
    """One printed rule. ``found`` are its parts, or None if they are not known.

    ``own``: it is in the anchor of the role. ``outer`` is the Rule that calls the anchor in which it is.
    """

    text: str
    own: bool = False
    outer: Any = None

    @property
    def found(self):
        return _RULE.fullmatch(self.text)

    @property
    def action(self):
        return self.found["action"] if self.found else "pass"

    @property
    def is_quick(self):
        return not self.found or bool(self.found["quick"] or (self.outer and self.outer.is_quick))

    @property
    def is_exception(self):
        """Whether the role passes this on purpose: one address, or DNS that is sent to another server."""
        is_one = self.found and re.fullmatch(r"[\d.]+", self.found["target"] or "")
        return self.own and bool(is_one or " rdr-to " in self.text)

    @property
    def shown(self):
        return f"{self.outer.shown}: {self.text}" if self.outer else self.text

    def matches(self, packets):
        found = self.found
        if found is None:
            return SOME
        if (found["direction"] or packets.direction) != packets.direction or found["family"] == "inet6":
            return NO
        limits = (found["proto"], found["from_port"], found["to_port"], _NO_LIMIT.sub("", found["rest"]).strip(" {"))
        is_list = self.own and (found["target"] or "").startswith(_OF_LIST)
        return min(
            _of_interface(found["on"], packets),
            _of_host(found["source"], packets.source, is_source=True),
            ALL if is_list else _of_host(found["target"], packets.target, is_source=False),
            SOME if any(limits) else ALL,
            self.outer.matches(packets) if self.outer else ALL,
        )


def rules(lines, own_anchor, read_anchor, outer=None):
    """Return the Rules in the order in which pf evaluates them, with those of the anchors that printed lines call.

    ``read_anchor(name)`` returns the printed lines of an anchor; ``own_anchor`` is that of the role.
    """
    found, outers = [], [outer]
    for line in filter(None, map(str.strip, lines)):
        rule = Rule(line, bool(outer and outer.found["name"] == own_anchor), outers[-1])
        if line == "}":
            outers.pop()
        elif rule.action != "anchor":
            found.append(rule)
        elif line.endswith("{"):
            outers.append(rule)
        else:
            found += rules(read_anchor(rule.found["name"] or ""), own_anchor, read_anchor, rule)
    return found


def passed_by(evaluated, packets):
    """Return why some of the packets are not blocked: the rule that passes them, or an empty text; None if all are."""
    decided = ""
    for rule in evaluated:
        matched = NO if rule.action == "match" or rule.is_exception else rule.matches(packets)
        if rule.action != "block" and matched:
            decided = rule.shown
            if rule.is_quick:
                return decided
        elif rule.action == "block" and matched == ALL:
            decided = None
            if rule.found["quick"]:
                return None
    return decided


def lost_before(evaluated, packets):
    """Return the rule before those of the role that blocks all of the packets, or with which some of those that go out
    leave without address translation; None if there is none.
    """
    for rule in evaluated:
        if rule.own:
            return None
        matched = rule.matches(packets) if rule.is_quick else NO
        if matched and rule.action == "pass" and " nat-to " not in rule.text:
            return rule.shown if packets.direction == "out" else None
        if matched == ALL and rule.action == "block":
            return rule.shown
    return None


def skipped(text, interfaces):
    """Return those of ``interfaces`` (names and groups) that pf.conf takes from pf: ``set skip on``."""
    macros = dict(_MACRO.findall(text))
    names = set()
    for given in _SKIP.findall(text):
        given = re.sub(r"\$(\w+)", lambda one: macros.get(one[1], ""), given)
        names |= set(re.split(r"[\s,{}]+", given))
    kinds = {_kind(one) for one in names}
    return sorted(one for one in interfaces if {one, _kind(one)} & names or (one == _kind(one) and one in kinds))


def _kind(name):
    return name.rstrip("0123456789")


def _of_interface(on, packets):
    if on is None or on == "any":
        return ALL
    if on.startswith("! "):
        return ALL - _of_interface(on[2:], packets)
    name = packets.interface
    if on == name or (name[-1].isdigit() and on == _kind(name)):
        return ALL
    members = {one for one, values in packets.interfaces.items() if name in values.groups}
    if on[-1].isdigit():  # One interface, which can be in the group.
        return SOME if _kind(on) == name or on in members else NO
    known = {_kind(one) for one in packets.interfaces} | {"egress", "lo", "enc", "pflog"}
    return NO if on in known - {name, _kind(name)} - {_kind(one) for one in members} else SOME


def _of_host(text, network, is_source):
    if text in (None, "any"):
        return ALL
    if text.startswith("! "):
        return ALL - _of_host(text[2:], network, is_source)
    if is_source and re.fullmatch(r"\(\w+(:0)?\)|self", text):
        return NO  # The addresses of the host itself.
    try:
        other = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return SOME
    if other.version != network.version or not other.overlaps(network):
        return NO
    return ALL if network.subnet_of(other) else SOME
