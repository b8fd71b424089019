# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find which guard of a driver a function or class belongs to: the first in its table that uses it, also indirectly."""

from __future__ import annotations

import ast


def guards_by_function(driver):
    """Return {(path in the driver's folder, function or class): (place in the table, what the guard protects from)}."""
    trees = {path.relative_to(driver).as_posix(): ast.parse(path.read_text("utf-8")) for path in driver.rglob("*.py")}
    calls = {(path, name): _names(one) for path, tree in trees.items() for name, one in _parts(tree)}
    by_name = {}
    for path, name in calls:
        by_name.setdefault(name, []).append((path, name))
    found = {}
    for place, (checks, protects) in enumerate(_rows(trees["guards.py"])):
        waiting = [("guards.py", name) for name in checks]
        while waiting:
            path, name = waiting.pop()
            # A name is a part of the same file, or one that another file of the driver exports.
            known = [(path, name)] if (path, name) in calls else [] if name[0] == "_" else by_name.get(name, [])
            new = [one for one in known if one not in found]
            found.update(dict.fromkeys(new, (place, protects)))
            waiting += [(one[0], called) for one in new for called in calls[one]]
    return found


def _parts(tree):
    """Yield (name, node) of the functions, classes and tables of a file."""
    for one in tree.body:
        if isinstance(one, (ast.FunctionDef, ast.ClassDef)):
            yield one.name, one
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            yield one.targets[0].id, one


def _names(node):
    """Names that a node reads: functions are called, or given to others that call them."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)}


def _rows(tree):
    """Yield (names in the column of the check, what it protects from) of the tables of guards, in order."""
    for one in ast.walk(tree):
        if isinstance(one, ast.Call) and getattr(one.func, "id", "").endswith("Guard") and len(one.args) == 3:
            yield _names(one.args[1]), one.args[2].value
