# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error messages of the plugins with their remedies, read from the code: patterns with places such as <size>."""

from __future__ import annotations

import ast
import re
from typing import NamedTuple

#: Where the message and the remedy stand among the arguments of an error; all others are like their base.
_PLACES = {
    "Unavailable": (0, 2),
    "ApiError": (0, 2),
    "Timeout": (0, 2),
    "CommandFailed": (3, 4),
    "Refusal": (0, 1),
}
_BY_DEFAULT = (0, 1)
#: Variables that hold the VM of a message, which they have in front.
_OF_VM = {"vm", "name", "label", "before", "after", "found", "self", "vm_name", "machine"}
#: Functions that show what they are given, and methods of texts.
_SHOWING = {
    "_cause", "_left", "_listed", "_shown", "as_choice", "basename", "human_size", "join", "len", "map", "max", "min",
    "repr", "show", "shown", "sorted", "splitext", "str",
}  # fmt: skip
_OF_TEXTS = {"partition", "replace", "rstrip", "strip", "pop"}
#: More ways than these through one expression are no pattern that anybody could search for.
_MOST_WAYS = 4
_LEAST_FIXED = 8


class Message(NamedTuple):
    """``path`` is relative to plugins/; a message that is not about a VM has ``of_vm`` False."""

    path: str
    text: str
    remedy: str
    of_vm: bool


def messages(checkout):
    """Every message that has a remedy, once for each of its forms."""
    plugins = checkout / "plugins"
    trees = {path.relative_to(plugins).as_posix(): ast.parse(path.read_text("utf-8")) for path in _sources(plugins)}
    places = _all_places(trees.values())
    return sorted({found for path, tree in trees.items() for found in _of_tree(path, tree, places)})


def _sources(plugins):
    return (path for path in sorted(plugins.rglob("*.py")) if path.parent.name not in ("modules", "doc_fragments"))


def _all_places(trees):
    """{class: places of message and remedy} of all errors, which are known by their bases."""
    bases = {node.name: [_name(base) for base in node.bases] for tree in trees for node in _classes(tree)}
    places = {"PolyvirtError": _BY_DEFAULT, **_PLACES}
    for _level in range(4):
        for name, above in bases.items():
            if name not in places and above and above[0] in places:
                places[name] = places[above[0]]
    return places


def _classes(tree):
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _of_tree(path, tree, places):
    for function, call in _calls(tree):
        place = places.get(_name(call.func))
        if place is None:
            continue
        texts, remedies = (
            _texts(_argument(call, name, at), function) for name, at in zip(("message", "remedy"), place, strict=True)
        )
        for text, remedy in _pairs(texts, remedies):
            about, of_vm = _without_vm(text)
            if remedy.strip() and _is_searchable(about):
                yield Message(path, about, remedy, of_vm)


def _pairs(texts, remedies):
    """Code that chooses between several messages chooses between their remedies at the same places."""
    if len(texts) == len(remedies):
        return list(zip(texts, remedies, strict=True))
    return [(text, remedy) for text in texts for remedy in remedies]


def _calls(tree, function=None):
    """(the innermost function around it, call) of each call."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call):
            yield function, node
        yield from _calls(node, node if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else function)


def _argument(call, name, place):
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    return by_name.get(name) or (call.args[place] if place < len(call.args) else None)


def _texts(node, function):
    """The forms of an expression that is a text; none if that cannot be seen."""
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
    return found if len(found) <= _MOST_WAYS else []


def _assignments(function, name):
    """Those that may have set a variable, in the order of the code: one in the same block is the only one."""
    assigned = (one for one in ast.walk(function) if isinstance(one, ast.Assign) and one.lineno < name.lineno)
    found = sorted((one for one in assigned if name.id in map(_name, one.targets)), key=lambda one: one.lineno)
    return found[-1:] if found and not _is_branch(function, found[-1]) else found


def _is_branch(function, statement):
    """Whether a statement may be skipped on the way to what follows it."""
    return any(
        statement in block and not isinstance(block[-1], (ast.Raise, ast.Return))
        for node in ast.walk(function)
        if isinstance(node, ast.If)
        for block in (node.body, node.orelse)
        if block
    )


def _part(node):
    return f"<{_word(node.value)}>" if isinstance(node, ast.FormattedValue) else node.value


def _word(node):
    """What stands for an expression in a pattern."""
    if isinstance(node, ast.Attribute):
        owner = _name(node.value)
        word = "name" if node.attr == "name" and owner in _OF_VM else owner if node.attr == "name" else node.attr
    elif isinstance(node, ast.Call):
        return _word_of_call(node)
    elif isinstance(node, ast.Subscript):
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else _word(node.value)
    elif isinstance(node, (ast.GeneratorExp, ast.ListComp, ast.SetComp)):
        return _word(node.generators[0].iter)
    elif isinstance(node, ast.BoolOp):
        return _word(node.values[0])
    elif isinstance(node, ast.IfExp):
        return _word(node.body)
    else:
        word = getattr(node, "id", "value")
    return word.strip("_").lower().replace("_", " ") or "value"


def _word_of_call(node):
    name = _name(node.func)
    if name in _OF_TEXTS and isinstance(node.func, ast.Attribute):
        return _word(node.func.value)
    if node.args and name == "get":
        return _word(ast.Subscript(node.func.value, node.args[0]))
    return _word(node.args[0]) if node.args and name in _SHOWING else _word(node.func)


def _name(node):
    return getattr(node, "id", None) or getattr(node, "attr", None)


def _without_vm(text):
    """(the message without the name of the VM before it, whether there was one)."""
    before, separator, after = text.partition(">: ")
    is_vm = bool(separator) and before.removeprefix("<") in _OF_VM
    return (after, True) if is_vm else (text, False)


def _is_searchable(text):
    """Whether something of the message is the same each time."""
    return len(fixed_letters(text)) >= _LEAST_FIXED


def fixed_letters(text):
    """The letters of a pattern outside its places."""
    return "".join(filter(str.isalpha, re.sub(r"<[^>]*>", "", text)))
