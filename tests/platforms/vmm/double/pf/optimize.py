# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ruleset optimizer: removes duplicates, combines rules with a table, and sorts rules.

It works on blocks: adjacent rules with the same effect, so that their order does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from .addresses import Host, bits_of
from .rule import Ports, Rule

#: At least this number of rules that differ in one address become one rule with a table.
_THRESHOLD = 6
#: A rule that sets one of these fields is not optimized.
_BARRIERS = """
label probability max_states max_src_nodes max_src_states max_src_conn max_src_conn_rate anchor
"""
#: The rules of a block may differ in these fields ...
_MAY_DIFFER = """
af ifnot ifname tagged_not tagged fingerprint timeouts return_icmp return_icmp6 uid gid direction proto icmp_type
icmp_code flags flagset tos src_port dst_port src_not dst_not rdomain naf
"""
#: ... and combined rules may differ in one of these.
_COMBINED = ["src", "dst"]
#: These fields are not compared.
_IGNORED = ["max_mss", "min_ttl", "set_tos"]
_ZERO = Rule()
_NO_PORTS = Ports()


class _Item:
    """A rule in a block, with the tables that it may become part of."""

    def __init__(self, rule):
        self.rule, self.src, self.dst = rule, None, None


@dataclass
class _Skips:
    """Rules that have a field in common. ``count`` is 0 if sorting by this field is useless."""

    items: list
    count: int = 0


def optimized(rules, loader):
    blocks = []
    for rule in rules:
        if not blocks or not _belongs(blocks[-1][0].rule, rule):
            blocks.append([])
        blocks[-1].append(_Item(rule))
    result = []
    for block in blocks:
        if len(block) > 1:
            block = _sorted(_combined(_distinct(block), loader))
        result += [item.rule for item in block]
    return result


def _key(rule, without):
    left_out = {*without, *_IGNORED}
    return tuple(getattr(rule, one.name) for one in fields(rule) if one.name not in left_out)


def _belongs(first, rule):
    if any(getattr(rule, name) != getattr(_ZERO, name) for name in _BARRIERS.split()) or "rule" in rule.state:
        return False
    groups = any(one.ifname and not one.ifname[-1].isdigit() for one in (first, rule))
    if groups and first.ifname.lower() != rule.ifname.lower():
        return False
    without = [*_MAY_DIFFER.split(), *_COMBINED]
    return _key(first, without) == _key(rule, without)


def _distinct(block):
    """The rules that are not covered by others."""
    items = list(block)
    at = 0
    while at < len(items):
        first, removed, second = items[at], False, at + 1
        while second < len(items) and not removed:
            other = items[second]
            if _covers(first.rule, other.rule):
                del items[second]
            elif _covers(other.rule, first.rule):
                removed = True
            else:
                second += 1
        if removed:
            del items[at]
        else:
            at += 1
    return items


def _covers(wide, narrow):
    changes = {}
    if not wide.ifname:
        changes["ifname"] = ""
    if not wide.direction:
        changes["direction"] = ""
    if wide.proto in (0, narrow.proto) and not wide.flags and not wide.flagset:
        changes.update(flags=0, flagset=0)
    if not wide.proto:
        changes["proto"] = 0
    for side in ("src", "dst"):
        if not getattr(wide, f"{side}_port").operator:
            changes[f"{side}_port"] = _NO_PORTS
        if _covers_address(wide, narrow, side):
            changes[side] = getattr(wide, side) if getattr(wide, side).mask else _ZERO.src
    if not wide.af:
        changes["af"] = 0
    return _key(wide, ()) == _key(replace(narrow, **changes), ())


def _covers_address(wide, narrow, side):
    ours, theirs = getattr(wide, side), getattr(narrow, side)
    negated = getattr(wide, f"{side}_not"), getattr(narrow, f"{side}_not")
    if ours.kind != "mask":
        return False
    if not any(negated) and not ours.mask:
        return True
    smaller = bits_of(ours.mask) < bits_of(theirs.mask) and ours.number == theirs.number & ours.mask
    return theirs.kind == "mask" and negated[0] == negated[1] and wide.af == narrow.af and smaller


def _combined(items, loader):
    """Combine rules that differ in one address, if there are at least ``_THRESHOLD`` of them."""
    at = 0
    while at < len(items):
        for other in items[at + 1 :]:
            if _share_table(items[at], other, loader):
                items.remove(other)
        at += 1
    return [item for item in items if not _is_in_table(item, loader)]


