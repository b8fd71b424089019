# Copyright (c) 2026, polyvirt contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide to events, the schema and the code say the same."""

from __future__ import annotations

import json
import re

from ansible_collections.polyvirt.core.plugins.plugin_utils.outcomes import records

from collection_path import CHECKOUT
from suite.event_lines import SCHEMA, validator

GUIDE = (CHECKOUT / "docs/events.md").read_text(encoding="utf-8")
PROPERTIES = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]


def _rows(header):
    """{first cell: second cell} of a table."""
    table = GUIDE.partition(header)[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return dict(rows)


def test_guide_has_the_fields_of_the_schema():
    expected = {f"`{name}`": described["description"].rstrip(".") for name, described in PROPERTIES.items()}
    assert _rows("| field | content |") == expected


def test_guide_and_schema_have_the_same_events():
    in_guide = [name for cell in _rows("| event | when |") for name in re.findall("`(.+?)`", cell)]
    assert sorted(in_guide) == sorted(PROPERTIES["event"]["enum"])


def test_schema_has_all_events_of_the_code():
    others = (records.DRIFT, records.REFUSED, records.FAILED, records.PREPARED, records.HOST_FAILED, records.PROGRESS)
    assert sorted([*records.CHANGES, *others]) == sorted(PROPERTIES["event"]["enum"])


def test_event_of_the_guide_is_valid():
    block = re.search("```json\n(.+?)```", GUIDE, re.DOTALL).group(1)
    assert [error.message for error in validator().iter_errors(json.loads(block))] == []
