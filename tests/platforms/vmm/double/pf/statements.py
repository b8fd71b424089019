# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of the grammar for whole statements: rules, anchors, ``antispoof``, tables."""

from __future__ import annotations

import re
from dataclasses import replace

from .addresses import Address, Host, bits_of, host_bits
from .cnumbers import UINT_MAX
from .expand import LONGEST_NAME, Expansion
from .matches import LONGEST_INTERFACE, LONGEST_TABLE
from .names import FLAGS, TCP
from .rule import TIMEOUTS, Anchor, Divert, Rule

_DEFAULT_ICMP, _DEFAULT_ICMP6 = (3, 3), (1, 4)
_LONGEST_PATH = 1023
_FASTEST = UINT_MAX // 1000
_SYN, _SYN_ACK = 1 << FLAGS.index("S"), 1 << FLAGS.index("S") | 1 << FLAGS.index("A")
_FORBIDDEN_IN_TABLES = {
    "range": "address ranges are not permitted inside tables",
    "dynamic": "dynamic addresses are not permitted inside tables",
    "table": "tables cannot contain tables",
    "no-route": '"no-route" is not permitted inside tables',
    "urpf-failed": '"urpf-failed" is not permitted inside tables',
    "route": "unknown address type 4",
}


class Rules:
    # action
    def action(self, word):
        return {"action": word}

    def _block(self, returns, ttl=0, icmp=_DEFAULT_ICMP, icmp6=_DEFAULT_ICMP6):
        return {
            "action": "block",
            "returns": "" if returns == "drop" else returns,
            "return_ttl": ttl,
            "return_icmp": icmp,
            "return_icmp6": icmp6,
        }

    def block_default(self):
        return self._block(self.block_policy)

    def block_word(self, word):
        return self._block("return-icmp" if word == "return-icmp6" else word)

    def block_ttl(self, word, _open, _ttl, number, _close):
        return self._block(word, self._within(number, 255, f"illegal ttl value {number}"))

    def block_icmp(self, word, _open, icmp, _close):
        # This is a known problem of pfctl: the IPv4 code is the default for IPv6, too.
        return self._block(word, icmp=icmp, icmp6=_DEFAULT_ICMP)

    def block_icmp6(self, _word, _open, icmp6, _close):
        return self._block("return-icmp", icmp6=icmp6)

    def block_icmps(self, word, _open, icmp, _comma, icmp6, _close):
        return self._block(word, icmp=icmp, icmp6=icmp6)

    # rules
    def rule(self, action, direction, log, interfaces, af, protocols, peers, options):
        rule = Rule(**action, direction=direction or "", log=log[0] or (), logif=log[1], quick=log[2], af=af)
        self._set_options(rule, options)
        self._check_flags(options, protocols, peers[2], "apply")
        self._set_states(rule, options)
        self._families(rule, peers)
        if options.route not in ("", "dup-to") and not direction:
            self.reject("direction must be explicit with rules that specify routing")
        rule.route = options.route
        self._set_divert(rule, options.divert)
        lists = self._lists(interfaces, protocols, peers, options)
        redirections = {"nat": options.nat, "rdr": options.rdr, "routed": options.routed}
        Expansion(self, rule, lists, **redirections, received=options.received).run()

    def _lists(self, interfaces, protocols, peers, options):
        (sources, source_ports), (destinations, destination_ports), systems = peers
        return {
            "interfaces": interfaces,
            "protocols": protocols,
            "icmp": options.icmp,
            "sources": sources,
            "destinations": destinations,
            "source_ports": source_ports,
            "destination_ports": destination_ports,
            "systems": systems,
            "users": options.users,
            "groups": options.groups,
        }

    def _check_flags(self, options, protocols, systems, verb):
        if not (any(options.flags) or systems) or not protocols or TCP in protocols:
            return
        if any(options.flags):
            self.complain("flags only apply to tcp")
        self.reject(f"OS fingerprinting only {verb} to tcp" if systems else None)

    def _families(self, rule, peers):
        """Set the family of the rule if all addresses of a side have the same family."""
        for hosts, _ports in peers[:2]:
            families = {host.af for host in hosts or ()}
            if not rule.af and len(families) == 1:
                rule.af = families.pop()

    def _set_options(self, rule, options):
        if "once" in options.given:
            if rule.action == "match" or rule.anchor:
                self.reject("'once' only applies to pass/block rules")
            rule.once = True
        rule.packet_rate, rule.probability, rule.rtable = options.packet_rate, options.probability, options.rtable
        rule.tos, rule.prio, rule.keep = options.tos, options.prio, options.keep
        rule.scrub = frozenset(word for word in options.scrub if options.scrub[word] is True)
        rule.min_ttl, rule.max_mss = options.scrub.get("min-ttl", 0), options.scrub.get("max-mss", 0)
        for tag in (options.tag, options.tagged):
            if len(tag) > LONGEST_NAME:
                self.reject(f"tag too long, max {LONGEST_NAME} chars")
        rule.tag, rule.tagged, rule.tagged_not = options.tag, options.tagged, options.tagged_not
        self._set_label(rule, options.label)
        if "af-to" in options.given:
            rule.translates = True
            if rule.direction != "in":
                self.reject("af-to can only be used with direction in")
            if options.route:
                self.reject("af-to cannot be used together with route-to, reply-to, dup-to")
        rule.delay = options.delay if "set delay" in options.given else None
        rule.set_tos = options.set_tos if "set tos" in options.given else None
        rule.set_prio = options.set_prio
        rule.flags, rule.flagset = options.flags
        if rule.flags & rule.flagset != rule.flags:
            self.reject("flags always false")
        rule.qname, rule.pqname = options.queues
        rule.fragment, rule.allow_opts = options.fragment, options.allow_opts

    def _set_label(self, rule, label):
        if len(label) > LONGEST_NAME:
            self.reject(f"rule label too long (max {LONGEST_NAME} chars)")
        rule.label = label

    def _set_divert(self, rule, divert):
        if not divert:
            return
        kind, hosts, port = divert
        number = 0
        if kind == "divert-to":
            if rule.direction == "out":
                self.reject("divert-to used with outgoing rule")
            fitting = [host for host in hosts if rule.af in (0, host.af)]
            if not fitting:
                self.reject("divert-to address family mismatch")
            rule.af, number = fitting[0].af, fitting[0].address.number
        elif kind == "divert-reply" and rule.direction == "in":
            self.reject("divert-reply used with incoming rule")
        rule.divert = Divert(kind, number, port)

    # states
    def _set_states(self, rule, options):
        items = options.keep_options
        if rule.action == "pass" and "keep" not in options.given:
            rule.keep, items = "keep", self.process.state_defaults or []
        timeouts, locked = {}, None
        given = {}
        for word, value in items:
            if word == "timeout":
                if timeouts.get(value[0]):
                    self.reject(f"state timeout {value[0]} multiple definitions")
                timeouts[value[0]] = value[1]
                continue
            self._check_state_option(word, value, given)
            given[word] = value
        locked = given.get("lock")
        plain = not any(options.flags) and not options.fragment and "flags" not in options.given
        if rule.action == "pass" and plain and rule.keep:
            rule.flags, rule.flagset = _SYN, _SYN_ACK
        self._take_states(rule, given, timeouts)
        if (locked or (self.process.state_lock if rule.keep else "")) == "if-bound":
            rule.state |= {"if-bound"}

    def _check_state_option(self, word, value, given):
        quoted = {"no-sync": "state option 'sync'", "lock": "state locking option:", "sloppy": "state sloppy option:"}
        quoted["pflow"] = "state pflow option:"
        if given.get(word) not in (None, 0):
            if word == "overload":
                self.reject("multiple 'overload' table definitions")
            self.reject(f"{quoted.get(word, f'''state option '{word}' ''').strip()} multiple definitions")
        if word in ("max-src-states", "max-src-conn", "max-src-nodes") and value == 0:
            self.reject(f"'{word}' must be > 0")
        if word == "max-src-conn-rate":
            if 0 in value:
                self.reject(f"'{word}' values must be > 0")
            if value[0] > _FASTEST:
                self.reject(f"'{word}' maximum rate must be < {_FASTEST}")

    def _take_states(self, rule, given, timeouts):
        """Copy the state options to the rule."""
        rule.max_states = given.get("max", 0)
        rule.max_src_states, rule.max_src_nodes = given.get("max-src-states", 0), given.get("max-src-nodes", 0)
        rule.max_src_conn = given.get("max-src-conn", 0)
        rule.max_src_conn_rate = given.get("max-src-conn-rate", (0, 0))
        rule.overload, rule.flush = given.get("overload", ("", ""))
        by_rule = {"max-src-conn", "max-src-conn-rate", "max-src-nodes"} & set(given)
        tracks = given.get("source-track")
        words = {word for word in ("no-sync", "sloppy", "pflow") if word in given}
        if rule.max_states and not {"adaptive.start", "adaptive.end"} & set(timeouts):
            timeouts.update({"adaptive.start": rule.max_states // 10 * 6, "adaptive.end": rule.max_states // 10 * 12})
        if tracks or by_rule or rule.max_src_states:
            words.add("source-track")
            for word in ("max-src-nodes", "max-src-conn", "max-src-conn-rate"):
                if tracks == "global" and word in by_rule:
                    self.reject(f"'{word}' is incompatible with 'source-track global'")
            if timeouts.get("src.track", 0) < rule.max_src_conn_rate[1]:
                timeouts["src.track"] = rule.max_src_conn_rate[1]
        if by_rule or tracks == "rule":
            words.add("rule")
        rule.state = frozenset(words)
        rule.timeouts = tuple((name, timeouts[name]) for name in TIMEOUTS if timeouts.get(name))


class Anchors:
    def anchor_name(self, name):
        if not name:
            self.reject("anchor name must not be empty")
        if len(self.anchor.path) + 1 + len(name) > _LONGEST_PATH:
            self.reject(f"anchor name is longer than {_LONGEST_PATH}")
        if name.startswith("_") or "/_" in name:
            self.reject("anchor names beginning with '_' are reserved for internal use")
        return name

    def enter_anchor(self):
        """Rules in braces are parsed before their anchor rule is complete. Collect them in a temporary anchor."""
        self.held += 1
        anchor = Anchor(f"_{self.held}", f"_{self.held}")
        del self.stack[self.depth + 1 :]
        self.depth += 1
        self.stack.append(anchor)
        self.anchor = anchor

    def leave_anchor(self, *_symbols):
        self.left = self.anchor
        self.depth -= 1
        self.anchor = self.stack[self.depth]

    def anchor_rule(self, _word, name, direction, quick, interfaces, af, protocols, peers, options, _body):
        braces = len(self.stack) > self.depth + 1
        anchor = self._inline_anchor(name) if braces else self._called_anchor(name)
        rule = Rule(anchor=anchor, direction=direction or "", quick=quick, af=af)
        self._check_flags(options, protocols, peers[2], "applies")
        self._set_options(rule, options)
        if options.keep:
            self.reject("cannot specify state handling on anchors")
        if options.route:
            self.reject("cannot specify route handling on anchors")
        self._families(rule, peers)
        lists = self._lists(interfaces, protocols, peers, options)
        Expansion(self, rule, lists, received=options.received).run()
        del self.stack[self.depth + 1 :]

    def _inline_anchor(self, name):
        if name and "/" in name:
            self.reject("anchor paths containing '/' cannot be used for inline anchors.")
        parent = self.stack[self.depth]
        if not name and parent is self.stack[0]:
            return self.left
        name = name or self.left.name
        known = self.inline.setdefault((parent.path, name), Anchor(f"{parent.path}/{name}".lstrip("/"), name))
        if known.rules:
            self.reject(f"inline anchor '{name}' already exists")
        known.rules, self.left = self.left.rules, known
        return known

    def _called_anchor(self, name):
        if not name:
            self.reject("anchors without explicit rules must specify a name")
        tail = name[name.rfind("/") :] if "/" in name else name
        if tail == "/":
            self.reject(f"anchorrule: bad anchor name {name}")
        if len(tail) > LONGEST_NAME:
            self.fatal("anchorrule: strlcpy")
        return Anchor(name, tail)

    def load_anchor(self, _load, _word, name, _from, file):
        if name is None:
            self.reject("anchor name is missing")
        path = f"{self.anchor.path}/{name}" if self.anchor.name else name
        self.process.to_load.append((path, file))


class Antispoof:
    def antispoof_begin(self):
        self.spoofing = {"label": "", "rtable": -1}
        return self.spoofing

    def antispoof_label(self, _word, label):
        if self.spoofing["label"]:
            self.reject("label cannot be redefined")
        self.spoofing["label"] = label
        return self.spoofing

    def antispoof_rtable(self, _word, number):
        self.spoofing["rtable"] = self.rtable(number)
        return self.spoofing

    def antispoof(self, _word, log, _for, interfaces, af, options):
        for interface in interfaces:
            rule = Rule("block", direction="in", log=log[0] or (), logif=log[1], quick=log[2], af=af)
            self._set_label(rule, options["label"])
            rule.rtable = options["rtable"]
            outside = [replace(interface, negated=True)]
            self._antispoof_rule(rule, outside, self._own(interface, ("network",)))
            if not self.process.system.is_loopback(interface.name):
                rule = replace(rule, label=options["label"])
                self._antispoof_rule(rule, [], self._own(interface, ()))

    def _antispoof_rule(self, rule, interfaces, hosts):
        if hosts:
            Expansion(self, replace(rule), {"interfaces": interfaces, "sources": hosts}).run()

    def _own(self, interface, modifiers):
        """The addresses of an interface, or the interface itself if it stands in parentheses."""
        if interface.dynamic:
            return [Host(Address("dynamic", name=interface.name[:LONGEST_INTERFACE], modifiers=modifiers).masked(128))]
        found = self.process.system.addresses(interface.name, modifiers)
        return [Host(Address(number=number).masked(bits), af, index=index) for af, number, bits, index in found]


class Tables:
    def table_begin(self):
        self.table_flags, self.table_items, self.table_empties = set(), [], False

    def table_flag(self, word):
        if word not in ("const", "persist", "counters"):
            self.reject(f"invalid table option '{word}'")
        self.table_flags.add(word)

    def table_empty(self, *_symbols):
        self.table_empties = True

    def table_hosts(self, _open, _newlines, hosts, _close):
        for host in hosts:
            if host.address.kind != "mask":
                self.reject(_FORBIDDEN_IN_TABLES[host.address.kind])
        self.table_items.append(hosts)

    def table_file(self, _word, name):
        self.table_items.append(name)

    def table(self, _word, _open, name, _close, _options):
        if len(name) > LONGEST_TABLE:
            self.reject(f"table name too long, max {LONGEST_TABLE} chars")
        for item in self.table_items:
            if isinstance(item, str):
                self._load_table(item)
            elif any(bits_of(host.address.mask) > host_bits(host.af) for host in item):
                self.reject("cannot create address buffer: Invalid argument")
        self.show_table_text(name, self.table_flags, self.table_items, self.table_empties)

    def _load_table(self, name):
        try:
            text = self.process.system.read(name)
        except OSError as error:
            self.reject(f'cannot load "{name}": {error.strerror}')
        for word in re.sub(r"[#;][^\n]*", " ", text).split():
            if not self.reader.hosts(word.lstrip("!")):
                self.reject(f'file "{name}" contains bad data')
