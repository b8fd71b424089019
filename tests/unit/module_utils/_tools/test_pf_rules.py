# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The loaded rules of pf are evaluated as pf does it; what is not known passes, and never blocks."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest
from ansible_collections.polyvirt.core.plugins.module_utils._tools import pf_rules
from ansible_collections.polyvirt.core.plugins.module_utils._tools.openbsd_network import Interface
from ansible_collections.polyvirt.core.plugins.module_utils._tools.pf_rules import (
    Packets,
    lost_before,
    passed_by,
    rules,
)

from collection_path import CHECKOUT

GOLDEN = json.loads((CHECKOUT / "tests/platforms/vmm/golden/pf.json").read_text(encoding="utf-8"))
PRINTED = sorted({line for case in GOLDEN["cases"] if case["rc"] == 0 for line in case["rules"]})
INTERFACES = {
    "lo0": Interface("lo0", groups=("lo",)),
    "em0": Interface("em0", groups=("egress",)),
    "em1": Interface("em1", groups=("dmz",)),
    "tap0": Interface("tap0", groups=("tap",)),
    "vether0": Interface("vether0", groups=("vether",)),
}
GUESTS, LAN, ANYWHERE = ip_network("10.50.0.0/24"), ip_network("192.168.0.0/16"), ip_network("0.0.0.0/0")
OWN = (
    "match out on egress inet from 10.50.0.0/24 to any nat-to (egress:0) round-robin",
    "pass in on vether0 inet from 10.50.0.0/24 to any flags S/SA",
    "block drop in on tap inet from 10.50.0.0/24 to 192.168.0.0/16",
    "block drop in on vether0 inet from 10.50.0.0/24 to 192.168.0.0/16",
    "pass in on vether0 inet from 10.50.0.0/24 to 10.50.0.1 flags S/SA",
    "pass in on vether0 inet proto tcp from 10.50.0.0/24 to 192.168.1.1 port = 53 flags S/SA",
)
CALL = 'anchor "own" all'
STOCK = ("block return all", "pass all flags S/SA", "block return in on ! lo0 proto tcp from any to any port 6000:6010")


def evaluated(main, own=OWN, **anchors):
    return rules(main, "own", {"own": own, **anchors}.__getitem__)


def result(main, interface="vether0", own=OWN, **anchors):
    return passed_by(evaluated(main, own, **anchors), Packets("in", interface, GUESTS, LAN, INTERFACES))


@pytest.mark.parametrize("interface", ["tap", "vether0"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (STOCK, ()),
        (("pass quick on lo all flags S/SA", *STOCK), ()),
        (("pass in quick on em0 all flags S/SA",), ()),
        (("pass in quick on egress proto tcp from any to (egress) port = 22 flags S/SA",), ()),
        (("pass out quick all flags S/SA",), ()),
        (("pass in quick inet6 all flags S/SA",), ()),
        (("pass in quick inet from 192.168.1.0/24 to any flags S/SA",), ()),
        (("pass in quick inet from any to 203.0.113.9 flags S/SA",), ()),
        (("pass in quick inet from ! 10.0.0.0/8 to any flags S/SA",), ()),
        (("pass in quick inet from (em0) to any flags S/SA",), ()),
        (("block drop in quick all", "pass in quick all flags S/SA"), ()),
        ((), ("match in all scrub (no-df)", "block drop in all")),
        ((), ("pass in on em0 all flags S/SA", "pass out on egress all flags S/SA")),
        ((), ("pass in all flags S/SA", "block drop in inet from 10.50.0.0/24 to any")),
        ((), ("pass in all flags S/SA", 'block drop in quick inet from 10.0.0.0/8 to 192.168.0.0/16 label "x"')),
    ],
)
def test_packets_are_blocked(before, after, interface):
    assert result([*before, CALL, *after], interface) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("pass in quick all flags S/SA", ""),
        ("pass quick on vether0 all flags S/SA", ""),
        ("pass in quick on vether all flags S/SA", ""),
        ("pass in quick on ! em0 all flags S/SA", ""),
        ("pass in quick inet from 10.50.0.0/25 to any flags S/SA", ""),
        ("pass in quick proto tcp from any to any port = 22 flags S/SA", ""),
        ("pass in quick from <trusted> to any flags S/SA", ""),
        ("pass in quick from any to <servers> flags S/SA", ""),
        ("pass in quick inet from any to 192.168.7.7 flags S/SA", ""),
        ("pass in quick from (vether0:network) to any flags S/SA", ""),
        ("pass in quick on guests all flags S/SA", ""),
        ("pass in quick all flags S/SA tagged ok", ""),
        ("some rule that is not known", ""),
        ("", "pass all flags S/SA"),
        ("", "pass in inet proto icmp all icmp-type echoreq"),
        ("", "pass in on rdomain 1 all flags S/SA"),
    ],
)
def test_packets_are_passed_by_a_rule_that_is_named(before, after):
    main = [*filter(None, [*STOCK, before, CALL, after])]
    assert result(main) == (before or after)


