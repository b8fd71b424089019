# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the test that an id names exists. Nothing is imported, so that an id of any belt can be looked up."""

from __future__ import annotations

import ast
from functools import cache

from collection_path import CHECKOUT


def exists(test):
    """Whether ``path``, ``path::function`` or ``path::Class::function`` exists; a case in brackets is not looked up."""
    file, *names = test.partition("[")[0].split("::")
    if not (CHECKOUT / file).exists():
        return False
    known = _names_in(file) if names else ()
    return all(name in known for name in names)


@cache
def _names_in(file):
    tree = ast.parse((CHECKOUT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
