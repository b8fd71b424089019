# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the grammar of pf.conf that the role vmm_network writes, and that the pf.conf of a new host has.

The parser rejects a text as pfctl does only if its words are of this part. Every other word, and every statement that
``-> unknown`` names, may be valid: ``NotRecorded`` ends the test.
"""

from __future__ import annotations

from .lalr import Grammar
from .lexer import Lexer, dialect

_WORDS = """
all anchor any block from in inet load log match nat-to on out pass port proto quick rdr-to return set skip to user
"""
_OTHER_WORDS = """
af-to allow-opts antispoof bandwidth binat-to bitmask block-policy burst code debug default delay divert-packet
divert-reply divert-to drop dup-to file fingerprints flags floating flows flush for fragment global group hostid
icmp-type icmp6-type if-bound include inet6 keep label least-states limit loginterface matches max max-mss max-pkt-rate
max-src-conn max-src-conn-rate max-src-nodes max-src-states min min-ttl modulate no no-df no-route no-sync once
optimization os overload parent pflow prio probability qlimit quantum queue random random-id rdomain reassemble
received-on reply-to return-icmp return-icmp6 return-rst round-robin route route-to rtable rule ruleset-optimization
scrub sloppy source-hash source-track state state-defaults state-policy static-port sticky-address syncookies synproxy
table tag tagged timeout tos ttl urpf-failed weight
"""
_DIALECT = dialect(_WORDS, _OTHER_WORDS, first=":_", excluded="(){}<>!=/#,", symbols="<>=-")

GRAMMAR = Grammar(
    """
ruleset:
ruleset: { -> unknown
ruleset: ruleset EOL
ruleset: ruleset SET SKIP interface EOL -> skip
ruleset: ruleset STRING = -> unknown
ruleset: ruleset action dir log quick interface af proto hosts options EOL -> rule
ruleset: ruleset ANCHOR name dir interface af proto hosts options body EOL -> anchor
ruleset: ruleset LOAD ANCHOR name FROM string EOL -> load_anchor
ruleset: ruleset error EOL
action: PASS
action: MATCH
action: BLOCK -> block
action: BLOCK RETURN -> block
name:
name: STRING -> name
body:
body: { -> unknown
string: STRING string -> joined
string: STRING
dir:
dir: IN
dir: OUT
quick:
quick: QUICK
log:
log: LOG
log: LOG ( -> unknown
af:
af: INET
interface:
interface: ON interface_item -> interfaces
interface: ON { lines interface_list } -> interfaces
interface_list: interface_item lines
interface_list: interface_list comma interface_item lines -> extended
interface_item: not STRING -> interface
interface_item: not ANY -> interface
proto:
proto: PROTO proto_item -> second
proto: PROTO { lines proto_list } -> list
proto_list: proto_item lines
proto_list: proto_list comma proto_item lines -> extended
proto_item: STRING -> protocol
proto_item: NUMBER -> unknown
hosts: ALL -> all_hosts
hosts: from to -> from_to
from:
from: FROM peer -> second
to:
to: TO peer -> second
peer: host -> peer
peer: host PORT ports -> peer
peer: PORT ports -> any_port
host: ANY -> any_host
host: not address -> host
host: { lines host_list } -> list
host_list: host lines
host_list: host_list comma host lines -> extended
address: STRING -> address
address: STRING / NUMBER -> address
address: NUMBER / NUMBER -> unknown
address: ( STRING ) -> own_address
ports: port_item
ports: { lines port_list } -> list
port_list: port_item lines
port_list: port_list comma port_item lines -> extended
port_item: NUMBER -> port
port_item: STRING -> port
options:
options: options USER users -> option
options: options NAT-TO pool -> option
options: options RDR-TO pool -> option
options: options SET -> unknown
options: options ! -> unknown
users: user_item
users: { lines user_list } -> list
user_list: user_item lines
user_list: user_list comma user_item lines -> extended
user_item: NUMBER -> user
user_item: STRING -> user
pool: address -> pool
pool: address PORT port_item -> pool
pool: { -> unknown
not:
not: !
lines: EOL lines
lines:
comma: ,
comma:
"""
)


class Words(Lexer):
    """The lexer of pf.conf. Operators such as ``<>`` and ``!=`` are not among the words of this part."""

    def __init__(self, read):
        super().__init__(_DIALECT, read)

    def symbol(self, character):
        following = self._next() if character == "!" else None
        self._return(following)
        return ("=", "!=") if following == "=" else (character, character)
