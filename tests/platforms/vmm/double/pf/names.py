# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of numbers in pf.conf."""

from __future__ import annotations

ICMP, TCP, UDP, ICMP6 = 1, 6, 17, 58
FLAGS = "FSRPAUEW"
INET6_ICMP = "icmp6-type"


def _numbers(text):
    return {name: int(number, 0) for name, number in (pair.split("=") for pair in text.split())}


def _codes(text):
    return {(int(kind), name): int(code) for kind, name, code in (triple.split(":") for triple in text.split())}


TYPES = _numbers("""
echoreq=8 echorep=0 unreach=3 squench=4 redir=5 althost=6 routeradv=9 routersol=10 timex=11 paramprob=12 timereq=13
timerep=14 inforeq=15 inforep=16 maskreq=17 maskrep=18 trace=30 dataconv=31 mobredir=32 ipv6-where=33 ipv6-here=34
mobregreq=35 mobregrep=36 skip=39 photuris=40
""")
TYPES6 = _numbers("""
unreach=1 toobig=2 timex=3 paramprob=4 echoreq=128 echorep=129 groupqry=130 listqry=130 grouprep=131 listenrep=131
groupterm=132 listendone=132 routersol=133 routeradv=134 neighbrsol=135 neighbradv=136 redir=137 routrrenum=138
wrureq=139 wrurep=140 fqdnreq=139 fqdnrep=140 niqry=139 nirep=140 mtraceresp=200 mtrace=201 listenrepv2=143
""")
CODES = _codes("""
3:net-unr:0 3:host-unr:1 3:proto-unr:2 3:port-unr:3 3:needfrag:4 3:srcfail:5 3:net-unk:6 3:host-unk:7 3:isolate:8
3:net-prohib:9 3:host-prohib:10 3:net-tos:11 3:host-tos:12 3:filter-prohib:13 3:host-preced:14 3:cutoff-preced:15
5:redir-net:0 5:redir-host:1 5:redir-tos-net:2 5:redir-tos-host:3 9:normal-adv:0 9:common-adv:16 11:transit:0
11:reassemb:1 12:badhead:0 12:optmiss:1 12:badlen:2 40:unknown-ind:1 40:auth-fail:2 40:decrypt-fail:3
""")
CODES6 = _codes("""
1:admin-unr:1 1:noroute-unr:0 1:beyond-unr:2 1:addr-unr:3 1:port-unr:4 3:transit:0 3:reassemb:1 4:badhead:0 4:nxthdr:1
137:redironlink:0 137:redirrouter:1
""")
TOS = _numbers("""
af11=0x28 af12=0x30 af13=0x38 af21=0x48 af22=0x50 af23=0x58 af31=0x68 af32=0x70 af33=0x78 af41=0x88 af42=0x90 af43=0x98
critical=0xa0 cs0=0 cs1=0x20 cs2=0x40 cs3=0x60 cs4=0x80 cs5=0xa0 cs6=0xc0 cs7=0xe0 ef=0xb8 inetcontrol=0xc0
lowdelay=0x10 netcontrol=0xe0 reliability=0x04 throughput=0x08
""")