@pytest.mark.parametrize(
    "block",
    [
        "block drop in proto tcp all",
        "block drop in inet from 10.50.0.0/24 to <bad>",
        "block drop in inet from 10.50.0.0/25 to any",
        "block drop in inet from any to 192.168.0.0/24",
        "block drop out all",
        "block drop in on em0 all",
        "block drop in inet6 all",
        "block drop in all probability 50%",
        "block drop in all received-on em0",
        "block drop in inet from any to 192.168.0.0/16 port = 80",
    ],
)
def test_rule_that_may_not_match_all_packets_does_not_block_them(block):
    passing = "pass in all flags S/SA"
    assert result([passing, block], own=()) == passing


def test_rules_without_a_block_do_not_isolate():
    assert result(["pass out all flags S/SA"], own=()) == ""


def test_list_of_addresses_in_a_table_of_pfctl_blocks():
    own = [one.replace("192.168.0.0/16", "<__automatic_5f21_0>") for one in OWN]
    assert result([*STOCK, CALL], own=own) is None
    assert result([*STOCK, CALL], own=[one.replace("__automatic", "mine") for one in own])


@pytest.mark.parametrize(
    ("call", "rule", "is_passed"),
    [
        ('anchor "x" all', "pass in quick all flags S/SA", True),
        ('anchor "x" quick all', "pass in all flags S/SA", True),
        ('anchor "x" all', "pass in all flags S/SA", False),
        ('anchor "x" in on em0 all', "pass in quick all flags S/SA", False),
        ('anchor "x" in quick inet from 10.50.0.9 to any', "pass all flags S/SA", True),
        ('anchor "x" all', "block drop in all", False),
    ],
)
def test_rules_of_other_anchors_count(call, rule, is_passed):
    expected = f"{call}: {rule}" if is_passed else None
    assert result([*STOCK, call, CALL], x=[rule]) == expected
    assert result([*STOCK, call.split('"')[0] + call.split('"')[2].strip() + " {", f"  {rule}", "}", CALL]) == (
        expected and expected.replace('"x" ', "").replace(": ", " {: ", 1)
    )


def test_anchor_of_the_role_that_is_called_for_some_packets_blocks_only_them():
    assert result([*STOCK, 'anchor "own" in on em0 all']) == STOCK[1]


@pytest.mark.parametrize(
    ("rule", "is_lost"),
    [
        ("pass out quick all flags S/SA", True),
        ("pass out quick on egress inet proto icmp all", True),
        ("pass out quick on em0 all flags S/SA", True),
        ("pass quick inet from 10.0.0.0/8 to any flags S/SA", True),
        ("pass out quick on egress from (egress) to any flags S/SA", False),
        ("pass out quick on em1 all flags S/SA", False),
        ("pass out quick on egress inet from 10.50.0.0/24 to any flags S/SA nat-to (egress:0) round-robin", False),
        ("pass out on egress all flags S/SA", False),
        ("pass in quick all flags S/SA", False),
        ("block drop out quick on egress inet from any to 203.0.113.0/24", False),
    ],
)
def test_rule_that_takes_the_address_translation_away(rule, is_lost):
    packets = Packets("out", "egress", GUESTS, ANYWHERE, INTERFACES)
    assert lost_before(evaluated([rule, CALL]), packets) == (rule if is_lost else None)
    assert lost_before(evaluated([CALL, rule]), packets) is None


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("set skip on lo\n", []),
        ("set skip on { lo tap }\n", ["tap"]),
        ("set skip on {lo, vether0}\n", ["vether0"]),
        ("set skip on vether\n", ["vether0"]),
        ("set skip on tap0\n", ["tap"]),
        ('inside = "{ vether0 lo }"\nset skip on $inside\n', ["vether0"]),
        ("# set skip on tap\n", []),
        ("", []),
    ],
)
def test_interfaces_that_pf_skips(text, found):
    assert pf_rules.skipped(text, ["tap", "vether0"]) == found


def test_each_recorded_rule_is_understood():
    """Its parts are known, except in rules with words that never limit what a rule of the role blocks."""
    heads = ("pass", "block", "match")
    unknown = [line for line in PRINTED if line.split()[0] in heads and not _is_understood(line.strip())]
    assert len(PRINTED) > 300
    assert unknown == []


def _is_understood(line):
    found = pf_rules._RULE.fullmatch(line)
    rest = found["rest"]
    return found is not None and (" from " not in rest or " os " in rest) and " on " not in rest.split(" from ")[0]
