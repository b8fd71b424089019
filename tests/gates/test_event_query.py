# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module that manages VMs has a query for indirect node counting, and no other module has one."""

from __future__ import annotations

import ast

import yaml

from collection_path import CHECKOUT

QUERIES = yaml.safe_load((CHECKOUT / "extensions/audit/event_query.yml").read_text(encoding="utf-8"))


def _managing_modules():
    """The modules that report in ``vms`` whether each VM was changed."""
    for path in sorted((CHECKOUT / "plugins/modules").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and node.targets[0].id == "RETURN":
                returned = yaml.safe_load(ast.literal_eval(node.value)) or {}
                if "changed" in returned.get("vms", {}).get("contains", {}):
                    yield f"polyvirt.core.{path.stem}"


def test_modules_that_manage_vms_have_a_query():
    assert sorted(QUERIES) == sorted(_managing_modules())


def test_action_plugins_do_not_change_what_is_counted():
    """AWX looks for the query of the action plugin, which several modules can have (meta/runtime.yml)."""
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text(encoding="utf-8"))
    routes = {name: one["action_plugin"] for name, one in runtime["plugin_routing"]["modules"].items()}
    counted = {f"polyvirt.core.{name}": action in QUERIES for name, action in routes.items()}
    assert {name: name in QUERIES for name in counted} == counted


def test_all_modules_have_the_same_query():
    assert len({one["query"] for one in QUERIES.values()}) == 1
