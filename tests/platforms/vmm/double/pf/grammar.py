# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words and the grammar of pf.conf."""

from __future__ import annotations

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
KEYWORDS = {word: word.upper().replace("-", "_") for word in _WORDS.split()}

GRAMMAR = """
ruleset:
    | ruleset include NL
    | ruleset NL
    | ruleset option NL
    | ruleset pfrule NL
    | ruleset anchorrule NL
    | ruleset loadrule NL
    | ruleset queuespec NL
    | ruleset varset NL
    | ruleset antispoof NL
    | ruleset tabledef NL
    | '{' never '}' NL
    | ruleset error NL -> broken
never: never NL
include: INCLUDE STRING -> include
optnl: NL optnl
    |
comma: ','
    |
not: '!' -> true
    | -> false

option: SET REASSEMBLE yesno optnodf -> set_reassemble
    | SET OPTIMIZATION STRING -> set_optimization
    | SET RULESET_OPTIMIZATION string -> set_ruleset_optimization
    | SET TIMEOUT timeout_spec
    | SET TIMEOUT '{' optnl timeout_list '}'
    | SET LIMIT limit_spec
    | SET LIMIT '{' optnl limit_list '}'
    | SET LOGINTERFACE stringall -> set_loginterface
    | SET HOSTID number -> set_hostid
    | SET BLOCK_POLICY DROP -> set_block_policy
    | SET BLOCK_POLICY RETURN -> set_block_policy
    | SET FINGERPRINTS STRING -> set_fingerprints
    | SET STATE_POLICY statelock -> set_state_policy
    | SET DEBUG STRING -> set_debug
    | SET DEBUG DEBUG -> set_debug
    | SET SKIP interface -> set_skip
    | SET STATE_DEFAULTS state_opt_list -> set_state_defaults
    | SET SYNCOOKIES syncookie_value syncookie_opts -> set_syncookies
optnodf: -> false
    | NO_DF -> true
yesno: NO -> false
    | STRING -> yes
syncookie_value: STRING -> syncookie_value
syncookie_opts:
    | '(' syncookie_opt_list ')' -> second
syncookie_opt_list: syncookie_opt_list comma syncookie_opt -> merge
    | syncookie_opt
syncookie_opt: STRING STRING -> syncookie_opt
timeout_spec: STRING NUMBER -> set_timeout
timeout_list: timeout_list comma timeout_spec optnl
    | timeout_spec optnl
limit_spec: STRING NUMBER -> set_limit
limit_list: limit_list comma limit_spec optnl
    | limit_spec optnl
stringall: STRING
    | ALL
string: STRING string -> words
    | STRING
varstring: numberstring varstring -> words
    | numberstring
numberstring: NUMBER -> text
    | STRING
number: NUMBER
    | STRING -> number
varset: STRING '=' varstring -> assign

anchorname: STRING -> anchor_name
    |
pfa_anchorlist:
    | pfa_anchorlist NL
    | pfa_anchorlist tabledef NL
    | pfa_anchorlist pfrule NL
    | pfa_anchorlist anchorrule NL
    | pfa_anchorlist include NL
pfa_anchor: '{' enter_anchor NL pfa_anchorlist '}' -> leave_anchor
    |
enter_anchor: -> enter_anchor
anchorrule: ANCHOR anchorname dir quick interface af proto fromto filter_opts pfa_anchor -> anchor_rule
loadrule: LOAD ANCHOR anchorname FROM string -> load_anchor

antispoof: ANTISPOOF logquick FOR antispoof_ifs af antispoof_opts -> antispoof
antispoof_ifs: LIST antispoof_if
antispoof_if: if_item
    | '(' if_item ')' -> dynamic_interface
antispoof_opts: antispoof_begin antispoof_opts_l -> second
    | -> antispoof_begin
antispoof_begin: -> antispoof_begin
antispoof_opts_l: antispoof_opts_l antispoof_opt -> last
    | antispoof_opt
antispoof_opt: LABEL STRING -> antispoof_label
    | RTABLE NUMBER -> antispoof_rtable

tabledef: TABLE '<' STRING '>' table_opts -> table
table_opts: table_begin table_opts_l
    | -> table_begin
table_begin: -> table_begin
table_opts_l: table_opts_l table_opt
    | table_opt
table_opt: STRING -> table_flag
    | '{' optnl '}' -> table_empty
    | '{' optnl table_host_list '}' -> table_hosts
    | FILE STRING -> table_file
tablespec: xhost optweight -> weighted
    | '{' optnl table_host_list '}' -> third
table_host_list: tablespec optnl
    | table_host_list comma tablespec optnl -> extend

queuespec: QUEUE STRING interface queue_opts -> queue
queue_opts: queue_begin queue_opts_l
queue_begin: -> queue_begin
queue_opts_l: queue_opts_l queue_opt
    | queue_opt
queue_opt: BANDWIDTH scspec optscs -> queue_bandwidth
    | PARENT STRING -> queue_parent
    | DEFAULT -> queue_default
    | QLIMIT NUMBER -> queue_qlimit
    | FLOWS NUMBER -> queue_flows
    | QUANTUM NUMBER -> queue_quantum
optscs: -> limits
    | comma MIN scspec -> limits
    | comma MAX scspec -> limits
    | comma MIN scspec comma MAX scspec -> limits
    | comma MAX scspec comma MIN scspec -> limits
scspec: bandwidth -> service_curve
    | bandwidth BURST bandwidth FOR STRING -> service_curve
bandwidth: STRING -> bandwidth
    | NUMBER -> bandwidth_number

pfrule: action dir logquick interface af proto fromto filter_opts -> rule
action: PASS -> action
    | MATCH -> action
    | BLOCK blockspec -> second
blockspec: -> block_default
    | DROP -> block_word
    | RETURN_RST -> block_word
    | RETURN_RST '(' TTL NUMBER ')' -> block_ttl
    | RETURN_ICMP -> block_word
    | RETURN_ICMP6 -> block_word
    | RETURN_ICMP '(' reticmpspec ')' -> block_icmp
    | RETURN_ICMP6 '(' reticmp6spec ')' -> block_icmp6
    | RETURN_ICMP '(' reticmpspec comma reticmp6spec ')' -> block_icmps
    | RETURN -> block_word
reticmpspec: STRING -> return_icmp
    | NUMBER -> return_icmp
reticmp6spec: STRING -> return_icmp6
    | NUMBER -> return_icmp6
dir: -> nothing
    | IN
    | OUT
quick: -> false
    | QUICK -> true
logquick: -> log_quick
    | log -> log_quick
    | QUICK -> log_quick
    | log QUICK -> log_quick
    | QUICK log -> log_quick
log: LOG -> log
    | LOG '(' logopts ')' -> log
logopts: logopt
    | logopts comma logopt -> log_options
logopt: ALL -> log_option
    | MATCHES -> log_option
    | USER -> log_option
    | TO string -> log_interface

filter_opts: filter_begin filter_opts_l -> first
    | -> filter_begin
filter_begin: -> filter_begin
filter_opts_l: filter_opts_l filter_opt
    | filter_opt
filter_opt: USER uids -> opt_user
    | GROUP gids -> opt_group
    | flags -> opt_flags
    | icmpspec -> opt_icmp
    | PRIO NUMBER -> opt_prio
    | TOS tos -> opt_tos
    | keep -> opt_keep
    | FRAGMENT -> opt_fragment
    | ALLOW_OPTS -> opt_allow_opts
    | LABEL STRING -> opt_label
    | QUEUE qname -> opt_queue
    | TAG string -> opt_tag
    | not TAGGED string -> opt_tagged
    | PROBABILITY probability -> opt_probability
    | RTABLE NUMBER -> opt_rtable
    | DIVERT_TO STRING PORT portplain -> opt_divert_to
    | DIVERT_REPLY -> opt_divert_reply
    | DIVERT_PACKET PORT portplain -> opt_divert_packet
    | SCRUB '(' scrub_opts ')' -> opt_scrub
    | NAT_TO redirpool pool_opts -> opt_nat_to
    | AF_TO af FROM redirpool pool_opts -> opt_af_to
    | AF_TO af FROM redirpool pool_opts TO redirpool pool_opts -> opt_af_to
    | RDR_TO redirpool pool_opts -> opt_rdr_to
    | BINAT_TO redirpool pool_opts -> opt_binat_to
    | ROUTE_TO routespec -> opt_route
    | REPLY_TO routespec -> opt_route
    | DUP_TO routespec -> opt_route
    | not RECEIVED_ON if_item -> opt_received_on
    | ONCE -> opt_once
    | MAX_PKT_RATE NUMBER '/' NUMBER -> opt_max_pkt_rate
    | filter_sets
filter_sets: SET '(' filter_sets_l ')'
    | SET filter_set
filter_sets_l: filter_sets_l comma filter_set
    | filter_set
filter_set: prio -> set_prio
    | QUEUE qname -> opt_queue
    | TOS tos -> set_tos
    | DELAY NUMBER -> set_delay
prio: PRIO NUMBER -> prio
    | PRIO '(' NUMBER comma NUMBER ')' -> prio
probability: STRING -> probability
    | NUMBER
scrub_opts: scrub_begin scrub_opts_l -> first
scrub_begin: -> scrub_begin
scrub_opts_l: scrub_opts_l comma scrub_opt
    | scrub_opt
scrub_opt: NO_DF -> scrub_flag
    | MIN_TTL NUMBER -> scrub_number
    | MAX_MSS NUMBER -> scrub_number
    | REASSEMBLE STRING -> scrub_reassemble
    | RANDOM_ID -> scrub_flag

interface:
    | ON interfaces -> second
interfaces: LIST if_item_not
if_item_not: not if_item -> interface_not
if_item: STRING -> interface_name
    | ANY -> interface_name
    | RDOMAIN NUMBER -> interface_rdomain
af: -> zero
    | INET -> inet
    | INET6 -> inet6
proto:
    | PROTO protos -> second
protos: LIST proto_item
proto_item: protoval -> proto
protoval: STRING -> proto_name
    | NUMBER -> proto_number
fromto: ALL -> from_to
    | from os to -> from_to
os:
    | OS xoses -> second
xoses: LIST STRING
from:
    | FROM ipportspec -> second
to:
    | TO ipportspec -> destination
ipportspec: ipspec -> peer
    | ipspec PORT portspec -> peer
    | PORT portspec -> peer_port
ipspec: ANY -> nothing
    | xhost
    | '{' optnl host_list '}' -> third
host_list: ipspec optnl
    | host_list comma ipspec optnl -> join_hosts
xhost: not host -> host_not
    | not NO_ROUTE -> host_word
    | not URPF_FAILED -> host_word
optweight: WEIGHT NUMBER -> weight
    |
host: STRING -> host
    | STRING '-' STRING -> host_range
    | STRING '/' NUMBER -> host
    | NUMBER '/' NUMBER -> host
    | dynaddr
    | dynaddr '/' NUMBER -> dynamic_mask
    | '<' STRING '>' -> host_table
    | ROUTE STRING -> host_route
dynaddr: '(' STRING ')' -> dynamic
portspec: LIST port_item
port_item: portrange -> port
    | unaryop portrange -> port_unary
    | portrange PORTBINARY portrange -> port_binary
portplain: numberstring -> port_plain
portrange: numberstring -> port_range
portstar: numberstring -> port_star
unaryop: '='
    | NE
    | LE
    | '<'
    | GE
    | '>'
uids: LIST uid_item
uid_item: uid -> identity
    | unaryop uid -> user_unary
    | uid PORTBINARY uid -> user_binary
uid: STRING -> user_name
    | NUMBER -> user_number
gids: LIST gid_item
gid_item: gid -> identity
    | unaryop gid -> group_unary
    | gid PORTBINARY gid -> group_binary
gid: STRING -> group_name
    | NUMBER -> group_number
flags: FLAGS flag '/' flag -> flags
    | FLAGS '/' flag -> flags_any_of
    | FLAGS ANY -> flags_any
flag: STRING -> flag
icmpspec: ICMP_TYPE icmps -> second
    | ICMP6_TYPE icmp6s -> second
icmps: LIST icmp_item
icmp6s: LIST icmp6_item
icmp_item: icmptype -> icmp
    | icmptype CODE STRING -> icmp
    | icmptype CODE NUMBER -> icmp
icmp6_item: icmp6type -> icmp6
    | icmp6type CODE STRING -> icmp6
    | icmp6type CODE NUMBER -> icmp6
icmptype: STRING -> icmp_type
    | NUMBER -> icmp_type
icmp6type: STRING -> icmp6_type
    | NUMBER -> icmp6_type
tos: STRING -> tos
    | NUMBER -> tos
statelock: IF_BOUND
    | FLOATING
keep: NO STATE -> keep
    | KEEP STATE state_opt_spec -> keep
    | MODULATE STATE state_opt_spec -> keep
    | SYNPROXY STATE state_opt_spec -> keep
state_opt_spec: '(' state_opt_list ')' -> second
    |
state_opt_list: state_opt_item -> one
    | state_opt_list comma state_opt_item -> append
state_opt_item: MAX NUMBER -> state_number
    | NO_SYNC -> state_word
    | MAX_SRC_STATES NUMBER -> state_number
    | MAX_SRC_CONN NUMBER -> state_number
    | MAX_SRC_CONN_RATE NUMBER '/' NUMBER -> state_rate
    | OVERLOAD '<' STRING '>' flush -> state_overload
    | MAX_SRC_NODES NUMBER -> state_number
    | SOURCE_TRACK sourcetrack -> state_track
    | statelock -> state_lock
    | SLOPPY -> state_word
    | PFLOW -> state_word
    | STRING NUMBER -> state_timeout
sourcetrack:
    | GLOBAL
    | RULE
flush: -> nothing
    | FLUSH
    | FLUSH GLOBAL -> words
qname: STRING -> queue_names
    | '(' STRING ')' -> queue_names
    | '(' STRING comma STRING ')' -> queue_names

redirspec: host optweight -> weighted
    | '{' optnl redir_host_list '}' -> third
redir_host_list: host optweight optnl -> redirection_first
    | redir_host_list comma host optweight optnl -> redirection_next
redirpool: redirspec -> redirection
    | redirspec PORT portstar -> redirection
routespec: redirspec pool_opts -> route
pool_opts: pool_begin pool_opts_l -> first
    | -> pool_begin
pool_begin: -> pool_begin
pool_opts_l: pool_opts_l pool_opt
    | pool_opt
pool_opt: BITMASK -> pool_type
    | RANDOM -> pool_type
    | SOURCE_HASH hashkey -> pool_type
    | ROUND_ROBIN -> pool_type
    | LEAST_STATES -> pool_type
    | STATIC_PORT -> pool_static_port
    | STICKY_ADDRESS -> pool_sticky
hashkey: -> hash_random
    | string -> hash_key
"""
