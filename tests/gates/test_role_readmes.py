# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README of a role has each variable, and its table has their defaults."""

from __future__ import annotations

import re

import pytest
import yaml

from collection_path import CHECKOUT

_ROW = re.compile(r"\| (`.*?) \| (.*?) ?\| .* \|")
_NAME = re.compile(r"`(\w+)`")
_LITERAL = re.compile(r"`([^`]+)`|[0-9]+")
ROLES = sorted(path.parent.name for path in CHECKOUT.glob("roles/*/README.md"))


def documented(role):
    """{name of a variable: cell with its default} of the README."""
    text = (CHECKOUT / "roles" / role / "README.md").read_text(encoding="utf-8")
    rows = [found for line in text.splitlines() if (found := _ROW.fullmatch(line))]
    return {name: row[2] for row in rows for name in _NAME.findall(row[1]) if name.startswith((role, "polyvirt_"))}


def declared(role):
    """{name of a variable: its default} of all entry points."""
    specs = yaml.safe_load((CHECKOUT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    entries = specs["argument_specs"].values()
    return {name: one.get("default") for entry in entries for name, one in entry["options"].items()}


@pytest.mark.parametrize("role", ROLES)
def test_readme_has_all_variables_and_their_defaults(role):
    known, shown = declared(role), documented(role)
    assert sorted(shown.keys() - known.keys()) == []
    text = (CHECKOUT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert [name for name in known if not re.search(rf"`{name}\b", text)] == []
    literals = {name: found for name, cell in shown.items() if (found := _LITERAL.fullmatch(cell))}
    wrong = {
        name: found[0]
        for name, found in literals.items()
        if known[name] is not None and yaml.safe_load(found[1] or found[0]) != known[name]
    }
    assert wrong == {}
