# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule of pf, and the parts of a statement before it is expanded."""

from __future__ import annotations

from dataclasses import dataclass, field

from .addresses import Address

NAT_PORTS = (50001, 65535)
#: Timeouts in the order in which a rule prints them.
_TIMEOUTS = """
tcp.first tcp.opening tcp.established tcp.closing tcp.finwait tcp.closed udp.first udp.single udp.multiple icmp.first
icmp.error other.first other.single other.multiple frag interval adaptive.start adaptive.end src.track tcp.tsdiff
"""
TIMEOUTS = tuple(_TIMEOUTS.split())
NONE = Address("none")


@dataclass(frozen=True)
class Ports:
    """A comparison of ports, users or groups: ``operator`` is empty, ``=``, ``><``, ``:`` and so on."""

    operator: str = ""
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Interface:
    name: str = ""
    negated: bool = False
    dynamic: bool = False
    rdomain: int = -1


@dataclass(frozen=True)
class IcmpType:
    """``type`` and ``code`` are one more than the number; 0 is none."""

    type: int = 0
    code: int = 0
    protocol: int = 0


@dataclass
class PoolOptions:
    type: str = ""
    key: str = ""
    static_port: bool = False
    sticky: bool = False


@dataclass
class Redirection:
    """The part of a statement after ``nat-to``, ``rdr-to``, ``binat-to`` or ``route-to``."""

    hosts: list
    ports: Ports = field(default_factory=Ports)
    options: PoolOptions = field(default_factory=PoolOptions)
    binat: bool = False
    af: int = 0


@dataclass(frozen=True)
class Pool:
    address: Address = field(default_factory=Address)
    low: int = 0
    high: int = 0
    type: str = ""
    key: str = ""
    sticky: bool = False


@dataclass(frozen=True)
class Divert:
    type: str = ""
    number: int = 0
    port: int = 0


@dataclass
class FilterOptions:
    """The options of a statement. ``given``: options that were set and cannot be repeated."""

    given: set = field(default_factory=set)
    users: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    received: Interface | None = None
    flags: tuple = (0, 0)
    icmp: list = field(default_factory=list)
    tos: int = 0
    prio: int = -1
    probability: int = 0
    keep: str = ""
    keep_options: list = field(default_factory=list)
    fragment: bool = False
    allow_opts: bool = False
    label: str = ""
    queues: tuple = ("", "")
    tag: str = ""
    tagged: str = ""
    tagged_not: bool = False
    rtable: int = -1
    divert: tuple = ()
    nat: Redirection | None = None
    rdr: Redirection | None = None
    routed: Redirection | None = None
    route: str = ""
    scrub: dict = field(default_factory=dict)
    set_tos: int = 0
    set_prio: tuple = ()
    delay: int = 0
    packet_rate: tuple = (0, 0)


@dataclass
class Rule:
    """A rule as the kernel gets it. Names of the fields follow pf(4)."""

    action: str = "pass"
    returns: str = ""
    return_ttl: int = 0
    return_icmp: tuple = ()
    return_icmp6: tuple = ()
    direction: str = ""
    log: tuple = ()
    logif: int = 0
    quick: bool = False
    ifname: str = ""
    ifnot: bool = False
    rdomain: int = -1
    af: int = 0
    proto: int = 0
    src: Address = field(default_factory=Address)
    src_not: bool = False
    src_port: Ports = field(default_factory=Ports)
    dst: Address = field(default_factory=Address)
    dst_not: bool = False
    dst_port: Ports = field(default_factory=Ports)
    fingerprint: str = ""
    received: str = ""
    received_not: bool = False
    uid: Ports = field(default_factory=Ports)
    gid: Ports = field(default_factory=Ports)
    flags: int = 0
    flagset: int = 0
    icmp_type: int = 0
    icmp_code: int = 0
    tos: int = 0
    prio: int = -1
    packet_rate: tuple = (0, 0)
    set_prio: tuple = ()
    qname: str = ""
    pqname: str = ""
    set_tos: int | None = None
    delay: int | None = None
    keep: str = ""
    state: frozenset = frozenset()
    max_states: int = 0
    max_src_states: int = 0
    max_src_conn: int = 0
    max_src_conn_rate: tuple = (0, 0)
    max_src_nodes: int = 0
    overload: str = ""
    flush: str = ""
    timeouts: tuple = ()
    probability: int = 0
    fragment: bool = False
    scrub: frozenset = frozenset()
    min_ttl: int = 0
    max_mss: int = 0
    allow_opts: bool = False
    label: str = ""
    once: bool = False
    tag: str = ""
    tagged: str = ""
    tagged_not: bool = False
    rtable: int = -1
    divert: Divert = field(default_factory=Divert)
    nat: Pool = field(default_factory=Pool)
    rdr: Pool = field(default_factory=Pool)
    routed: Pool = field(default_factory=Pool)
    route: str = ""
    translates: bool = False
    naf: int = 0
    anchor: Anchor | None = None


@dataclass(eq=False)
class Anchor:
    """A named list of rules. It is empty if the rules of the anchor are loaded separately."""

    path: str = ""
    name: str = ""
    rules: list = field(default_factory=list)

    @property
    def call(self):
        """The name that is printed in the rule that calls this anchor."""
        return self.name if self.rules else self.path
