# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Indirect node counting as the automation controller does it, with the queries of extensions/audit/event_query.yml.

The rules are those of AWX, awx/main/tasks/host_indirect.py and models/indirect_managed_node_audit.py: a record without
canonical_facts, or with a null in them, is dropped without an error; records with equal canonical_facts are one node;
and all nodes of a job are lost if two of them have the same name, or one has none.
"""

from __future__ import annotations

import json

import jq
import yaml

from collection_path import CHECKOUT

QUERIES = yaml.safe_load((CHECKOUT / "extensions/audit/event_query.yml").read_text(encoding="utf-8"))


def nodes_of(results):
    """The names of the nodes that the controller counts for one job, from [(module, result of a task)]."""
    found = {}
    for module, result in results:
        query = QUERIES.get(module, {}).get("query")
        for record in jq.compile(query).input_value(result).all() if query else ():
            facts = json.dumps(record["canonical_facts"], sort_keys=True)
            assert record["canonical_facts"] and "null" not in facts, f"dropped: {record}"
            found.setdefault(facts, record["name"])
    names = list(found.values())
    assert len(set(names)) == len(names), f"all nodes of the job are lost: {names}"
    assert all(isinstance(name, str) and len(name) <= 255 for name in names), names
    return names
