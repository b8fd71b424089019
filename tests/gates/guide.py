# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table "To change X, open Y" of docs/architecture.md: which files its rows lead to.

Run as a script, it prints for functions that are picked at random the row that leads to the file of each.
"""

from __future__ import annotations

import ast
import random
import re
import sys
from pathlib import Path

#: Where the names of the table begin, and what its placeholders stand for.
_BEGINNINGS = ("plugins/module_utils", "plugins/module_utils/_drivers", "")
_PLACEHOLDER = re.compile(r"<(\w+)>")


def rows(checkout):
    """[(what is to be changed, [glob pattern below the checkout, ...])] of the table."""
    page = (checkout / "docs/architecture.md").read_text(encoding="utf-8")
    table = page.partition("## To change X, open Y")[2].partition("\n## ")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    return [(change, _patterns(opened)) for change, opened in cells]


def _patterns(text):
    """The patterns of the names in a cell: a name without a directory has that of the name before it, or a driver's."""
    patterns, folder = [], "<d>"
    for name in re.findall(r"`([^` ]+)`", text):
        if "/" in name:
            folder = name.rpartition("/")[0]
        elif name.endswith((".py", ".yml")):
            name = f"{folder}/{name}"
        else:
            continue
        name = name.replace("<d>", "_drivers/*")
        patterns.append(_PLACEHOLDER.sub("*", name.rstrip("/")).replace("**", "*"))
    return patterns


def files_of(checkout, pattern):
    """The files that a pattern leads to; below a directory, all of them."""
    found = []
    for beginning in _BEGINNINGS:
        for path in (checkout / beginning).glob(pattern):
            found += [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return found


def leads(checkout):
    """{path: [what is to be changed, ...]} of all files that the table leads to."""
    found = {}
    for change, patterns in rows(checkout):
        for pattern in patterns:
            for path in files_of(checkout, pattern):
                found.setdefault(path, []).append(change)
    return found


def functions(checkout):
    """[(path, name)] of all functions of the product with a documentation string or more than five lines."""
    found = []
    for path in sorted((checkout / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and (ast.get_docstring(node) or node.end_lineno - node.lineno > 5):
                found.append((path, node.name))
    return found


def main(checkout, seed, number):
    known = leads(checkout)
    for path, name in random.Random(seed).sample(functions(checkout), number):
        print(f"{name}: {path.relative_to(checkout)}\n    {'; '.join(known.get(path, ['no row'])[:2])}")


if __name__ == "__main__":
    main(Path(__file__).resolve().parents[2], *(sys.argv[1:2] or ["36"]), 20)
