# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expands a statement into rules: one for each consistent combination of its lists."""

from __future__ import annotations

import itertools
from dataclasses import replace

from .addresses import Host, bits_of
from .matches import is_empty_range
from .names import ICMP, ICMP6, TCP, UDP
from .rule import NAT_PORTS, NONE, IcmpType, Interface, Pool, Ports, Redirection

_DYNAMIC_TYPES = {"round-robin", "least-states", "random", "source-hash"}
_PORTS = (TCP, UDP)
LONGEST_NAME = 63
#: The lists of a statement in the order in which they are expanded; the last one varies first.
_LISTS = {
    "interfaces": Interface(),
    "protocols": 0,
    "icmp": IcmpType(),
    "sources": Host(),
    "destinations": Host(),
    "source_ports": Ports(),
    "destination_ports": Ports(),
    "systems": "",
    "users": Ports(),
    "groups": Ports(),
}


class Expansion:
    """Expands one rule. ``lists``: those of ``_LISTS`` that the statement has."""

    def __init__(self, loader, rule, lists, nat=None, rdr=None, routed=None, received=None):
        self._loader, self._rule, self._received = loader, rule, received
        self._redirections = {"rdr": rdr, "nat": nat, "routed": routed}
        self._lists = [lists.get(name) or [default] for name, default in _LISTS.items()]
        self._start = replace(rule)
        self._failed = False

    def run(self):
        added = 0
        for places in itertools.product(*(range(len(items)) for items in self._lists)):
            chosen = [items[place] for items, place in zip(self._lists, places)]
            added += self._combination(chosen, places)
        if not added:
            self._loader.complain("rule expands to no valid combination")

    def _problem(self, text):
        self._loader.complain(text)
        self._failed = True

    def _combination(self, chosen, places):
        """Add the rule of one combination. Returns 1 if it was added, else 0."""
        interface, proto, icmp, source, destination, _source_port, target_port, *_others = chosen
        rule = self._rule
        rule.af = self._start.af
        for name in ("rdr", "nat", "routed"):
            self._failed |= self._collapse(name)
        if any(host.address.kind == "mask" and host.interface for host in (source, destination)):
            self._problem("@if syntax not permitted in from or to")
        if self._mismatch(interface, source, destination):
            return 0
        rule.af = rule.af or source.af or destination.af
        source, destination = self._place(interface, proto, source, destination, chosen)
        self._fill(chosen, source, destination)
        if icmp.protocol and rule.proto != icmp.protocol:
            self._problem("icmp-type mismatch")
        binat = self._redirections["nat"] is not None and self._redirections["nat"].binat
        if binat:
            self._check_binat(source)
            rule.direction = "out"
        for name in ("nat", "rdr", "routed"):
            self._failed |= self._apply(name, target_port)
        added = self._loader.consistent(rule) and not self._failed
        if added:
            self._loader.add(replace(rule))
        else:
            self._loader.complain("skipping rule due to errors")
        rule.direction = self._start.direction
        if binat and not self._failed:
            self._inbound(places, source, destination)
        return int(added)

    def _mismatch(self, interface, source, destination):
        """True if the address families, or the interfaces of link-local addresses, differ."""
        families = {af for af in (self._rule.af, source.af, destination.af) if af}
        indexes = {host.index for host in (source, destination) if host.index}
        if indexes and interface.name:
            indexes.add(self._loader.process.system.index_of(interface.name))
        return len(families) > 1 or len(indexes) > 1

    def _place(self, interface, proto, source, destination, chosen):
        """Set interface and names; returns source and destination as addresses of the rule's family."""
        rule, system = self._rule, self._loader.process.system
        rule.ifname = interface.name or system.name_of(source.index) or system.name_of(destination.index)
        rule.rdomain, rule.ifnot, rule.proto = interface.rdomain, interface.negated, proto
        for name in ("label", "tag", "tagged"):
            setattr(rule, name, self._named(getattr(self._start, name), source, destination, chosen))
        hosts = [_of_family(host, rule.af) for host in (source, destination)]
        for host in hosts:
            if host.address.kind not in ("table", "range") and rule.af == 4 and bits_of(host.address.mask) > 32:
                self._loader.warn(f"netmask {bits_of(host.address.mask)} invalid for IPv4 address")
                self._failed = True
        return hosts

    def _named(self, text, source, destination, chosen):
        rule = self._rule
        text = text.replace("$if", rule.ifname or "any")
        text = text.replace("$srcaddr", _host_label(source, rule.af))
        text = text.replace("$dstaddr", _host_label(destination, rule.af))
        text = text.replace("$srcport", _port_label(chosen[5])).replace("$dstport", _port_label(chosen[6]))
        if "$proto" in text:
            text = text.replace("$proto", self._loader.process.system.protocol_name(rule.proto))
        if len(text) > LONGEST_NAME:
            self._loader.fatal("expand_label: label too long")
        return text

    def _fill(self, chosen, source, destination):
        rule, start = self._rule, self._start
        icmp, rule.src_port, rule.dst_port, rule.fingerprint, rule.uid, rule.gid = chosen[2], *chosen[5:10]
        rule.src, rule.src_not = source.address, source.negated
        rule.dst, rule.dst_not = destination.address, destination.negated
        if self._received:
            rule.received, rule.received_not = self._received.name, self._received.negated
        rule.icmp_type, rule.icmp_code = icmp.type, icmp.code
        other = rule.proto not in (0, TCP)
        rule.keep = "keep" if other and start.keep in ("modulate", "synproxy") else start.keep
        rule.flags, rule.flagset = (0, 0) if other else (start.flags, start.flagset)

    def _check_binat(self, source):
        rule = self._rule
        pool = rule.nat.address
        if source.address.kind == "table":
            name = source.address.name
            self._problem(f"invalid use of table <{name}> as the source address of a binat-to rule")
        elif source.address.is_many:
            name = source.address.name
            self._problem(f"invalid use of interface ({name}) as the source address of a binat-to rule")
        elif not {rule.src.kind, pool.kind} <= {"mask", "dynamic"}:
            self._problem("binat-to requires a specified source and redirect address")
        if rule.src.is_many or pool.is_many:
            self._problem("dynamic interfaces must be used with :0 in a binat-to rule")
        if _is_zero(rule.src.mask, self._start.af) or _is_zero(pool.mask, self._start.af):
            self._problem("source and redir addresess must have a matching network mask in binat-rule")
        if pool.kind == "table":
            self._problem("tables cannot be used as the redirect address of a binat-to rule")
        if rule.direction:
            self._problem("binat-to cannot be specified with a direction")

    def _inbound(self, places, source, destination):
        """Add the incoming rule of ``binat-to``."""
        nat = self._redirections["nat"]
        rest = {name: items[place:] for name, items, place in zip(_LISTS, self._lists, places)}
        back = {
            **rest,
            "sources": [destination, *rest["destinations"][1:]],
            "destinations": [Host(self._rule.nat.address)],
            "source_ports": rest["destination_ports"],
            "destination_ports": rest["source_ports"],
        }
        options = replace(nat.options, static_port=False)
        redirection = Redirection([replace(source, interface="")], nat.ports, options)
        rule = replace(self._rule, direction="in")
        Expansion(self._loader, rule, back, rdr=redirection, received=self._received).run()

    def _collapse(self, name):
        """Select the addresses of a redirection by address family. Returns True on failure."""
        rule, redirection, routing = self._rule, self._redirections[name], name == "routed"
        word = "routing" if routing else "translation"
        if not redirection or not redirection.hosts:
            setattr(rule, name, replace(getattr(rule, name), address=NONE))
            return False
        if rule.translates:
            rule.naf = redirection.af
        family, hosts, table = 0, [], None
        for host in redirection.hosts:
            problem, family, fits = self._family(host, redirection, family, routing)
            problem = problem or (fits and self._pool_problem(host, hosts, redirection, word))
            if problem:
                self._loader.complain(problem)
                return True
            if fits:
                hosts.append(host)
                if len(hosts) == 1:
                    setattr(rule, name, replace(getattr(rule, name), address=host.address))
                else:
                    table = table or self._loader.pool_table(hosts[:1])
                    if not table or not self._loader.pool_table([host], table):
                        return True
        rule.af = rule.af or family
        if not hosts:
            self._loader.complain(f"af mismatch in {word} spec")
        elif table:
            self._loader.show_table(table)
            setattr(rule, name, replace(getattr(rule, name), address=table.address))
        return not hosts

    def _family(self, host, redirection, family, routing):
        """Returns (error, family so far, whether the host fits the rule)."""
        rule, word = self._rule, "routing" if routing else "translation"
        if routing and host.address.kind == "dynamic" and host.address.modifiers != ("peer",):
            return "route spec requires :peer with dynamic interface addresses", family, False
        if redirection.af and not rule.af and not family:
            family = {6: 4, 4: 6}.get(rule.naf, redirection.af)
        if host.af and not rule.naf:
            if rule.af and rule.af != host.af:
                return None, family, False
            if not rule.af and family not in (0, host.af):
                return f"{word} spec contains addresses with different address families", family, False
        elif host.af and redirection.af not in (0, host.af):
            return f"{word} spec contains addresses that don't match target address family", family, False
        return None, family or (0 if rule.af else host.af), True

    def _pool_problem(self, host, before, redirection, word):
        if before and redirection.options.type and redirection.options.type not in _DYNAMIC_TYPES:
            return "pool type is not valid for multiple translation or routing addresses"
        if len(before) == 1 and "mask" not in (before[0].address.kind, host.address.kind):
            return "multiple tables or dynamic interfaces not supported for translation or routing"
        return f"@if not permitted for {word}" if host.interface else None

    def _apply(self, name, compared):
        """Set the ports and the type of the pool of a redirection. Returns True on failure."""
        redirection, pool = self._redirections[name], getattr(self._rule, name)
        if not redirection:
            return False
        low, high = redirection.ports.low, redirection.ports.high
        if name == "nat":
            low, high = NAT_PORTS if not low and not high else (low, high or low)
        elif redirection.ports.operator == "*":
            high = low + compared.high - compared.low
        elif is_empty_range(redirection.ports):
            self._loader.complain("invalid rdr-to port range")
            return True
        options = redirection.options
        kind = options.type
        if not kind and (pool.address.kind == "table" or pool.address.is_many):
            kind = "round-robin"
        problem = self._type_problem(kind, redirection) or self._static_problem(name, options, low, high)
        if problem:
            self._loader.complain(problem)
            return True
        if options.static_port:
            low = high = 0
        setattr(self._rule, name, Pool(pool.address, low, high, kind, options.key, options.sticky))
        return False

    def _type_problem(self, kind, redirection):
        if kind in _DYNAMIC_TYPES:
            return None
        if any(host.address.kind == "table" for host in redirection.hosts):
            return "tables are not supported by pool type"
        many = next((host.address.name for host in redirection.hosts if host.address.is_many), None)
        return f"interface ({many}) is not supported by pool type" if many else None

    def _static_problem(self, name, options, low, high):
        if not options.static_port:
            return None
        if name != "nat":
            return "the 'static-port' option is only valid with nat rules"
        if low != NAT_PORTS[0] and high != NAT_PORTS[1]:
            return "the 'static-port' option can't be used when specifying a port range"
        return None


