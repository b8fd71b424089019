# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of the grammar for the options of a rule, such as ``flags``, ``keep state``, ``nat-to`` and ``set``."""

from __future__ import annotations

import hashlib
import math

from .cnumbers import UINT_MAX, double
from .matches import LAST_TABLE
from .rule import TIMEOUTS, FilterOptions, PoolOptions, Ports, Redirection

_LAST_PRIO, _LAST_BYTE, _LAST_SHORT = 7, 255, 65535
_NUMBERS = {"max-src-states", "max-src-conn", "max-src-nodes", "max"}
_NONE = Ports()


class Filters:
    def filter_begin(self):
        self.options = FilterOptions()
        return self.options

    def _once(self, what, message):
        if what in self.options.given:
            self.reject(message)
        self.options.given.add(what)

    def _within(self, number, last, message, first=0):
        if not first <= number <= last:
            self.reject(message)
        return number

    # criteria of the rule
    def opt_user(self, _word, users):
        self.options.users = users + self.options.users

    def opt_group(self, _word, groups):
        self.options.groups = groups + self.options.groups

    def opt_flags(self, flags):
        self._once("flags", "flags cannot be redefined")
        self.options.flags = flags

    def opt_icmp(self, types):
        self._once("icmp", "icmp-type cannot be redefined")
        self.options.icmp = types

    def opt_prio(self, _word, number):
        self._once("prio", "prio cannot be redefined")
        self.options.prio = self._within(number, _LAST_PRIO, f"prio must be 0 - {_LAST_PRIO}")

    def opt_tos(self, _word, number):
        self._once("tos", "tos cannot be redefined")
        self.options.tos = number

    def opt_fragment(self, _word):
        self.options.fragment = True

    def opt_allow_opts(self, _word):
        self.options.allow_opts = True

    def opt_tagged(self, negated, _word, tag):
        self.options.tagged, self.options.tagged_not = tag, negated

    def probability(self, text):
        value, rest = double(text)
        if rest.startswith("%"):
            value, rest = value * 0.01, rest[1:]
        if rest:
            self.reject(f"invalid probability: {text}")
        return value

    def opt_probability(self, _word, value):
        share = math.floor(value * UINT_MAX + 0.5)
        if not 0 <= share <= UINT_MAX:
            self.reject(f"invalid probability: {value * 100:g}%")
        self.options.probability = share or 1

    def opt_received_on(self, negated, _word, interface):
        if self.options.received:
            self.reject("cannot respecify received-on")
        self.options.received = self.interface_not(negated, interface)

    def opt_max_pkt_rate(self, _word, limit, _slash, seconds):
        self.positive(limit, seconds)
        if self.options.packet_rate[0]:
            self.reject("cannot respecify max-pkt-rate")
        self.options.packet_rate = (limit, seconds)

    # actions of the rule
    def opt_label(self, _word, label):
        if self.options.label:
            self.reject("label cannot be redefined")
        self.options.label = label

    def opt_tag(self, _word, tag):
        self.options.tag = tag

    def opt_once(self, _word):
        self.options.given.add("once")

    def opt_rtable(self, _word, number):
        self.options.rtable = self.rtable(number)

    def rtable(self, number):
        self._within(number, LAST_TABLE, "invalid rtable id")
        if number:
            self.reject(f"rtable {number} does not exist")
        return number

    def _divert(self, kind, hosts, port):
        if self.options.divert:
            self.reject("more than one divert option")
        self.options.divert = (kind, hosts, port)

    def opt_divert_to(self, _word, text, _port, ports):
        self._divert("divert-to", [], 0)
        hosts = self.reader.hosts(text)
        if not hosts:
            self.reject(f"could not parse divert address: {text}")
        self.options.divert = ("divert-to", hosts, self._divert_port(ports))

    def opt_divert_reply(self, word):
        self._divert(word, [], 0)

    def opt_divert_packet(self, word, _port, ports):
        self._divert(word, [], 0)
        if self.reassembles:
            self.options.scrub["reassemble tcp"] = True
        self.options.divert = (word, [], self._divert_port(ports))

    def _divert_port(self, ports):
        if not ports.low:
            self.reject("invalid divert port: 0")
        return ports.low

    # scrub
    def scrub_begin(self):
        self.scrub = {}
        return self.scrub

    def scrub_flag(self, word):
        if word in self.scrub:
            self.reject(f"{word} cannot be respecified")
        self.scrub[word] = True

    def scrub_number(self, word, number):
        if word in self.scrub:
            self.reject(f"{word} cannot be respecified")
        last = _LAST_BYTE if word == "min-ttl" else _LAST_SHORT
        self.scrub[word] = self._within(number, last, f"illegal {word} value {number}")

    def scrub_reassemble(self, _word, protocol):
        if protocol.lower() != "tcp":
            self.reject(f"scrub reassemble supports only tcp, not '{protocol}'")
        self.scrub_flag("reassemble tcp")

    def opt_scrub(self, _word, _open, scrub, _close):
        again = {"reassemble tcp": True} if "reassemble tcp" in self.options.scrub else {}
        self.options.scrub = {**again, **scrub}

    # set (...)
    def prio(self, _word, *values):
        numbers = [value for value in values if isinstance(value, int)]
        for number in numbers:
            self._within(number, _LAST_PRIO, f"prio must be 0 - {_LAST_PRIO}")
        return numbers[0], numbers[-1]

    def set_prio(self, prio):
        self._once("set prio", "prio cannot be redefined")
        self.options.set_prio = prio

    def set_tos(self, _word, number):
        self._once("set tos", "tos cannot be respecified")
        self.options.set_tos = number

    def set_delay(self, _word, number):
        if self.options.delay:
            self.reject("delay cannot be respecified")
        self._within(number, _LAST_SHORT, f"illegal delay value {number} (0-{_LAST_SHORT})")
        self.options.given.add("set delay")
        self.options.delay = number

    def opt_queue(self, _word, names):
        if self.options.queues[0]:
            self.reject("queue cannot be redefined")
        self.options.queues = names

    # states
    def opt_keep(self, keep):
        self._once("keep", "modulate or keep cannot be redefined")
        self.options.keep, self.options.keep_options = keep

    def keep(self, word, _state, options=None):
        return ("" if word == "no" else word), options or []

    def state_number(self, word, number):
        self.positive(number)
        return word, number

    def state_word(self, word):
        return word, True

    def state_lock(self, word):
        return "lock", word

    def state_track(self, word, scope):
        return word, scope or "any"

    def state_rate(self, word, limit, _slash, seconds):
        self.positive(limit, seconds)
        return word, (limit, seconds)

    def state_overload(self, word, _open, name, _close, flush):
        self.check_table_name(name)
        return word, (name, flush or "")

    def state_timeout(self, name, seconds):
        self.positive(seconds)
        if name not in TIMEOUTS:
            self.reject(f"illegal timeout name {name}")
        if "." not in name:
            self.reject(f"illegal state timeout {name}")
        return "timeout", (name, seconds)

    # translation and routing
    def redirection_first(self, hosts, _weight, _newlines):
        if hosts[0].address.kind != "mask":
            self.reject("only addresses can be listed for redirection pools ")
        return hosts

    def redirection_next(self, hosts, _comma, others, _weight, _newlines):
        return [*hosts, *others]

    def redirection(self, hosts, _word=None, ports=_NONE):
        return Redirection(hosts, ports)

    def pool_begin(self):
        self.pool = PoolOptions()
        return self.pool

    def pool_type(self, word, key=""):
        if self.pool.type:
            self.reject("pool type cannot be redefined")
        self.pool.type, self.pool.key = word, key

    def pool_static_port(self, _word):
        if self.pool.static_port:
            self.reject("static-port cannot be redefined")
        self.pool.static_port = True

    def pool_sticky(self, _word):
        if self.pool.sticky:
            self.reject("sticky-address cannot be redefined")
        self.pool.sticky = True

    def hash_random(self):
        return "0x" + "0" * 32

    def hash_key(self, text):
        if not text.startswith("0x"):
            return "0x" + hashlib.md5(text.encode("latin-1")).hexdigest()
        if len(text) != len(self.hash_random()):
            self.reject("hex key must be 128 bits (32 hex digits) long")
        if any(character not in "0123456789abcdefABCDEF" for character in text[2:]):
            self.reject("invalid hex key")
        return text.lower()

    def opt_nat_to(self, _word, redirection, pool):
        if self.options.nat:
            self.reject("cannot respecify nat-to/binat-to")
        redirection.options = pool
        self.options.nat = redirection

    def opt_binat_to(self, word, redirection, pool):
        self.opt_nat_to(word, redirection, pool)
        pool.static_port = redirection.binat = True

    def opt_rdr_to(self, _word, redirection, pool):
        if self.options.rdr:
            self.reject("cannot respecify rdr-to")
        redirection.options = pool
        self.options.rdr = redirection

    def opt_af_to(self, _word, af, _from, redirection, pool, _to=None, target=None, target_pool=None):
        if self.options.nat:
            self.reject("cannot respecify af-to")
        if not af:
            self.reject(f"no {'' if target else 'target '}address family specified")
        if target and any(one.hosts[0].af not in (0, af) for one in (redirection, target)):
            self.reject("af-to addresses must be in the target address family")
        self.options.given.add("af-to")
        redirection.af, redirection.options = af, target_pool or pool
        self.options.nat = redirection
        self.options.rdr = target or Redirection([])
        self.options.rdr.af = af if target else 0

    def route(self, hosts, pool):
        if self.options.route:
            self.reject("cannot respecify route-to/reply-to/dup-to")
        self.options.routed = Redirection(hosts, options=pool)

    def opt_route(self, word, _route):
        self.options.route = word
