# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An LALR(1) parser with the error recovery of yacc: after an error it drops tokens up to one that fits behind
``error``, and reports a further syntax error only after three tokens that fit."""

from __future__ import annotations

from ply import yacc

_SILENCE = 3


class Rejected(Exception):
    """An action rejects what it has read. The message was reported, or there is none."""


class _Quiet:
    def _ignore(self, *_arguments, **_named):
        """Conflicts are resolved as yacc does: shift, else the first rule."""

    debug = info = warning = error = _ignore


def productions(text):
    """(name, symbols, action) of each rule of a grammar.

    ``name: a b -> action`` and ``| c`` are rules. ``name: LIST item`` are the rules of one item, or of items in braces.
    """
    name = None
    for line in filter(None, (line.strip() for line in text.splitlines())):
        rule, _arrow, action = line.partition("->")
        if not rule.startswith("|"):
            name, _colon, rule = rule.partition(":")
        symbols = [symbol for symbol in rule.split() if symbol != "|"]
        if symbols[:1] == ["LIST"]:
            yield from _list_of(name, symbols[1])
        else:
            yield name, symbols, action.strip()


def _list_of(name, item):
    items = f"{name}_list"
    yield name, [item], "one"
    yield name, ["'{'", "optnl", items, "'}'"], "third"
    yield items, [item, "optnl"], "one"
    yield items, [items, "comma", item, "optnl"], "append"


class Tables:
    def __init__(self, text):
        rules = list(productions(text))
        names = {name for name, _symbols, _action in rules}
        terminals = {one for _name, symbols, _action in rules for one in symbols if one not in names and one[0] != "'"}
        grammar = yacc.Grammar(sorted(terminals - {"error"}))
        for number, (name, symbols, _action) in enumerate(rules):
            grammar.add_production(name, list(symbols), None, "", number)
        grammar.set_start()
        grammar.build_lritems()
        grammar.compute_first()
        grammar.compute_follow()
        made = yacc.LRGeneratedTable(grammar, "LALR", _Quiet())
        self.actions, self.gotos = made.lr_action, made.lr_goto
        self.rules = [None, *((name, len(symbols), action) for name, symbols, action in rules)]
        self.only = {state: rule for state in self.actions if (rule := self._only_reduction(state))}

    def _only_reduction(self, state):
        """The rule that is reduced in a state without a look at the next token."""
        steps = set(self.actions[state].values())
        return next(iter(steps)) if len(steps) == 1 and min(steps) < 0 else None


class Parser:
    """One run over the tokens of ``lexer``. Rules call the methods of ``meaning`` with the values of their symbols."""

    def __init__(self, found, lexer, meaning, complain):
        self._tables, self._lexer, self._meaning, self._complain = found, lexer, meaning, complain
        self._states, self._values = [0], [None]
        self._token = None
        self._silent = 0

    def parse(self):
        step = None
        while step != 0:
            step = self._step()
            if step is None:
                if not self._silent:
                    self._complain("syntax error")
                if not self._recover():
                    return
            elif step > 0:
                self._push(step, self._token[1])
                self._token = None
                self._silent = max(self._silent - 1, 0)
            elif step < 0 and not self._reduce(-step) and not self._recover():
                return

    def _step(self):
        state = self._states[-1]
        if state in self._tables.only:
            return self._tables.only[state]
        if self._token is None:
            self._token = self._lexer.token()
        return self._tables.actions[state].get(self._token[0])

    def _push(self, state, value):
        self._states.append(state)
        self._values.append(value)

    def _reduce(self, number):
        name, length, action = self._tables.rules[number]
        values = self._values[len(self._values) - length :]
        try:
            value = getattr(self._meaning, action)(*values) if action else next(iter(values), None)
        except Rejected:
            return False
        if length:
            del self._states[-length:], self._values[-length:]
        self._push(self._tables.gotos[self._states[-1]][name], value)
        return True

    def _recover(self):
        """Whether the parser can go on behind an error."""
        if self._silent == _SILENCE:
            ended = self._token is not None and self._token[0] == "$end"
            self._token = None
            return not ended
        self._silent = _SILENCE
        while self._states:
            step = self._tables.actions[self._states[-1]].get("error", 0)
            if step > 0:
                self._push(step, None)
                return True
            self._states.pop()
            self._values.pop()
        return False
