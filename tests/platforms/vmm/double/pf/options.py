# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of the grammar for macros, options (``set ...``) and values that many rules share."""

from __future__ import annotations

from ..lalr import Invalid
from .cnumbers import UINT_MAX, double, unsigned
from .rule import TIMEOUTS

_LIMITS = ("states", "src-nodes", "frags", "tables", "table-entries", "pktdelay-pkts", "anchors")
_OPTIMIZATIONS = ("normal", "satellite", "high-latency", "conservative", "aggressive")
_LEVELS = ("alert", "crit", "debug", "emerg", "err", "error", "info", "notice", "panic", "warn", "warning")
_START, _HALF = 25, 2


class Values:
    """Lists, words and numbers."""

    def nothing(self, *_symbols):
        return None

    def zero(self):
        return 0

    def inet(self, _word):
        return 4

    def inet6(self, _word):
        return 6

    def true(self, *_symbols):
        return True

    def false(self, *_symbols):
        return False

    def first(self, value, *_others):
        return value

    def second(self, _first, value, *_others):
        return value

    def third(self, _first, _second, value, *_others):
        return value

    def last(self, *values):
        return values[-1]

    def one(self, value, *_newlines):
        return [value]

    def append(self, values, _comma, value, *_newlines):
        return [*values, value]

    def extend(self, values, _comma, others, *_newlines):
        return [*values, *others]

    def merge(self, values, _comma, others):
        return {**values, **others}

    def words(self, first, rest):
        return f"{first} {rest}"

    def text(self, number):
        return str(number)

    def number(self, text):
        value = unsigned(text)
        if value is None:
            self.reject(f"{text} is not a number")
        return value

    def broken(self, *_symbols):
        self.lexer.source.errors += 1

    def positive(self, *numbers):
        if any(not 0 <= number <= UINT_MAX for number in numbers):
            self.reject("only positive values permitted")


class Options(Values):
    def include(self, _word, name):
        if not self.open(self.lexer.include, name):
            self.reject(f"failed to include file {name}")

    def assign(self, name, _equals, value):
        self.show(f'{name} = "{value}"')
        # pfctl does not check the first character.
        if any(character in " \t\n\v\f\r" for character in name[1:]):
            self.reject("macro name cannot contain whitespace")
        if name not in self.fixed_macros:
            self.lexer.define(name, value)

    def yes(self, word):
        if word != "yes":
            self.reject(f"invalid value '{word}', expected 'yes' or 'no'")
        return True

    def set_reassemble(self, _set, _word, on, no_df):
        self.reassembles = on
        self.show(f"set reassemble {'yes' if on else 'no'} {'no-df' if no_df else ''}")

    def set_optimization(self, _set, _word, name):
        if name.lower() not in _OPTIMIZATIONS:
            self.warn("pfctl: invalid state timeouts optimization")
            self.reject(f"unknown optimization {name}")
        self.show(f"set optimization {name}")

    def set_ruleset_optimization(self, _set, _word, name):
        if name not in ("none", "basic", "profile"):
            self.reject(f"unknown ruleset-optimization {name}")
        if self.process.optimize is None and not self.optimization_given:
            self.optimizes, self.optimization_given = name != "none", True

    def set_timeout(self, name, seconds):
        self.positive(seconds)
        if name.lower() not in TIMEOUTS:
            self.warn("pfctl: Bad timeout name.")
            self.reject(f"unknown timeout {name}")
        self.show(f"set timeout {name} {_signed(seconds)}")

    def set_limit(self, name, limit):
        self.positive(limit)
        if name.lower() not in _LIMITS:
            self.warn("pfctl: Bad pool name.")
            self.reject(f"unable to set limit {name} {limit}")
        self.show(f"set limit {name} {_signed(limit)}")

    def set_loginterface(self, _set, _word, name):
        self.show(f"set loginterface {name}")

    def set_hostid(self, _set, _word, number):
        if number == 0 or number > UINT_MAX:
            self.reject("hostid must be non-zero")
        self.show(f"set hostid 0x{number & UINT_MAX:08x}")

    def set_block_policy(self, _set, _word, policy):
        self.show(f"set block-policy {policy}")
        self.block_policy = policy

    def set_fingerprints(self, _set, _word, name):
        self.show(f'set fingerprints "{name}"')
        if self.anchor.name:
            return
        try:
            self.process.system.read(name)
        except OSError as error:
            self.warn(f"pfctl: {name}: {error.strerror}")
            self.reject(f"error loading fingerprints {name}")

    def set_state_policy(self, _set, _word, lock):
        self.show(f"set state-policy {lock}")
        self.process.state_lock = lock

    def set_debug(self, _set, _word, level):
        known = level.lower() in _LEVELS or (level.isdigit() and int(level) < 8)
        if not known:
            self.warn(f'pfctl: unknown debug level "{level}"')
            self.reject(f"error setting debuglevel {level}")
        self.show(f"set debug {level}")

    def set_skip(self, _set, _word, interfaces):
        names = [interface.name for interface in interfaces or ()]
        if not interfaces or (names == ["none"] and not interfaces[0].negated):
            self.show("set skip on none")
            return
        failed = False
        for interface in interfaces:
            if interface.negated:
                self.complain("skip on ! <interface> is not supported")
            elif interface.rdomain >= 0:
                self.complain("skip on rdomain <num> is not supported")
            failed = failed or interface.negated or interface.rdomain >= 0
        self.show(f"set skip on {{{''.join(f' {name}' for name in names)} }}")
        if failed:
            self.reject("error setting skip interface(s)")

    def set_state_defaults(self, _set, _word, options):
        if self.process.state_defaults is not None:
            self.reject("cannot redefine state-defaults")
        self.process.state_defaults = options

    def syncookie_value(self, word):
        if word not in ("never", "adaptive", "always"):
            self.reject("illegal value for syncookies")
        return word

    def syncookie_opt(self, name, text):
        share, rest = double(text)
        if rest != "%":
            raise Invalid
        if not 0 < share <= 100:
            self.reject("illegal percentage value")
        if name not in ("start", "end"):
            self.reject("illegal syncookie option")
        return {name: int(share)}

    def set_syncookies(self, _set, _word, value, limits):
        problem = self._syncookies_problem(value, limits)
        if problem:
            self.warn(f"pfctl: {problem}")
            self.reject("error setting syncookies")
        text = f"set syncookies {value}"
        if limits is not None:
            start = limits.get("start") or _START
            self.process.syncookies = (start, limits.get("end") or start // _HALF)
        if value == "adaptive" and self.process.syncookies:
            text += " (start {}%, end {}%)".format(*self.process.syncookies)
        self.show(text)

    def _syncookies_problem(self, value, limits):
        if limits is None:
            return None
        if value != "adaptive":
            return "syncookies start/end only apply to adaptive"
        start = limits.get("start") or _START
        return "start must be higher than end" if (limits.get("end") or start // _HALF) >= start else None


def _signed(number):
    """As ``%d`` prints an unsigned number."""
    return number - 2**32 if number >= 2**31 else number
