# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the code lines of the collection by room and by platform: python scripts/count.py [CHECKOUT]

Comments, documentation strings and blank lines are not counted. The budgets are those of tests/gates/budgets.py.
"""

from __future__ import annotations

import ast
import sys
import tokenize
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from gates import budgets
from gates.shape import documentation_lines, files_of

_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(path):
    """The number of lines of one Python file that hold code."""
    documented = documentation_lines(ast.parse(text := path.read_text(encoding="utf-8")))
    left = [line.strip() for number, line in enumerate(text.split("\n"), 1) if number not in documented]
    if not any(quotes in line for line in left for quotes in ('"""', "'''")):
        return sum(not line.startswith("#") for line in filter(None, left))
    # Only a tokenizer knows which lines are in a text; it takes ten times as long.
    tokens = tokenize.generate_tokens(iter(text.splitlines(keepends=True)).__next__)
    spans = (range(one.start[0], one.end[0] + 1) for one in tokens if one.type not in _NO_CODE)
    return len(set().union(*spans) - documented)


def counted(checkout):
    """{path: code lines} of all Python files."""
    return {name: code_lines(checkout / name) for name in files_of(checkout) if name.endswith(".py")}


def rooms(lines):
    """{room: code lines}; a room is a folder of the second or third level."""
    found = Counter()
    for name, number in lines.items():
        parts = name.split("/")[:-1]
        depth = 3 if parts[:2] in (["plugins", "module_utils"], ["tests", "unit"], ["tests", "simulators"]) else 2
        found["/".join(parts[:depth])] += number
    return found


def folders(lines, start):
    """{folder: code lines} of the folders directly below ``start``."""
    found = Counter()
    for name, number in lines.items():
        if name.startswith(f"{start}/") and name.count("/") > start.count("/") + 1:
            found[name[len(start) + 1 :].split("/")[0]] += number
    return found


def main(checkout):
    lines = counted(checkout)
    for title, table in (
        ("Rooms", rooms(lines)),
        ("Drivers", folders(lines, "plugins/module_utils/_drivers")),
        ("Suites with their doubles", folders(lines, "tests/platforms")),
        ("Simulators", folders(lines, "tests/simulators") + folders(lines, "extensions/simulators")),
        ("Unit tests", folders(lines, "tests/unit")),
    ):
        print(f"\n{title}")
        for name, number in sorted(table.items(), key=lambda one: -one[1]):
            print(f"{number:7,}  {name}")
    print("\nBudgets: found, at most")
    for what, found, most in budgets.table(lines):
        print(f"{found:9,.6g} {most:7,}  {what}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
