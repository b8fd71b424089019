# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of this collection Ansible ships with a module. As a command: the table in tests/bench/README.md."""

from __future__ import annotations

import ast

from ansible_collections.polyvirt.core.plugins.plugin_utils.tasks.registry import PLATFORMS

from collection_path import CHECKOUT

PLUGINS = CHECKOUT / "plugins"
#: {column of the table: module for all platforms}
KINDS = {"vm": "vm", "snapshot": "vm_snapshot", "info": "vm_info"}


def shipped_with(module):
    """The files that are shipped with a module, itself among them, as paths below plugins/.

    As Ansible does it: all imports are followed, wherever in a file they are. In this collection they are relative.
    """
    return _closure(module, ast.walk)


def loaded_with(module):
    """The files that are loaded when a module is imported, as ``shipped_with``: without imports in functions."""
    return _closure(module, _outside_functions)


def _closure(module, nodes):
    found, unread = set(), [PLUGINS / "modules" / f"{module}.py"]
    while unread:
        file = unread.pop()
        if file not in found:
            found.add(file)
            unread += _imported(file, nodes)
    return {file.relative_to(PLUGINS).as_posix() for file in found}


def _outside_functions(node):
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.Lambda)):
            yield child
            yield from _outside_functions(child)


def _imported(file, nodes):
    """The files that a file imports: modules of the collection, not names in them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    relative = [node for node in nodes(tree) if isinstance(node, ast.ImportFrom) and node.level]
    for node in relative:
        base = file.parents[node.level - 1].joinpath(*(node.module or "").split("."))
        named = [base / f"{alias.name}.py" for alias in node.names]
        yield from (path for path in [base.with_suffix(".py"), *named] if path.is_file())


def size(files):
    """Bytes of files, as shipped_with names them."""
    return sum((PLUGINS / file).stat().st_size for file in files)


def module_of(platform, kind):
    """The name of a platform's module of a kind; None if it has none."""
    return PLATFORMS[platform].modules.get(KINDS[kind])


def table():
    """One row for each platform: files and KiB with each of its modules."""
    yield f"| platform | {' | '.join(KINDS)} |"
    yield f"|---|{'---|' * len(KINDS)}"
    for platform in PLATFORMS:
        yield f"| {platform} | {' | '.join(_cell(module_of(platform, kind)) for kind in KINDS)} |"


def _cell(module):
    if module is None:
        return "-"
    files = shipped_with(module)
    return f"{len(files)} files, {size(files) / 1024:.0f} KiB"


if __name__ == "__main__":
    print("\n".join(table()))
