# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation fragments and argument specs say the same thing twice, for two readers; here they are compared."""

from __future__ import annotations

import ast

import yaml

# What both sides can say about an option, with what is meant when nothing is said.
_COMPARED = {"type": "str", "elements": None, "default": None, "required": False, "aliases": ()}


def documented_options(source):
    """The ``options`` of the DOCUMENTATION in a doc fragment's source."""
    return (yaml.safe_load(assigned(source, "DOCUMENTATION")) or {}).get("options") or {}


def page_options(source, fragments):
    """The options on the page of a module: those of its fragments, with what it says of them itself."""
    page = yaml.safe_load(assigned(source, "DOCUMENTATION"))
    extended = [name.rpartition(".")[2] for name in page["extends_documentation_fragment"]]
    options = {}
    for documented in (
        *(documented_options(fragments[name]) for name in extended if name in fragments),
        page.get("options") or {},
    ):
        for name, option in documented.items():
            options[name] = {**options.get(name, {}), **option}
    return options


def assigned(source, name):
    """The text that a source assigns to ``name``, or an empty one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
            return ast.literal_eval(node.value)
    return ""


def differences(documented, specified, where=""):
    """One sentence for each difference between documentation and spec, sub-options included."""
    found = [f"{where}{name}: documented, but not in the spec" for name in sorted(set(documented) - set(specified))]
    found += [f"{where}{name}: in the spec, but not documented" for name in sorted(set(specified) - set(documented))]
    for name in sorted(set(documented) & set(specified)):
        found += _option_differences(f"{where}{name}", documented[name], specified[name])
    return found


def _option_differences(name, documented, specified):
    found = []
    for key, unsaid in _COMPARED.items():
        left, right = (_plain(side.get(key, unsaid)) for side in (documented, specified))
        if left != right or type(left) is not type(right):
            found.append(f"{name}: {key} is documented as {left!r}, the spec has {right!r}")
    # The documentation may explain choices, and then has a dict of them; their order matters to neither side.
    left, right = (sorted(map(str, side.get("choices") or ())) for side in (documented, specified))
    if left != right:
        found.append(f"{name}: choices are documented as {left}, the spec has {right}")
    return found + differences(documented.get("suboptions") or {}, specified.get("options") or {}, f"{name}.")


def _plain(value):
    return list(value) if isinstance(value, tuple) else value