def _share_table(first, second, loader):
    """Put the addresses of two rules into one table. Returns True if the second rule can be removed."""
    for side, same in (("dst", "src"), ("src", "dst")):
        if getattr(first, same) or second.src or second.dst:
            continue
        ours, theirs = getattr(first.rule, side), getattr(second.rule, side)
        if not _differ_only(first.rule, second.rule, side, same) or not ours.kind == theirs.kind == "mask":
            continue
        table = getattr(first, side)
        for address in [theirs] if table else [ours, theirs]:
            table = loader.pool_table([Host(address, first.rule.af)], table)
        setattr(first, side, table)
        if len(table.hosts) >= _THRESHOLD:
            return True
        setattr(second, side, table)
        return False
    return False


def _differ_only(first, second, side, same):
    def seen(rule, name):
        return getattr(rule, name), getattr(rule, f"{name}_not")

    if seen(first, same) != seen(second, same) or seen(first, side) == seen(second, side):
        return False
    return _key(first, _COMBINED) == _key(second, _COMBINED)


def _is_in_table(item, loader):
    """Use the table in the first of its rules. Returns True for the others, which can be removed."""
    for side in ("src", "dst"):
        table = getattr(item, side)
        if not table or len(table.hosts) < _THRESHOLD:
            continue
        if table.shown:
            return True
        table.shown = True
        loader.show_table(table)
        setattr(item.rule, side, table.address)
    return False


def _address_skip(side):
    def key(rule):
        address = getattr(rule, side)
        if address.kind in ("range", "route", "none") or (address.kind == "mask" and not address.number):
            return None
        if address.kind in ("no-route", "urpf-failed"):
            return getattr(rule, f"{side}_not"), address.kind
        return getattr(rule, f"{side}_not"), address

    return key


#: The fields by which the kernel skips rules, in its order. None never equals the field of another rule.
_SKIPS = (
    lambda rule: (rule.ifname, rule.ifnot) if rule.ifname else None,
    lambda rule: rule.direction or None,
    lambda rule: (rule.rdomain, rule.ifnot) if rule.rdomain != -1 else None,
    lambda rule: rule.af or None,
    lambda rule: rule.proto or None,
    _address_skip("src"),
    _address_skip("dst"),
    lambda rule: rule.src_port if rule.src_port.operator else None,
    lambda rule: rule.dst_port if rule.dst_port.operator else None,
)


def _skip_lists(items, key):
    """Lists of rules with a common field, longest first."""
    lists = []
    for item in items:
        value = key(item.rule)
        alike = (at for at, one in enumerate(lists) if key(one.items[0].rule) == value)
        place = None if value is None else next(alike, None)
        if place is None:
            lists.append(_Skips([]))
            place = len(lists) - 1
        found = lists[place]
        found.items.append(item)
        found.count += 1
        while place and lists[place - 1].count < found.count:
            lists[place - 1], lists[place] = found, lists[place - 1]
            place -= 1
    return lists


def _sorted(items):
    """The rules in an order in which the kernel can skip many of them."""
    by_field = [_skip_lists(items, key) for key in _SKIPS]
    for lists in by_field:
        if lists[0].count in (len(items), 1):
            lists[0].count = 0
    if not any(lists[0].count for lists in by_field):
        return items
    before, after, left = [], [], list(items)
    while left:
        # Lists never become empty while rules are left, because each rule is in one list of each field.
        largest, field = 1, None
        for number, lists in enumerate(by_field):
            if lists and lists[0].count > largest:
                largest, field = lists[0].count, number
        if field is None:
            after += left
            break
        chosen = by_field[field].pop(0)
        moved, split = list(chosen.items), chosen.count > 2
        for item in moved:
            left.remove(item)
            _drop(by_field, item)
        if split:
            before += _sorted(moved)
        else:
            after += moved
    return before + after


def _drop(by_field, item):
    """Remove a rule from the lists of all fields, and keep them sorted."""
    for lists in by_field:
        if not lists or lists[0].count <= 1:
            continue
        place = next((at for at, one in enumerate(lists) if item in one.items), None)
        if place is None:
            continue
        found = lists[place]
        found.items.remove(item)
        found.count -= 1
        while place + 1 < len(lists) and lists[place + 1].count > found.count:
            lists[place], lists[place + 1] = lists[place + 1], found
            place += 1
