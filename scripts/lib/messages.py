# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the error messages and remedies of the plugins from their code, as patterns with placeholders such as <size>."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

#: {error class: positions of message and remedy among its arguments}; other classes are like their base class.
_POSITIONS = {
    "Unavailable": (0, 2),
    "ApiError": (0, 2),
    "Timeout": (0, 2),
    "CommandFailed": (3, 4),
    "Refusal": (0, 1),
}
_DEFAULT_POSITIONS = (0, 1)
#: Variables with the name of the VM at the beginning of a message.
_VM_VARIABLES = {"vm", "name", "label", "before", "after", "found", "self", "vm_name", "machine"}
#: A call of such a function has the placeholder of its first argument; of such a string method, that of the string.
_TRANSPARENT_FUNCTIONS = {
    "_cause", "_left", "_listed", "_rounded_down", "_rounded_up", "_shown", "as_choice", "basename", "human_size",
    "join", "len", "map", "max", "min", "quote", "repr", "show", "shown", "sorted", "splitext", "str",
}  # fmt: skip
_STRING_METHODS = {"partition", "replace", "rstrip", "strip", "pop"}
#: An expression with more variants than this is ignored: its patterns would be of no use for a search.
_MAX_VARIANTS = 4
_MIN_FIXED_LETTERS = 8


class Message(NamedTuple):
    """``path`` is relative to plugins/, ``part``: function or class; ``of_vm``: it begins with the name of a VM."""

    path: str
    text: str
    remedy: str
    of_vm: bool
    part: str


def messages(checkout):
    """Return all messages that have a remedy, one for each variant."""
    plugins = checkout / "plugins"
    trees = {path.relative_to(plugins).as_posix(): ast.parse(path.read_text("utf-8")) for path in _sources(plugins)}
    positions = _all_positions(trees.values())
    return sorted({found for path, tree in trees.items() for found in _messages_in(path, tree, positions)})


def _sources(plugins):
    return (path for path in sorted(plugins.rglob("*.py")) if path.parent.name not in ("modules", "doc_fragments"))


def _all_positions(trees):
    """Return {class: positions of message and remedy} of all error classes, which are found by their base classes."""
    bases = {node.name: [_name(base) for base in node.bases] for tree in trees for node in _classes(tree)}
    positions = {"PolyvirtError": _DEFAULT_POSITIONS, **_POSITIONS}
    for _level in range(4):
        for name, base_classes in bases.items():
            if name not in positions and base_classes and base_classes[0] in positions:
                positions[name] = positions[base_classes[0]]
    return positions


def _classes(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _messages_in(path, tree, positions):
    for outermost, function, call in _calls(tree):
        position = positions.get(_name(call.func))
        if position is None:
            continue
        texts, remedies = (
            _texts(_argument(call, name, at), function)
            for name, at in zip(("message", "remedy"), position, strict=True)
        )
        for text, remedy in _pairs(texts, remedies):
            about, of_vm = _without_vm(text)
            if remedy.strip() and len(fixed_letters(about)) >= _MIN_FIXED_LETTERS:
                yield Message(path, about, remedy, of_vm, getattr(outermost, "name", ""))


def _pairs(texts, remedies):
    """Return (text, remedy) pairs: by index if there are as many remedies as texts, else all combinations."""
    if len(texts) == len(remedies):
        return list(zip(texts, remedies, strict=True))
    return [(text, remedy) for text in texts for remedy in remedies]


def _calls(tree, outermost=None, function=None):
    """Yield (outermost function or class, innermost function, call) for each call."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield outermost, function, node
        inner = node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else function
        outer = outermost or (node if isinstance(node, ast.ClassDef) else inner)
        yield from _calls(node, outer, inner)


def _argument(call, name, position):
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    return by_name.get(name) or (call.args[position] if position < len(call.args) else None)


def _texts(node, function):
    """Return the variants of an expression that is a string; empty if it cannot be evaluated."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.JoinedStr):
        return ["".join(_part(part) for part in node.values)]
    if isinstance(node, ast.IfExp):
        found = [*_texts(node.body, function), *_texts(node.orelse, function)]
    elif isinstance(node, ast.BoolOp):
        found = [text for value in node.values for text in _texts(value, function)]
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        found = [one + two for one in _texts(node.left, function) for two in _texts(node.right, function)]
    elif isinstance(node, ast.Name) and function is not None:
        values = [one.value for one in _assignments(function, node)]
        found = [text for value in values if _name(value) != node.id for text in _texts(value, None)]
    else:
        found = []
    return found if len(found) <= _MAX_VARIANTS else []


def _assignments(function, name):
    """Return the assignments that may have set a variable; only the last one if it is not in a branch."""
    assigned = (one for one in ast.walk(function) if isinstance(one, ast.Assign) and one.lineno < name.lineno)
    found = sorted((one for one in assigned if name.id in map(_name, one.targets)), key=lambda one: one.lineno)
    return found[-1:] if found and not _is_branch(function, found[-1]) else found


def _is_branch(function, statement):
    """Return whether a statement is in a branch that may be skipped."""
    return any(
        statement in block and not isinstance(block[-1], (ast.Raise, ast.Return))
        for node in ast.walk(function)
        if isinstance(node, ast.If)
        for block in (node.body, node.orelse)
        if block
    )


def _part(node):
    return f"<{_placeholder(node.value)}>" if isinstance(node, ast.FormattedValue) else node.value


def _placeholder(node):
    """Return the placeholder for an expression in a pattern."""
    if isinstance(node, ast.Attribute):
        owner = _name(node.value)
        placeholder = owner if node.attr == "name" and owner not in _VM_VARIABLES else node.attr
    elif isinstance(node, ast.Call):
        return _call_placeholder(node)
    elif isinstance(node, ast.Subscript):
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else _placeholder(node.value)
    elif isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
        return _placeholder(node.generators[0].iter)
    elif isinstance(node, ast.BoolOp):
        return _placeholder(node.values[0])
    elif isinstance(node, ast.IfExp):
        return _placeholder(node.body)
    else:
        placeholder = getattr(node, "id", "value")
    return placeholder.strip("_").lower().replace("_", " ") or "value"


def _call_placeholder(node):
    name = _name(node.func)
    if name in _STRING_METHODS and isinstance(node.func, ast.Attribute):
        return _placeholder(node.func.value)
    if node.args and name == "get":
        return _placeholder(ast.Subscript(node.func.value, node.args[0]))
    return _placeholder(node.args[0]) if node.args and name in _TRANSPARENT_FUNCTIONS else _placeholder(node.func)


def _name(node):
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _without_vm(text):
    """Return (the message without the VM's name at its beginning, whether it had one)."""
    before, separator, after = text.partition(">: ")
    is_vm = bool(separator) and before.removeprefix("<") in _VM_VARIABLES
    return (after, True) if is_vm else (text, False)


def fixed_letters(text):
    """Return the letters of a pattern outside its placeholders."""
    return "".join(filter(str.isalpha, re.sub(r"<[^>]*>", "", text)))
