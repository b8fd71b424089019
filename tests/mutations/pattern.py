# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patterns over syntax trees: code that fits any layout, and the code that replaces it. README.md describes them."""

from __future__ import annotations

import ast
import copy
import itertools
import re
from functools import cache

_PLACEHOLDER = re.compile(r"_\d*")
#: A variable; functions and constants of a module have other names here: _function, CONSTANT.
_VARIABLE = re.compile(r"[a-z][a-z0-9_]*")
_BODIES = ("body", "orelse", "finalbody")


def places(source, old, new, function="", renamed=False):
    """[(start, end, code)]: the offsets of each place in ``source`` (bytes) that fits, and what replaces it.

    Where a function or a class is named, only places within it count. ``renamed``: the names of variables may differ.
    """
    old, new = _parsed(old, new)
    found = []
    for node in _nodes(source, function).get(type(old), ()):
        if _fits(old, node, bound := {}, renamed):
            starts = [0, *itertools.accumulate(len(line) for line in source.splitlines(keepends=True))]
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            code = ast.unparse(_Filled(bound).visit(copy.deepcopy(new)))
            found.append((start, end, _indented(code, node, source[start:end])))
    return found


def _indented(code, node, before):
    if isinstance(node, ast.expr):
        return f"({code})"
    return ("el" if before.startswith(b"elif") else "") + code.replace("\n", "\n" + " " * node.col_offset)


@cache
def _parsed(*texts):
    """The trees of patterns: expressions if all of them are, else statements."""
    trees = [_statement(text) for text in texts]
    return [tree.value for tree in trees] if all(isinstance(tree, ast.Expr) for tree in trees) else trees


def _statement(text):
    """A body of ``...`` becomes a numbered name; what a pattern leaves out beside it, such as an else, may be there."""
    (tree,) = ast.parse(text).body
    number = itertools.count()
    for node in ast.walk(tree):
        bodies = [name for name in _BODIES if isinstance(getattr(node, name, None), list)]
        if bodies and [ast.unparse(one) for one in node.body] == ["..."]:
            for name in bodies:
                if name == "body" or not getattr(node, name):
                    setattr(node, name, [ast.Name(f"...{next(number)}")])
    return tree


_tree = cache(ast.parse)


@cache
def _nodes(source, function):
    """{type: its nodes}, without those in f-strings, whose positions Python 3.11 does not know."""
    found, roots = {}, [_tree(source)]
    if function:
        roots = [node for node in ast.walk(roots[0]) if getattr(node, "name", "") == function and hasattr(node, "body")]
    while roots:
        node = roots.pop()
        found.setdefault(type(node), []).append(node)
        if not isinstance(node, ast.JoinedStr):
            roots += ast.iter_child_nodes(node)
    return found


def _fits(pattern, node, bound, renamed):
    """Whether a node fits; ``bound`` gets what the placeholders stand for."""
    if isinstance(pattern, ast.Name) and isinstance(node, ast.expr):
        if pattern.id == "_":
            return True
        if _PLACEHOLDER.fullmatch(pattern.id) or (renamed and _are_variables(pattern, node)):
            return ast.unparse(bound.setdefault(pattern.id, node)) == ast.unparse(node)
    if isinstance(pattern, list) and isinstance(node, list):
        return _all_fit(pattern, node, bound, renamed)
    if type(pattern) is not type(node) or not isinstance(pattern, ast.AST):
        return pattern == node
    if isinstance(pattern, ast.Dict):
        return _all_fit(_entries(pattern), _entries(node), bound, renamed)
    return all(
        _fits(
            getattr(pattern, name, None), getattr(node, name, None), bound, renamed and not _is_function(pattern, name)
        )
        for name in pattern._fields
    )


def _is_function(node, field):
    return field == "func" and isinstance(node.func, ast.Name)


def _are_variables(*nodes):
    return all(isinstance(node, ast.Name) and _VARIABLE.fullmatch(node.id) for node in nodes)


def _entries(node):
    """The entries of a dictionary, [key, value] each; other dictionaries in it are as in a call."""
    pairs = zip(node.keys, node.values)
    return [[key, value] if key else ast.keyword(arg=None, value=value) for key, value in pairs]


def _all_fit(patterns, nodes, bound, renamed):
    """Whether the nodes of a list fit; with ``*_`` or ``**_``, it may have others, and the order does not count."""
    if patterns and isinstance(patterns[0], ast.Name) and patterns[0].id.startswith("..."):
        bound[patterns[0].id] = nodes
        return True
    needed = [one for one in patterns if not _others(one)]
    if len(needed) == len(patterns):
        return len(patterns) == len(nodes) and all(_fits(*pair, bound, renamed) for pair in zip(patterns, nodes))
    left = list(nodes)
    for one in needed:
        found = next((node for node in left if _fits(one, node, bound, renamed)), None)
        if found is None:
            return False
        left.remove(found)
    bound[next(filter(None, map(_others, patterns)))] = left
    return True


def _others(node):
    """``*_`` or ``**_`` if a node is that, else None."""
    stars = {ast.Starred: "*_", ast.keyword: "**_"}.get(type(node))
    is_open = isinstance(getattr(node, "value", None), ast.Name) and node.value.id == "_"
    return stars if is_open and not getattr(node, "arg", None) else None


class _Filled(ast.NodeTransformer):
    """Puts what placeholders stand for into new code."""

    def __init__(self, bound):
        self._bound = bound

    def visit(self, node):
        if isinstance(node, ast.Dict):
            entries = [one for entry in _entries(node) for one in self._bound.get(_others(entry), [entry])]
            pairs = [entry if isinstance(entry, list) else [None, entry.value] for entry in entries]
            node.keys, node.values = [key for key, _value in pairs], [value for _key, value in pairs]
        name = node.id if isinstance(node, ast.Name) else _others(node)
        if name in self._bound:
            return self._bound[name]
        if name and (name == _others(node) or _PLACEHOLDER.fullmatch(name)):
            raise ValueError(f"{name} in the new code stands for nothing in the old code")
        return self.generic_visit(node)
