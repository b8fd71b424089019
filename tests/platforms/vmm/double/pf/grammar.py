# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and the grammar of pf.conf (``pf_conf.grammar``)."""

from __future__ import annotations

from pathlib import Path

from ..lalr import Grammar
from ..lexer import Lexer, dialect

_OPERATORS = {"!=": "NE", "<>": "PORTBINARY", "<=": "LE", "><": "PORTBINARY", ">=": "GE"}

_WORDS = """
af-to all allow-opts anchor antispoof any bandwidth binat-to bitmask block block-policy burst code debug default delay
divert-packet divert-reply divert-to drop dup-to file fingerprints flags floating flows flush for fragment from global
group hostid icmp-type icmp6-type if-bound in include inet inet6 keep label least-states limit load log loginterface
match matches max max-mss max-pkt-rate max-src-conn max-src-conn-rate max-src-nodes max-src-states min min-ttl modulate
nat-to no no-df no-route no-sync on once optimization os out overload parent pass pflow port prio probability proto
qlimit quantum queue quick random random-id rdomain rdr-to reassemble received-on reply-to return return-icmp
return-icmp6 return-rst round-robin route route-to rtable rule ruleset-optimization scrub set skip sloppy source-hash
source-track state state-defaults state-policy static-port sticky-address syncookies synproxy table tag tagged timeout
to tos ttl urpf-failed user weight
"""
DIALECT = dialect(_WORDS, first=":_", excluded="(){}<>!=/#,")


class Words(Lexer):
    """The lexer of pf.conf: operators may have two characters."""

    def symbol(self, character):
        if character in ("!", "<", ">"):
            following = self._next()
            both = character + (following or "")
            if both in _OPERATORS:
                return _OPERATORS[both], both
            self._return(following)
        return character, character


def _rules(text):
    """The rules in full, one in each line."""
    name = None
    for line in text.splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        if not rule.startswith("|"):
            name, _colon, rule = rule.partition(":")
        rule = rule.strip().removeprefix("|").strip()
        if rule.startswith("LIST "):
            item, items = rule.split()[1], f"{name}_list"
            yield f"{name}: {item} -> one"
            yield f"{name}: {{ optnl {items} }} -> third"
            yield f"{items}: {item} optnl -> one"
            yield f"{items}: {items} comma {item} optnl -> append"
        else:
            yield f"{name}: {rule}" if not rule.startswith("->") else f"{name}:  {rule}"


GRAMMAR = Grammar("\n".join(_rules(Path(__file__).with_name("pf_conf.grammar").read_text(encoding="utf-8"))))