def _is_zero(mask, af):
    """True for an empty mask. pfctl does not check the masks of a rule without a family."""
    return af != 0 and not (mask >> 96 if af == 4 else mask)


def _of_family(host, af):
    """The host; the mask of a dynamic address is limited to the family."""
    if host.address.kind == "dynamic" and af == 4 and bits_of(host.address.mask) > 32:
        return replace(host, address=host.address.masked(32))
    return host


def _host_label(host, af):
    address = host.address
    text = {"dynamic": f"({address.name})", "table": f"<{address.name}>"}.get(address.kind, address.kind)
    if address.kind == "mask":
        text = "any" if not af or address.is_any else address.text(af)
    elif address.kind not in ("dynamic", "table", "no-route", "urpf-failed"):
        text = "?"
    return f"! {text}" if host.negated else text


def _port_label(ports):
    if ports.operator in ("><", "<>"):
        return f"{ports.low}{ports.operator}{ports.high}"
    if ports.operator in ("", ":"):
        return ""
    return f"{'' if ports.operator == '=' else ports.operator}{ports.low}"


def problems(rule):
    """The errors of a rule in the order in which pfctl reports them; None stands for its only warning."""
    ports = rule.src_port.operator or rule.dst_port.operator
    icmp = rule.icmp_type or rule.icmp_code
    translated = rule.nat.address.kind != "none" or rule.rdr.address.kind != "none"
    routing = "route-to, reply-to and dup-to"
    families = {4: "inet", 6: "inet6"}
    found = [
        ("os only applies to tcp", rule.proto != TCP and rule.fingerprint),
        ("port only applies to tcp/udp", rule.proto not in _PORTS and ports),
        ("user only applies to tcp/udp", rule.proto not in _PORTS and rule.uid.operator),
        ("group only applies to tcp/udp", rule.proto not in _PORTS and rule.gid.operator),
        ("icmp-type/code only applies to icmp", rule.proto not in (ICMP, ICMP6) and icmp),
        ("must indicate address family with icmp-type/code", not rule.af and icmp),
        ("must indicate different address family with af-to", rule.translates and rule.af == rule.naf),
        (
            "'overload' requires 'max-src-conn' or 'max-src-conn-rate'",
            rule.overload and not rule.max_src_conn and not rule.max_src_conn_rate[1],
        ),
        (
            f"proto {'icmp' if rule.proto == ICMP else 'icmp6'} doesn't match address family {families.get(rule.af)}",
            (rule.proto, rule.af) in ((ICMP, 6), (ICMP6, 4)),
        ),
        ("allow-opts can only be specified for pass rules", rule.allow_opts and rule.action != "pass"),
        ("fragments can be filtered only on IP header fields", rule.fragment and (ports or rule.flagset or icmp)),
        ("return-rst can only be applied to TCP rules", rule.returns == "return-rst" and rule.proto != TCP),
        ("max-src-nodes requires 'source-track rule'", rule.max_src_nodes and "rule" not in rule.state),
        ("keep state is great, but only for pass rules", rule.action != "pass" and rule.keep),
        (f"{routing} require keep state", rule.route and not rule.keep),
        (
            "sloppy state matching cannot be used with synproxy state or modulate state",
            "sloppy" in rule.state and rule.keep in ("modulate", "synproxy"),
        ),
        (None, rule.keep == "synproxy" and rule.direction != "in"),
        ("nat-to and rdr-to require keep state", translated and rule.action != "match" and not rule.keep),
        ("nat-to and rdr-to require a direction", translated and not rule.direction),
        (
            "address family inet6 does not support scrub options no-df, random-id",
            rule.af == 6 and rule.scrub & {"no-df", "random-id"},
        ),
        ("divert is not supported on match rules", rule.action == "match" and rule.divert.type),
        (f"{routing} are not supported on {rule.action} rules", rule.action != "pass" and rule.route),
        ("af-to is not supported on match rules", rule.action == "match" and rule.translates),
    ]
    return [text for text, wrong in found if wrong]
