# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An LALR(1) parser with the error recovery of Berkeley yacc, which OpenBSD uses for its configuration files.

A grammar is a text with one rule in each line, ``name: symbol symbol -> action``. ``Grammar`` builds the tables, and
``Grammar.parse`` calls the methods that the actions name, with the values of the symbols. The symbol ``EOL`` is a line
feed; ``error`` stands for symbols with a syntax error. An action raises ``Invalid`` to reject symbols with a correct
syntax. A rule without an action has the value of its first symbol.
"""

from __future__ import annotations

from collections import defaultdict

from .lexer import END

_ERROR = "error"
#: The number of tokens that must be accepted after an error before another error is reported.
_SILENT = 3


class Invalid(Exception):
    """An action rejects its symbols, after it reported the reason."""


class Grammar:
    """The tables of a grammar; the name of its first rule is the start symbol."""

    def __init__(self, text):
        rules = [_rule(line) for line in text.strip().splitlines()]
        self.rules = [("$accept", (rules[0][0], END), None), *rules]
        self._of = defaultdict(list)
        for number, (name, _right, _action) in enumerate(self.rules):
            self._of[name].append(number)
        terminals = {one for _name, right, _action in self.rules for one in right} - set(self._of) | {_ERROR}
        self._bits = {name: 1 << number for number, name in enumerate(sorted(terminals))}
        self._find_first()
        self._build()
        self._choose()

    def _find_first(self):
        """Calculate the terminals (as bits) with which each symbol can begin, and the symbols that can be empty."""
        self._first = defaultdict(int, self._bits)
        self._empty, is_growing = set(), True
        while is_growing:
            before = sum(self._first.values()), len(self._empty)
            for name, right, _action in self.rules:
                self._first[name] |= self._begins(right, 0)
                if self._empty.issuperset(right):
                    self._empty.add(name)
            is_growing = before != (sum(self._first.values()), len(self._empty))

    def _begins(self, symbols, after):
        """The terminals with which these symbols can begin; ``after`` follows them."""
        bits = 0
        for symbol in symbols:
            bits |= self._first[symbol]
            if symbol not in self._empty:
                return bits
        return bits | after

    def _closure(self, kernel):
        """The closure of a state: {(rule, position of the dot): bits of the terminals that may follow}."""
        items, work = dict(kernel), list(kernel)
        while work:
            rule, dot = item = work.pop()
            right = self.rules[rule][1]
            if dot == len(right) or right[dot] in self._bits:
                continue
            after = self._begins(right[dot + 1 :], items[item])
            for other in self._of[right[dot]]:
                known = items.get((other, 0), -1)
                if known < 0 or known | after != known:
                    items[other, 0] = max(known, 0) | after
                    work.append((other, 0))
        return items

    def _build(self):
        """Build the states, merging those with the same items, until the terminals that may follow no longer change."""
        start = ((0, 0),)
        self._numbers, self._states, self._goto = {start: 0}, [{(0, 0): 0}], [{}]
        work = [0]
        while work:
            number = work.pop()
            moved = defaultdict(dict)
            for (rule, dot), after in self._closure(self._states[number]).items():
                if dot < len(self.rules[rule][1]):
                    moved[self.rules[rule][1][dot]][rule, dot + 1] = after
            for symbol, kernel in moved.items():
                target, has_grown = self._merge(kernel)
                self._goto[number][symbol] = target
                if has_grown:
                    work.append(target)

    def _merge(self, kernel):
        key = tuple(sorted(kernel))
        if key not in self._numbers:
            self._numbers[key] = len(self._states)
            self._states.append(dict(kernel))
            self._goto.append({})
            return self._numbers[key], True
        number = self._numbers[key]
        grown = {item: self._states[number][item] | after for item, after in kernel.items()}
        has_grown = grown != self._states[number]
        self._states[number] = grown
        return number, has_grown

    def _choose(self):
        """Choose the reductions of each state. A shift wins over a reduction, and an earlier rule over a later one."""
        self._reduce, self._always = [], []
        for number, kernel in enumerate(self._states):
            shifts = {symbol for symbol in self._goto[number] if symbol in self._bits}
            chosen = {}
            for (rule, dot), after in sorted(self._closure(kernel).items()):
                if dot == len(self.rules[rule][1]):
                    possible = (name for name, bit in self._bits.items() if after & bit and name not in shifts)
                    for name in possible:
                        chosen.setdefault(name, rule)
            only = set(chosen.values())
            self._reduce.append(chosen)
            # A state with only one reduction reduces before the next token is read.
            self._always.append(only.pop() if len(only) == 1 and not shifts and set(chosen) != {_ERROR} else None)

    def parse(self, lexer, actions):
        """Parse a text; returns True if the parser reached its end."""
        return _Run(self, lexer, actions).parse()

    def always(self, state):
        return self._always[state]

    def reduction(self, state, token):
        return self._reduce[state].get(token)

    def goto(self, state, symbol):
        return self._goto[state].get(symbol)


def _rule(line):
    left, _arrow, action = line.partition(" -> ")
    name, _colon, right = left.partition(":")
    return name.strip(), tuple("\n" if symbol == "EOL" else symbol for symbol in right.split()), action.strip()


def _first(values, position):
    return values[position] if position < len(values) else None


class _Run:
    """The parsing of one text: a stack of states and values."""

    def __init__(self, grammar, lexer, actions):
        self.grammar, self.lexer, self.actions = grammar, lexer, actions
        self.states, self.values = [0], [None]
        self.token, self.silent = None, 0

    def parse(self):
        while True:
            rule = self.grammar.always(self.states[-1])
            if rule is None:
                self.token = self.token or self.lexer.token()
                kind = self.token[0]
                target = self.grammar.goto(self.states[-1], kind)
                if target is not None:
                    if kind == END:
                        return True
                    self._shift(target)
                    continue
                rule = self.grammar.reduction(self.states[-1], kind)
            if not (self._reduce(rule) if rule is not None else self._fail()):
                return False

    def _shift(self, target):
        self.states.append(target)
        self.values.append(self.token[1])
        self.token = None
        self.silent = max(self.silent - 1, 0)

    def _reduce(self, rule):
        name, right, action = self.grammar.rules[rule]
        first = len(self.values) - len(right)
        try:
            value = getattr(self.actions, action)(*self.values[first:]) if action else _first(self.values, first)
        except Invalid:
            return self._recover()
        del self.states[first:], self.values[first:]
        self.states.append(self.grammar.goto(self.states[-1], name))
        self.values.append(value)
        return True

    def _fail(self):
        if not self.silent:
            self.lexer.error("syntax error")
        return self._recover()

    def _recover(self):
        """Return to a state that accepts an error, or discard the token; returns False if neither is possible."""
        if self.silent == _SILENT:
            at_end = self.token is not None and self.token[0] == END
            self.token = None
            return not at_end
        self.silent = _SILENT
        while (target := self.grammar.goto(self.states[-1], _ERROR)) is None:
            if len(self.states) == 1:
                return False
            self.states.pop()
            self.values.pop()
        self.states.append(target)
        self.values.append(None)
        return True
