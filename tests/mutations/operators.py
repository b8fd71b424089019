# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated mutants of a Python file: each operator changes one place. README.md lists the operators."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import accumulate

_COMPARED = {
    ast.Eq: "!=", ast.NotEq: "==", ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
_PAIRS = (
    ("any", "all"), ("min", "max"), ("startswith", "endswith"), ("partition", "rpartition"), ("lstrip", "rstrip"),
    ("removeprefix", "removesuffix"), ("lower", "upper"),
)  # fmt: skip
_OPPOSITES = {**dict(_PAIRS), **{second: first for first, second in _PAIRS}}
#: Statements whose absence may go unnoticed. Without an assignment to a name, the next line would fail.
_DROPPED = (ast.Raise, ast.Delete, ast.AugAssign, ast.Expr, ast.Assign)


@dataclass(frozen=True)
class Mutant:
    """``start`` and ``end`` are offsets in the bytes of the source. ``lines`` are those of the code that is replaced,
    ``statement`` those of the statement around it, without its body.
    """

    start: int
    end: int
    old: str
    new: str
    lines: range
    statement: range
    is_in_function: bool

    def source(self, source):
        """The source with this mutant. All other code keeps its lines."""
        lines = "\n" * (len(self.lines) - 1 - self.new.count("\n"))
        new = f"{self.new[:-1]}{lines})" if self.new.endswith(")") else f"{self.new}{lines}"
        return source[: self.start] + new.encode() + source[self.end :]


def mutants(source):
    """All mutants of a source (bytes), in the order of their places."""
    starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
    found = {}
    for node, new, statement, is_in_function in _changes(ast.parse(source)):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        new = f"({new})" if isinstance(node, ast.expr) else new
        lines, old = range(node.lineno, node.end_lineno + 1), source[start:end].decode()
        found[start, end, new] = Mutant(start, end, old, new, lines, _header(statement), is_in_function)
    return [found[key] for key in sorted(found)]


def _changes(tree):
    """(node, the code that replaces it, the statement around it, whether a function runs it) for each mutant."""
    left = [(tree, None, False)]
    while left:
        node, statement, is_inside = left.pop()
        if isinstance(node, ast.JoinedStr):  # Python 3.11 does not know the positions in it.
            continue
        statement = node if isinstance(node, (ast.stmt, ast.ExceptHandler)) else statement
        changes = _OPERATORS.get(type(node), _nothing)(node)
        yield from ((changed, new, statement, is_inside) for changed, new in changes)
        body = node.body if isinstance(node, (ast.FunctionDef, ast.Lambda)) else ()
        left += [(inner, statement, is_inside or inner is body or inner in _list(body)) for inner in _inner(node)]


def _list(body):
    return body if isinstance(body, list) else []


def _header(statement):
    body = getattr(statement, "body", None)
    end = max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno
    return range(statement.lineno, end + 1)


def _inner(node):
    """The nodes below one, without annotations and documentation."""
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            yield from (
                one for one in (value if isinstance(value, list) else [value])
                if isinstance(one, ast.AST) and not _is_documentation(one)
            )  # fmt: skip


def _is_documentation(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _nothing(_node):
    return ()


def _condition(node):
    yield node.test, "False"
    if not isinstance(node, ast.While):  # It would not end.
        yield node.test, "True"


def _loop(node):
    yield node.iter, "()"
    yield from ((test, "True") for test in getattr(node, "ifs", ()))


def _comparison(node):
    if len(node.ops) == 1:
        left, right = ast.unparse(node.left), ast.unparse(node.comparators[0])
        yield node, f"{left} {_COMPARED[type(node.ops[0])]} {right}"


def _constant(node):
    value = node.value
    if isinstance(value, bool):
        yield node, str(not value)
    elif isinstance(value, (int, float)):
        yield node, repr(value + 1)
    elif isinstance(value, str) and " " not in value:  # Otherwise a message.
        yield node, repr(f"other {value}".strip())


def _without_each(node):
    """A list, a set, a tuple, a dictionary or operands of and, or, without one of the elements."""
    names = [name for name in ("keys", "values", "elts") if hasattr(node, name)]
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    for place in range(len(getattr(node, names[-1]))):
        rest = {name: [one for at, one in enumerate(getattr(node, name)) if at != place] for name in names}
        yield node, ast.unparse(type(node)(**{**dict(ast.iter_fields(node)), **rest}))


def _call(node):
    for keyword in node.keywords:
        rest = [one for one in node.keywords if one is not keyword]
        yield node, ast.unparse(ast.Call(node.func, node.args, rest))


def _name(node):
    """Another function or method of the same form."""
    if isinstance(node, ast.Name) and node.id in _OPPOSITES:
        yield node, _OPPOSITES[node.id]
    elif isinstance(node, ast.Attribute) and node.attr in _OPPOSITES:
        yield node, f"{ast.unparse(node.value)}.{_OPPOSITES[node.attr]}"


def _dropped(node):
    is_name = isinstance(node, ast.Assign) and any(isinstance(one, (ast.Name, ast.Tuple)) for one in node.targets)
    if not is_name:
        yield node, "pass"


def _return(node):
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield node.value, "None"


_OPERATORS = {
    **dict.fromkeys((ast.If, ast.IfExp, ast.While), _condition),
    **dict.fromkeys((ast.For, ast.comprehension), _loop),
    **dict.fromkeys((ast.BoolOp, ast.List, ast.Set, ast.Tuple, ast.Dict), _without_each),
    **dict.fromkeys((ast.Name, ast.Attribute), _name),
    **dict.fromkeys(_DROPPED, _dropped),
    ast.Compare: _comparison,
    ast.Constant: _constant,
    ast.Call: _call,
    ast.Return: _return,
    ast.UnaryOp: lambda node: [(node, ast.unparse(node.operand))],
    ast.BinOp: lambda node: [(node, ast.unparse(node.left)), (node, ast.unparse(node.right))],
    ast.ExceptHandler: lambda node: [(node.type, "()")] if node.type else [],
    ast.Continue: lambda node: [(node, "break")],
    ast.Break: lambda node: [(node, "continue")],
}
